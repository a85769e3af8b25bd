"""Epay (易支付): payments through an operator who collects for its merchants; V1 with a shared key, V2 with RSA."""

from collections.abc import Sequence

from daozhang.channels.kind import Kind
from daozhang.channels.kinds.epay.adapter import METHODS, Epay, signing_of
from daozhang.channels.kinds.epay.keys import EpayKeys, read_keys
from daozhang.channels.kinds.epay.v1 import EpayV1
from daozhang.channels.kinds.epay.v2 import EpayV2
from daozhang.channels.port import Channel
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Transport


def make(row: ChannelRow, keys: Sequence[EpayKeys], transport: Transport) -> Channel:
    """The channel in the version that its newest keys name. `keys` are every version that holds, newest first."""
    speaks = EpayV1 if keys[0].version == "v1" else EpayV2
    return speaks(row, keys, transport, signing_of(keys))


KIND = Kind(Epay.kind, METHODS, (), read_keys, make, notified_by="EITHER", asks_first=True,
            channel_class="aggregator")  # fmt: skip
"""Its hosts are the operator's own, so a channel gives them; operators call back by GET, a few by POST."""
