"""What a kind of channel is to the rest of the house: a protocol, how its keys are read, and how one of its channels is made."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from daozhang.channels.port import Channel
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Transport


def _never(_keys: Any) -> Iterable[tuple[str, datetime]]:
    return ()


@dataclass(frozen=True, slots=True)
class RefundRules:
    """What a kind takes of refunds: how old a payment may be, how many refunds of it, and how far apart two of them are.

    `oldest_by` names methods with another age.
    """

    oldest: timedelta = timedelta(days=365)
    most: int = 50
    apart: timedelta = timedelta(minutes=1)
    oldest_by: Mapping[str, timedelta] = field(default_factory=dict)

    def oldest_for(self, method: str) -> timedelta:
        """How old a payment of a method may be."""
        return self.oldest_by.get(method, self.oldest)


@dataclass(frozen=True, slots=True)
class Kind:
    """A protocol, as its folder states it.

    `read_keys` raises `Refusal` for keys that are missing, malformed, weak or published. `hosts` are its public addresses; empty
    for a kind whose channels each bring their operator's own, which must be https and lead to public addresses.
    `notified_by` is how its messages come: in the body of a POST, in the query string of a GET, or either way.
    `asks_first`: its messages only say "look": nothing is booked from one before the channel itself was asked.
    `expiries` tells when which certificate of a key set ends, for the alarms before it does. `channel_class` is what rules about
    classes of channels go by. `in_wechat` says how handy each method is inside WeChat's own browser (0 is best), `NOWHERE` where
    WeChat does not let it work; what it does not name is as on any phone. `refunds` is what it takes of refunds.
    """

    name: str
    methods: tuple[str, ...]
    hosts: tuple[str, ...]
    read_keys: Callable[[Any], Any]
    make: Callable[[ChannelRow, Sequence[Any], Transport], Channel]
    notified_by: Literal["POST", "GET", "EITHER"] = "POST"
    asks_first: bool = False
    expiries: Callable[[Any], Iterable[tuple[str, datetime]]] = _never
    channel_class: Literal["wallet", "card", "aggregator", "other"] = "other"
    in_wechat: Mapping[str, int] = field(default_factory=dict)
    refunds: RefundRules = field(default_factory=RefundRules)
