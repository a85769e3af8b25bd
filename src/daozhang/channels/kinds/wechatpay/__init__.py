"""WeChat Pay, API v3."""

from daozhang.channels.kind import Kind
from daozhang.channels.kinds.wechatpay import adapter
from daozhang.channels.kinds.wechatpay.keys import expiries, read_keys
from daozhang.channels.port import NOWHERE

KIND = Kind(
    adapter.KIND, adapter.METHODS, adapter.HOSTS, read_keys, adapter.WechatPay, expiries=expiries, channel_class="wallet",
    # WeChat takes its own H5 page only from outside.
    in_wechat={"jsapi": 0, "native": 1, "h5": NOWHERE},
)  # fmt: skip
