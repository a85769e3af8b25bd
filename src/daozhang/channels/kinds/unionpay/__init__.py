"""UnionPay, all-channel platform (ACP) 5.1.0."""

from datetime import timedelta

from daozhang.channels.kind import Kind, RefundRules
from daozhang.channels.kinds.unionpay import adapter
from daozhang.channels.kinds.unionpay.keys import expiries, read_keys

KIND = Kind(adapter.KIND, adapter.METHODS, adapter.HOSTS, read_keys, adapter.UnionPay, asks_first=True, expiries=expiries,
            channel_class="card",
            # ACP 5.1.0 warrants ninety days for gateway payments and thirty for codes; many banks take more, none has to.
            refunds=RefundRules(timedelta(days=90), 200, timedelta(0), {"qr": timedelta(days=30)}))  # fmt: skip
