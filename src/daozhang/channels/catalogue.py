"""Which kinds exist and how a channel of each is made. A new kind is one line here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from daozhang.channels.kinds.wechatpay import adapter as wechatpay
from daozhang.channels.kinds.wechatpay.keys import read_keys as read_wechat_keys
from daozhang.channels.port import Channel
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Transport


@dataclass(frozen=True, slots=True)
class Kind:
    """A protocol. `read_keys` raises `Refusal` for keys that are missing, malformed or weak; `hosts` are the only public ones."""

    name: str
    methods: tuple[str, ...]
    hosts: tuple[str, ...]
    read_keys: Callable[[Any], Any]
    make: Callable[[ChannelRow, Sequence[Any], Transport], Channel]


KINDS = {
    wechatpay.KIND: Kind(wechatpay.KIND, wechatpay.METHODS, wechatpay.HOSTS, read_wechat_keys, wechatpay.WechatPay),
}
