"""The values of limits. Amounts are fen, hours are minutes after midnight in Shanghai."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

Owner = Literal["ours", "channel", "bank"]
Instrument = Literal["debit", "credit", "wallet", "overseas"]
OWNERS: tuple[Owner, ...] = ("ours", "channel", "bank")
INSTRUMENTS: tuple[Instrument, ...] = ("debit", "credit", "wallet")
"""What a row of limits may name."""
OVERSEAS: Instrument = "overseas"
"""Issued abroad: a payer may say so; no row of limits names it."""
SCHEMES = frozenset({"visa", "mastercard", "jcb", "amex", "diners", "discover"})
"""What a channel calls the bank of such a card: the scheme's name."""

AXES = ("min", "single", "day", "month", "hours")
"""What a limit may bound, in the order in which a person is told."""


BANK = re.compile(r"[a-z][a-z0-9_]{1,15}", re.ASCII)
"""A bank's short name, such as `icbc`."""


def card_fits(bank: str | None, instrument: str | None) -> bool:
    """Whether what a payer said of the card has the form that rows name cards by."""
    return (bank is None or BANK.fullmatch(bank) is not None) and (instrument is None or instrument in (*INSTRUMENTS, OVERSEAS))


@dataclass(frozen=True, slots=True)
class Way:
    """One user's way to pay. `bank` and `instrument` are what the payer said of the card; None = nothing."""

    shop_id: int
    user_id: int
    channel_id: int | None = None
    method: str | None = None
    bank: str | None = None
    instrument: str | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One row that holds for a way to pay, with what its user has used of it. None = it does not bound that.

    `day_used_fen` and `month_used_fen` count payments that were made today or this month in Shanghai and those that may still be
    made. `opens_min` and `closes_min` bound the hours of service; a service that closes before it opens runs through midnight.
    `changed_fen`: a channel refused this much on the axis `changed_axis` though the row allows it.
    """

    id: int
    owner: str
    at: datetime
    day_ends_at: datetime
    month_ends_at: datetime
    kind: str | None = None
    channel_id: int | None = None
    method: str | None = None
    bank: str | None = None
    instrument: str | None = None
    min_fen: int | None = None
    single_fen: int | None = None
    day_fen: int | None = None
    month_fen: int | None = None
    opens_min: int | None = None
    closes_min: int | None = None
    fee_bp: int | None = None
    demo: bool = False
    changed_axis: str | None = None
    changed_fen: int | None = None
    day_used_fen: int = 0
    month_used_fen: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """A limit that does not let an amount through: on which axis, and the facts that fill its reason's texts."""

    axis: str
    limit: Limit
    facts: dict[str, Any]

    @property
    def reason(self) -> str:
        """The code of the reason."""
        return f"channel.limit.{self.axis}"
