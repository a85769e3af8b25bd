"""What the shop sells and what was bought, as values that other rooms may hold."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from daozhang import ids

MOST_PIECES = 100
"""Pieces of one purchase."""


class Good(msgspec.Struct, frozen=True):
    """Something on the shelf. `left_count` are pieces that nobody set aside (None: a supplier delivers); `price_fen` is for one.

    `delivery`: `cards` hands over codes of the shop's own stock, `topup` has a supplier credit the account that the buyer names;
    `target` says what kind of account that is, `target_pattern` how its name looks (`goods/pattern.py`).
    """

    id: int
    shop_id: int
    goods_class: str
    name: str
    price_fen: int
    source: str
    on_sale: bool
    left_count: int | None
    name_en: str = ""
    about_zh: str = ""
    about_en: str = ""
    alarm_below: int = 0
    delivery: Literal["cards", "topup"] = "cards"
    sku: str = ""
    target: str = ""
    target_pattern: str = ""

    @property
    def sold_out(self) -> bool:
        """Whether there is nothing to sell now."""
        return self.left_count == 0

    def titled(self, language: str) -> str:
        """Its name in a language; a good without an English name keeps its own."""
        return self.name_en if language == "en" and self.name_en else self.name

    def about(self, language: str) -> str:
        """What it is, in a language."""
        return (self.about_en or self.about_zh) if language == "en" else self.about_zh


def shown(purchase_id: UUID) -> str:
    """The purchase's number as people see it."""
    return f"PU-{ids.text26(purchase_id)}"


def parse_shown(text: str) -> UUID | None:
    """Read a shown number; None for anything else."""
    return ids.parse26(text[3:]) if text.startswith("PU-") else None


class Purchase(msgspec.Struct, frozen=True):
    """What a user bought. `balance_fen` and `channel_fen` are the parts that pay it; `order_id` recharges the channel's part.

    `state`: set aside (reserved), paid and with the supplier (supplying), handed over (delivered), put back unpaid (released), or
    refused by the supplier and paid back (returned).
    """

    id: UUID
    shop_id: int
    user_id: int
    goods_id: int
    name: str
    count: int
    price_fen: int
    balance_fen: int
    channel_fen: int
    order_id: UUID | None
    hold_id: UUID | None
    state: Literal["reserved", "supplying", "delivered", "released", "returned"]
    reason: str
    created_at: datetime
    expires_at: datetime
    moved_at: datetime
    name_en: str = ""
    goods_class: str = ""
    delivery: Literal["cards", "topup"] = "cards"

    @property
    def total_fen(self) -> int:
        """What all pieces cost."""
        return self.price_fen * self.count

    @property
    def shown(self) -> str:
        """The number that people see."""
        return shown(self.id)

    def titled(self, language: str) -> str:
        """The good's name in a language."""
        return self.name_en if language == "en" and self.name_en else self.name
