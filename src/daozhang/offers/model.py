"""The values of offers. Amounts are fen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

Form = Literal["bonus", "coupon"]


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recharge at least `from_fen`, get `bonus_fen` on top."""

    from_fen: int
    bonus_fen: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a campaign is to give: its tiers, what it may cost in all, and what one user may get of it.

    `user_fen` and `user_count` bound one user's share; None = they do not. `stacks`: it goes together with another offer that does.
    """

    form: Form
    name_zh: str
    name_en: str
    begins_at: datetime
    ends_at: datetime
    tiers: tuple[Tier, ...]
    budget_fen: int
    user_fen: int | None = None
    user_count: int | None = None
    stacks: bool = False


class Campaign(msgspec.Struct, frozen=True):
    """A campaign in a list. `used_fen` of the budget is promised, given, or (coupons) issued."""

    id: int
    form: str
    name_zh: str
    name_en: str
    state: str
    begins_at: datetime
    ends_at: datetime
    tiers: tuple[Tier, ...]
    budget_fen: int
    used_fen: int
    user_fen: int | None
    user_count: int | None
    stacks: bool
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None
    stopped_by: str | None
    why: str
    orders_count: int
    granted_fen: int
    coupons_count: int
    coupons_used_count: int


class Ask(NamedTuple):
    """What one user would like with one recharge. `code_hash` is a coupon's (`codes.digest`); b"" stands for what is no code."""

    user_id: int
    amount_fen: int | None
    campaign_id: int | None
    code_hash: bytes | None


@dataclass(frozen=True, slots=True)
class Seen:
    """How a chosen offer and a chosen coupon stand, under whatever locks the caller holds.

    `offer`: none (not chosen), open, below (the amount is below its tiers: nothing is given and nothing is wrong), early, over,
    spent (its budget), capped (the user's share), unknown. `coupon`: none, open, below, used, reserved, expired,
    capped, unknown.
    """

    offer: str = "none"
    offer_fen: int = 0
    coupon: str = "none"
    coupon_fen: int = 0
    coupon_from_fen: int | None = None
    coupon_until_at: datetime | None = None
    stacks: bool = True
    """Whether both may be had at once."""
    promised_fen: int = 0
    """What other open orders of the user were promised."""
    campaign_id: int | None = None
    coupon_id: UUID | None = None
    coupon_campaign_id: int | None = None


class Offer(msgspec.Struct, frozen=True):
    """A campaign as the recharge page shows it. `bonus_fen` is for the amount on the page; `next` the next tier above it."""

    id: int
    name_zh: str
    name_en: str
    tiers: tuple[Tier, ...]
    ends_at: datetime
    bonus_fen: int
    next: Tier | None
    state: str
    stacks: bool


class OwnCoupon(msgspec.Struct, frozen=True):
    """A coupon that belongs to the user and can be used now. `code` is what the form sends."""

    code: str
    name_zh: str
    name_en: str
    from_fen: int
    bonus_fen: int
    expires_at: datetime
    fits: bool


class Page(msgspec.Struct, frozen=True):
    """What a recharge of an amount may bring on top, for one user. `coupons_run`: a code may be typed."""

    offers: tuple[Offer, ...] = ()
    coupons: tuple[OwnCoupon, ...] = ()
    coupons_run: bool = False


class Given(msgspec.Struct, frozen=True):
    """What an order was promised. `state`: promised, granted, returned; `taken_fen` went back with refunds."""

    name_zh: str
    name_en: str
    bonus_fen: int
    taken_fen: int
    state: str
    coupon: bool
