"""The values of policy: facts go in, verdicts and one decision come out.

A fact that is None is *not known*. It never counts as harmless: a hard or firm check without its facts stops the money.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from daozhang.limits.model import Limit
from daozhang.reasons.catalogue import Layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from daozhang.policy.book import Book


class Stage(StrEnum):
    """When checks are made.

    Shown before paying and asked as a pre-flight (neither has an effect); enforced when a recharge is placed, when its money
    arrives, when a balance is spent, and when money goes back.
    """

    SHOWN = "shown"
    ASKED = "asked"
    PLACE = "place"
    PAID = "paid"
    SPEND = "spend"
    REFUND = "refund"


BEFORE = frozenset({Stage.SHOWN, Stage.ASKED, Stage.PLACE})
"""The stages at which a recharge can still be stopped before money moves."""


class Outcome(StrEnum):
    """What may happen, from mildest to hardest. The worst one of all verdicts wins."""

    ADMIT = "admit"
    MONITOR = "monitor"
    CHALLENGE = "challenge"
    HOLD = "hold"
    REFUSE = "refuse"

    @property
    def rank(self) -> int:
        """0 for admit up to 4 for refuse."""
        return _RANKS[self]


_RANKS = {outcome: rank for rank, outcome in enumerate(Outcome)}


class Strength(IntEnum):
    """Whether a check can give way: a hard one never, a firm one only to a second person, a soft one to tolerance."""

    SOFT = 0
    FIRM = 1
    HARD = 2


NEVER_S = 3_153_600_000
"""A hundred years, in seconds: how long ago something was that is known never to have happened. Not knowing is None."""


class Signals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the rules of risk judge by. Counts and sums hold the present order, too; None is not known.

    An order counts in a window once it was admitted; one that was refused, given up before that, or failed at the channel or here
    never does, nor do the attempts of one order. Device and payer windows look across accounts.
    """

    user_age_s: int | None = None
    verification: str | None = None
    large_count: int | None = None
    """Large orders of the user in the book's window; `book.risk` says what is large and how long the window is."""
    orders_hour_count: int | None = None
    orders_day_count: int | None = None
    orders_day_fen: int | None = None
    unfrozen_s: int | None = None
    """Since the user's freeze ended; NEVER_S if there was none."""
    unfrozen_fen: int | None = None
    """How much of a spending would come from money that was there when the freeze ended."""
    device_known: bool | None = None
    device_s: int | None = None
    """Since the user's device was first seen; known only when the device is."""
    device_accounts_count: int | None = None
    device_day_fen: int | None = None
    device_near_count: int | None = None
    """Orders of the last day, from this device, just below the largest amount."""
    device_failures_count: int | None = None
    place_known: bool | None = None
    place_usual: bool | None = None
    place_abroad: bool | None = None
    elsewhere_s: int | None = None
    """Since a log-in from a place that is not usual; NEVER_S if there was none."""
    payer_flagged: bool | None = None
    payer_new: bool | None = None
    payer_accounts_count: int | None = None
    payer_day_fen: int | None = None
    payer_near_count: int | None = None
    payer_failures_count: int | None = None
    """Payments of the last hour that the payer's own bank or account refused."""
    tolerance_fen: int | None = None
    """What is left of the small-amount budget: the least of the account's, the device's and the payer's."""


class RegionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One dated row of regulation in force: a class of channels that may not be used in a region, for a class of goods."""

    id: int
    region: str
    channel_class: str
    goods_class: str
    in_flight: str


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that policy knows of one user's wish or payment at one moment. Stored with the decision, so that it can be replayed."""

    at: datetime
    shop_id: int
    user_id: int
    standing: str | None = None
    standing_why: str | None = None
    standing_until_at: datetime | None = None
    standing_review_at: datetime | None = None
    locked_until_at: datetime | None = None
    """End of a lock-out on a device of the user's own; only meaningful when `standing` is known."""
    channel_id: int | None = None
    channel_enabled: bool | None = None
    """False also for a channel that does not exist."""
    kind: str | None = None
    methods: tuple[str, ...] | None = None
    method: str | None = None
    amount_fen: int | None = None
    admitted_fen: int | None = None
    """What today's other orders of the user, not failed and not ended, add up to."""
    day_ends_at: datetime | None = None
    recent_fen: tuple[int, ...] | None = None
    """The user's last credited recharges, newest first, at most eight."""
    sure_fen: int | None = None
    """The amount that the user was asked about and said yes to; None = nothing was asked."""
    unbound_s: int | None = None
    """Since the user unbound a device; NEVER_S if none was."""
    cooling_fen: int = 0
    """What has left the user's balance for goods since then."""
    confirmed: bool | None = None
    """Whether this very order was confirmed by a code or a look at the face; None = nobody asked yet."""
    page_version: str | None = None
    page_current: str | None = None
    database_writes: bool | None = None
    bank: str | None = None
    instrument: str | None = None
    """What the payer says of the card; None = nothing was said."""
    no_credit: bool | None = None
    channel_stop: str | None = None
    channel_stop_facts: dict[str, Any] | None = None
    """Why the way to pay takes no order now; None = it does, or nobody watches."""
    limits: tuple[Limit, ...] | None = None
    """The rows in force for the way to pay, with what its user has used of them."""
    notify_door: bool | None = None
    """Whether channels can reach our door for notifications; None = nobody has looked."""
    available_fen: int | None = None
    """What the user's balance holds: for spending with the bonus, for money that goes back without it."""
    payer_known: bool | None = None
    """Whether the channel says who pays; before the payment only few do."""
    signals: Signals | None = None
    """None when the signals of risk could not be read: then only small amounts pass (`book.risk`)."""
    agreement_version: int | None = None
    """The service agreement in force; 0 when the shop has published none."""
    agreement_ticked: int | None = None
    """The version that came ticked with the wish."""
    agreement_agreed: bool | None = None
    """Whether the one in force was agreed to, before or with this wish; None = the form has not been sent yet."""
    purchase: bool | None = None
    """Whether the money is the channel's part of a purchase: then nothing of it stays in the wallet."""
    verified: bool | None = None
    """Whether the user's name is verified."""
    age: str | None = None
    """By the verified number: unverified, adult, from_16, from_8 or below_8."""
    bought: bool | None = None
    """Whether a purchase of the user was ever delivered."""
    stored_fen: int | None = None
    """What the user has here in every account, and what his other open recharges will add."""
    month_fen: int | None = None
    """What a minor's other orders of this month add up to."""
    month_ends_at: datetime | None = None
    open_count: int | None = None
    """How many other orders of the user wait for their payment."""
    currency: str | None = None
    """What the payer would pay in, where the wish or the payment says it; None = nothing was said."""
    region: str | None = None
    """Where the user is, by the first digits of a code of GB/T 2260; empty = not known. Read only while a row asks."""
    region_rules: tuple[RegionRule, ...] | None = None
    """The rows of regulation in force that are about this way to pay for this."""
    offer: str | None = None
    """How the chosen campaign stands, `none` when none was chosen (`offers/model.py`)."""
    offer_fen: int | None = None
    """The bonus that it would bring."""
    coupon: str | None = None
    """How the coupon stands that is to be used, `none` when there is none."""
    coupon_fen: int | None = None
    coupon_from_fen: int | None = None
    """The least recharge that the coupon is for."""
    coupon_until_at: datetime | None = None
    offers_fen: int | None = None
    """What other open orders of the user were promised on top; read only when this one asks for something, too."""
    offers_stack: bool | None = None
    """Whether campaign and coupon may be had together."""
    pass_fen: int | None = None
    """The largest amount of a one-time pass that a person gave this user and that still holds; 0 when there is none."""


WISHED = frozenset(
    {"channel_id", "channel_enabled", "methods", "method", "amount_fen", "page_version", "no_credit", "agreement_agreed"}
)
"""Facts that a person brings by choosing: before the choice their absence is no ignorance."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one check says. `outcome` None = it can be judged only later. `shown` False = not for the user's eyes."""

    check: str
    layer: Layer
    outcome: Outcome | None
    reason: str | None = None
    facts: dict[str, Any] = {}
    shown: bool = True
    why: tuple[tuple[Any, ...], ...] = ()
    """For staff: the comparisons that decided a rule, each feature, value, operator, what it was held against, truth."""
    before: Outcome | None = None
    """What it would have been without the small-amount budget or a one-time pass."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The outcome of all checks. `reason` is the headline: what has to be cured first; None when nothing stands in the way."""

    stage: Stage
    outcome: Outcome
    reason: str | None
    facts: dict[str, Any]
    verdicts: tuple[Verdict, ...]
    book_version: int
    tolerated: bool = False
    """Whether a soft rule gave way to the small-amount budget: then the amount is taken from it."""
    passed: bool = False
    """Whether a one-time pass stood in for an objection: then it is used up."""

    @property
    def admits(self) -> bool:
        """Whether money may move: admitted, or admitted and watched."""
        return self.outcome.rank <= Outcome.MONITOR.rank

    @property
    def holds(self) -> bool:
        """Whether money that has arrived must wait."""
        return not self.admits


@dataclass(frozen=True, slots=True)
class Hit:
    """A check's objection: how hard, why, and the facts that fill the reason's texts."""

    outcome: Outcome
    reason: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule, written once: shown, asked, enforced and explained from here.

    `needs` are the facts without which it cannot judge. `judge` answers a hit or None and is pure. `tells` gives the facts of the
    sentence that states the rule when there is no hit (`policy/sentences.toml`); None when it names no fact. `blind` is what a soft
    check says without its facts; by default nothing. `constant`: people read its one sentence whatever the result. `by_book`: what
    it tells is the same for everybody under one book, so it is told once. `applies`: the books under which it is a check at all.
    """

    name: str
    layer: Layer
    strength: Strength
    stages: frozenset[Stage]
    needs: tuple[str, ...]
    judge: "Callable[[Facts, Book], Hit | None]"
    tells: "Callable[[Facts, Book], dict[str, Any]] | None" = None
    shown: bool = True
    blind: "Callable[[Facts, Book], Hit | None] | None" = None
    constant: bool = False
    by_book: bool = False
    applies: "Callable[[Book], bool] | None" = None
