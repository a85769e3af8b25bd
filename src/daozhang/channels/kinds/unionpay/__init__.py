"""UnionPay, all-channel platform (ACP) 5.1.0."""

from daozhang.channels.kind import Kind
from daozhang.channels.kinds.unionpay import adapter
from daozhang.channels.kinds.unionpay.keys import expiries, read_keys

KIND = Kind(adapter.KIND, adapter.METHODS, adapter.HOSTS, read_keys, adapter.UnionPay, asks_first=True, expiries=expiries,
            channel_class="card")  # fmt: skip
