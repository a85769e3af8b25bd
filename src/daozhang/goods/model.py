"""What the shop sells and what was bought, as values that other rooms may hold."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

MOST_PIECES = 100
"""Pieces of one purchase."""


class Good(msgspec.Struct, frozen=True):
    """Something on the shelf. `left_count` are pieces that nobody set aside; `price_fen` is for one."""

    id: int
    shop_id: int
    goods_class: str
    name: str
    price_fen: int
    source: str
    on_sale: bool
    left_count: int


class Purchase(msgspec.Struct, frozen=True):
    """What a user bought. `balance_fen` and `channel_fen` are the parts that pay it; `order_id` recharges the channel's part."""

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
    state: Literal["reserved", "delivered", "released"]
    reason: str
    created_at: datetime
    expires_at: datetime
    moved_at: datetime

    @property
    def total_fen(self) -> int:
        """What all pieces cost."""
        return self.price_fen * self.count
