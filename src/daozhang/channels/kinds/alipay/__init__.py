"""Alipay, gateway.do (the v2 protocol)."""

from datetime import timedelta

from daozhang.channels.kind import Kind, RefundRules
from daozhang.channels.kinds.alipay import adapter
from daozhang.channels.kinds.alipay.keys import expiries, read_keys
from daozhang.channels.port import NOWHERE

KIND = Kind(
    adapter.KIND, adapter.METHODS, adapter.HOSTS, read_keys, adapter.Alipay, expiries=expiries, channel_class="wallet",
    # WeChat shows Alipay's pages to nobody.
    in_wechat={"qr": 5, "h5": NOWHERE, "page": NOWHERE},
    # A year, three seconds apart; it states no number of refunds.
    refunds=RefundRules(most=200, apart=timedelta(seconds=3)),
)  # fmt: skip
