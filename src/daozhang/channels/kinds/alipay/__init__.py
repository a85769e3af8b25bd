"""Alipay, gateway.do (the v2 protocol)."""

from daozhang.channels.kind import Kind
from daozhang.channels.kinds.alipay import adapter
from daozhang.channels.kinds.alipay.keys import expiries, read_keys

KIND = Kind(adapter.KIND, adapter.METHODS, adapter.HOSTS, read_keys, adapter.Alipay, expiries=expiries)
