"""The fault dial: what goes wrong next, where, how often and for whom.

A fault belongs to a *point* (a call the merchant makes, a callback the channel sends). Faults wait in order; the first that
fits a call is used up once per call. Tests and the chaos run set them in code or over HTTP, people set them on the phone page.
"""

import asyncio
import copy
import itertools
import random
from collections import deque
from typing import Literal, NamedTuple, get_args

import msgspec

Point = Literal["order", "query", "close", "refund", "refund_query", "certificates", "api", "notice"]

ApiFault = Literal[
    "error",  # answers an error and does nothing
    "booked_error",  # does it, then answers an error
    "hang",  # does it, then answers only after `seconds`
    "delay",  # waits `seconds`, then does it and answers
    "truncate",  # does it, answers half of the body and cuts the line
    "garbage",  # does it, answers signed text that is no JSON
    "unsigned",  # does it, leaves the signature headers away (a proxy that strips them)
    "forge",  # does it, signs with a stranger's key under the right serial number
    "probe",  # does it, answers with a SIGNTEST signature
    "stale",  # does it, signs with a timestamp ten minutes old
    "unknown_serial",  # does it, names a key nobody has heard of
    "alter",  # does it, tells `amount_fen` instead of the true amount, rightly signed
    "page",  # does it, answers the bare word "success" (operators of Epay)
    "odd_amount",  # does it, writes the amount in a way of its own (operators of Epay)
    "words",  # does it, tells the state in words (operators of Epay)
    "empty_503",  # answers 503 without a body (maintenance of the channel's front)
]

NoticeFault = Literal[
    "drop",  # this send is lost on the way; the ladder goes on
    "silence",  # nothing is ever sent
    "delay",  # sent `seconds` later
    "duplicate",  # sent `copies` times at once
    "reorder",  # sent after the next callback of anybody
    "forge",  # an additional send signed by a stranger comes first
    "tamper",  # an additional send whose ciphertext was changed on the way comes first
    "stale",  # an additional send signed ten minutes ago comes first
    "unknown_serial",  # an additional send naming an unknown key comes first
    "probe",  # an additional SIGNTEST send comes first
    "alter",  # the callback tells `amount_fen`; the books keep the truth
    "other_mchid",  # the callback names another merchant
    "other_appid",  # the callback names another app
    "other_currency",  # the callback names USD
    "unknown_order",  # the callback names an order nobody placed
    "replay",  # sent `copies` times more after it was acknowledged
    "extra",  # an additional send with an unsigned parameter comes first
    "polluted",  # an additional send with one field twice comes first
    "other_key",  # an additional send signed with another merchant's key comes first
    "odd_amount",  # the callback writes its amount in a way of its own
    "status_word",  # the callback tells the state in words
    "cut",  # the connection is cut in the middle of the body
    "slow",  # the body is sent byte by byte over `seconds`
]

TRICKS: tuple[str, ...] = (
    "drop", "silence", "delay", "duplicate", "reorder", "forge", "tamper", "stale", "probe", "alter", "unknown_order",
    "cut", "slow", "charged_otherwise", "booked_error", "hang",
)  # fmt: skip
"""What may go wrong with a payment that does go through, as the phone offers it. `Dial.arrange` turns the dial for one."""

MOST_STRUCK = 200_000

_KINDS: dict[str, frozenset[str]] = {
    point: frozenset(get_args(NoticeFault if point == "notice" else ApiFault)) for point in get_args(Point)
}


class BadFault(ValueError):
    """There is no such fault at that point."""


class Fault(msgspec.Struct, kw_only=True):
    """One setting of the dial. `times` None = until cleared; `number` = only for this order or refund number of the merchant.

    `channel` = only at this kind of channel; empty = at any.
    """

    point: Point
    kind: str
    channel: str = ""
    times: int | None = 1
    probability: float = 1.0
    number: str | None = None
    code: str = "SYSTEM_ERROR"
    http: int = 0
    message: str = ""
    seconds: float = 10.0
    copies: int = 2
    amount_fen: int = 1
    id: int = 0
    used: int = 0


class Struck(NamedTuple):
    """A fault that met a call or a message."""

    channel: str
    point: Point
    kind: str
    number: str


class Dial:
    """The faults that wait. Not thread-safe: it lives in the simulator's event loop. `struck` are the last of those that met."""

    def __init__(self, seed: int = 0) -> None:
        self.channel = ""
        self.struck: deque[Struck] = deque(maxlen=MOST_STRUCK)
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)
        self._chance = random.Random(seed)  # noqa: S311 - chance that a seed repeats is what tests need.
        self._held: set[asyncio.Event] = set()

    def at(self, channel: str) -> "Dial":
        """The same dial as one kind of channel has it: it takes what is set for it or for any, and sets for itself."""
        view = copy.copy(self)
        view.channel = channel
        return view

    def set(self, fault: Fault) -> Fault:
        """Add a fault. Raises `BadFault` when the point does not know the kind or a number makes no sense."""
        if fault.kind not in _KINDS.get(fault.point, ()):
            raise BadFault(f"{fault.point} knows no fault {fault.kind!r}")
        if not 0 <= fault.probability <= 1 or (fault.times is not None and not 0 < fault.times <= 1_000_000):
            raise BadFault("probability must be 0 to 1 and times 1 to 1,000,000")
        if not 0 <= fault.seconds <= 86_400 or not 1 <= fault.copies <= 1_000:
            raise BadFault("seconds must be 0 to 86,400 and copies 1 to 1,000")
        if len(self._faults) >= 1_000:
            raise BadFault("a thousand faults wait already")
        fault.id = next(self._ids)
        fault.channel = fault.channel or self.channel
        self._faults.append(fault)
        return fault

    def take(self, point: Point, number: str = "") -> Fault | None:
        """The fault for this call, if one waits; counts its use and forgets it when it is used up."""
        if not self._faults:
            return None
        for fault in self._faults:
            if fault.point != point and not (fault.point == "api" and point != "notice"):
                continue
            if fault.channel not in ("", self.channel):
                continue
            if fault.number is not None and fault.number != number:
                continue
            if fault.probability < 1 and self._chance.random() >= fault.probability:
                continue
            fault.used += 1
            self.struck.append(Struck(self.channel, point, fault.kind, number))
            if fault.times is not None and fault.used >= fault.times:
                self._faults.remove(fault)
            return fault
        return None

    def arrange(self, trick: str, number: str, otherwise_fen: int) -> None:
        """Let the payment with the merchant's `number` meet a trick; `charged_otherwise` and none need no turn of the dial."""
        if trick in ("booked_error", "hang"):
            # Charged but not notified: no callback ever comes, and the first question about it fails or hangs as well.
            self.set(Fault(point="notice", kind="silence", number=number))
            self.set(Fault(point="query", kind="error" if trick == "booked_error" else "hang", number=number, seconds=10))
        elif trick and trick != "charged_otherwise":
            self.set(Fault(point="notice", kind=trick, number=number, amount_fen=otherwise_fen, seconds=8, copies=5))

    def waiting(self) -> list[Fault]:
        """The faults that still wait."""
        return list(self._faults)

    def clear(self) -> None:
        """Everything works again."""
        self._faults.clear()

    async def hold(self, seconds: float) -> None:
        """Let a call hang for so long, or until `release`."""
        let_go = asyncio.Event()
        self._held.add(let_go)
        alarm = asyncio.get_running_loop().call_later(seconds, let_go.set)
        try:
            await let_go.wait()
        finally:
            alarm.cancel()
            self._held.discard(let_go)

    def holds(self) -> int:
        """How many calls hang this moment."""
        return len(self._held)

    def release(self) -> None:
        """Let every call that hangs go on now."""
        for let_go in self._held:
            let_go.set()

    def chance(self) -> float:
        """A number from 0 to 1 out of the dial's seeded chance."""
        return self._chance.random()
