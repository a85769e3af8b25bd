"""WeChat Pay, API v3."""

from daozhang.channels.kind import Kind
from daozhang.channels.kinds.wechatpay import adapter
from daozhang.channels.kinds.wechatpay.keys import expiries, read_keys

KIND = Kind(adapter.KIND, adapter.METHODS, adapter.HOSTS, read_keys, adapter.WechatPay, expiries=expiries)
