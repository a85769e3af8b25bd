"""What a diagnosis is made of: the evidence that goes in, and the finding that is told. Pure values."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec

from daozhang.policy.model import Verdict
from daozhang.recharge.model import Considered, OrderView

Told = Literal["cause", "not_told", "checking", "underway", "waiting", "received", "arrived", "back", "refund", "clear"]
"""What a finding is able to say: the cause; that nobody told us; that we do not know yet; being prepared; waiting for the payer;
the money is here and waits; it is in the balance; it goes or went back; why it does not go back; nothing stands in the way."""

Moved = Literal["never_asked", "confirmed_none", "not_known", "checking", "received", "credited", "returning", "returned"]
"""What happened to the money, as far as a channel has said it. `confirmed_none` only when every channel that was asked has
confirmed it; `not_known`: a code is out, and what became of it was not heard."""

Source = Literal["checks", "channel", "query", "callback", "bill", "user", "books", "board", "clock"]
"""Who says it: our checks, the channel's answer, its answer to a query of ours, its message, its bill, the payer, our ledger, what
we see of channels, and time."""


class Mark(StrEnum):
    """How a check stands. `constant` is one line that never says how it went, because saying it would teach the way around it."""

    PASSED = "passed"
    NOTED = "noted"
    FAILED = "failed"
    UNREACHED = "unreached"
    UNKNOWN = "unknown"
    CONSTANT = "constant"


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One check. `what` is the name of a check of policy, or of what no check could know beforehand (`diagnosis/layers.py`)."""

    what: str
    mark: Mark
    source: Source
    reason: str | None = None
    facts: dict[str, Any] = {}
    at: datetime | None = None


class Layer(msgspec.Struct, frozen=True):
    """One layer with its checks; its mark is the gravest of them."""

    layer: str
    mark: Mark
    lines: tuple[Line, ...]


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why, and who can act. `facts` hold only what may be shown; `native` is the channel's own code, `kind` which one said so."""

    reason: str
    layer: str
    cured_by: str
    retry: str
    source: Source
    facts: dict[str, Any] = {}
    at: datetime | None = None
    kind: str = ""
    native: str = ""


class Cure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step as a button. `step` names its words, `to` is a path of this site; `post` fills a form."""

    step: str
    to: str
    post: dict[str, str] | None = None
    facts: dict[str, Any] = {}


class Way(msgspec.Struct, frozen=True):
    """A way to pay that would go right now, asked without any effect. `extra`: with one more step."""

    channel_id: int
    kind: str
    method: str
    extra: bool


class Loop(msgspec.Struct, frozen=True):
    """The same end again and again: how often within `window_s`, and since when."""

    count: int
    since_at: datetime
    window_s: int


class Freeze(msgspec.Struct, frozen=True):
    """A time in which the account was frozen; `until_at` None = it still is, without a known end."""

    why: str
    since_at: datetime
    until_at: datetime | None
    ended: bool
    office: str = ""
    """Which office froze it, never which person."""


class Stopped(msgspec.Struct, frozen=True):
    """The last spending (`spend`) or asking back (`refund`) of money, if it was refused: no order tells of it."""

    stage: str
    reason: str
    layer: str
    cured_by: str
    facts: dict[str, Any]
    at: datetime


class Failed(msgspec.Struct, frozen=True):
    """A recharge that ended without money, for the list of what happened lately."""

    shown: str
    state: str
    amount_fen: int
    kind: str
    method: str
    reason: str | None
    at: datetime


class Heard(msgspec.Struct, frozen=True):
    """What the payer says that the phone showed. `reason` None: it says nothing that we know."""

    pick: str
    reason: str | None
    native: str
    at: datetime


class Finding(msgspec.Struct, frozen=True):
    """What is told. `ask` are the picks of the question what the phone showed; empty = there is nothing to ask."""

    at: datetime
    about: str
    told: Told
    moved: Moved
    cause: Cause | None
    layers: tuple[Layer, ...]
    cures: tuple[Cure, ...]
    ways: tuple[Way, ...]
    loop: Loop | None
    ask: tuple[str, ...]
    heard: Heard | None
    freezes: tuple[Freeze, ...]
    failures: tuple[Failed, ...]
    amount_fen: int
    until_at: datetime | None = None
    """When time alone ends the cause, if it does."""
    may_end: bool = False
    """Whether the cause may end by itself or by somebody else: then it can be watched."""
    stopped: tuple[Stopped, ...] = ()
    """What was refused of the balance lately; only where recharges are looked at in general."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision as it was kept, or as it would be now. Facts of stored verdicts are plain JSON."""

    stage: str
    outcome: str
    reason: str | None
    verdicts: tuple[Verdict, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt. `asked_at` is when we last asked the channel about it, `answered_at` when it last answered."""

    id: UUID
    channel_id: int
    kind: str
    method: str
    state: str
    native_code: str
    reason: str | None
    created_at: datetime
    expires_at: datetime
    moved_at: datetime
    next_query_at: datetime | None
    paid_fen: int | None
    asked_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known about one order, or (without one) about a user's recharges, at one moment."""

    at: datetime
    shop_id: int
    user_id: int
    amount_fen: int
    standing: str
    order: OrderView | None = None
    decisions: tuple[Judged, ...] = ()
    attempts: tuple[Tried, ...] = ()
    anomalies: tuple[str, ...] = ()
    now: tuple[Considered, ...] = ()
    states: tuple[tuple[int, str, str, str | None, dict[str, Any]], ...] = ()
    """The board: channel, method, status, why, facts."""
    freezes: tuple[Freeze, ...] = ()
    failures: tuple[Failed, ...] = ()
    stopped: tuple[Stopped, ...] = ()
    heard: tuple[Heard, ...] = ()
    case: str = ""
    """The open case about it, by its shown number."""
    witnesses: dict[str, str] = field(default_factory=dict)
    """By which witness a move became known, by the move's name."""
