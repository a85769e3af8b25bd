"""Alipay, gateway.do (the v2 protocol)."""

from daozhang.channels.kind import Kind
from daozhang.channels.kinds.alipay import adapter
from daozhang.channels.kinds.alipay.keys import expiries, read_keys
from daozhang.channels.port import NOWHERE

KIND = Kind(
    adapter.KIND, adapter.METHODS, adapter.HOSTS, read_keys, adapter.Alipay, expiries=expiries, channel_class="wallet",
    # WeChat shows Alipay's pages to nobody.
    in_wechat={"qr": 5, "h5": NOWHERE, "page": NOWHERE},
)  # fmt: skip
