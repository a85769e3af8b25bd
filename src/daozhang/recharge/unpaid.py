"""A user's unpaid orders, when a second one of the same sum may be placed beside one of them, and recharges that came twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from daozhang import clock
from daozhang.postgres import Database, statements
from daozhang.recharge.view import shown

sql = statements("daozhang.recharge")

DOUBT = timedelta(minutes=2)
"""How long an order whose outcome is not known stands in the way of another one of the same sum."""
LOOK_BACK = timedelta(days=8)
"""Older orders are open only while a person looks at them."""
MOST = 10
TWICE_WITHIN = timedelta(days=1)
"""Two recharges of one sum that arrive within this time may be one that was paid twice."""


@dataclass(frozen=True, slots=True)
class Open:
    """An unpaid order. `since` is when its outcome became unknown; without doubt, when it was made."""

    id: UUID
    state: str
    amount_fen: int
    purchase: bool
    kind: str
    expires_at: datetime | None
    in_doubt: bool
    since: datetime

    @property
    def shown(self) -> str:
        """Its number as people see it."""
        return shown(self.id)

    def doubtful(self, at: datetime) -> bool:
        """Whether it is unknown if it was paid: a channel has not answered, or it expired and its end is not confirmed."""
        over = self.state in ("created", "awaiting_payment") and self.expires_at is not None and at >= self.expires_at
        return self.in_doubt or over

    def payable(self, at: datetime) -> bool:
        """Whether it can still be paid: not in doubt, and not being closed."""
        return not self.doubtful(at) and self.state != "closing"

    def another_from(self) -> datetime | None:
        """From when on a second order of the same sum is possible."""
        since = self.since if self.in_doubt else self.expires_at
        return since + DOUBT if since is not None else None

    def another(self, at: datetime) -> bool:
        """Whether a second order of the same sum is possible now: only after two minutes of doubt."""
        from_at = self.another_from()
        return self.doubtful(at) and from_at is not None and at >= from_at


async def open_orders(database: Database, shop_id: int, user_id: int) -> list[Open]:
    """A user's open orders, newest first."""
    rows = await database.rows(sql.open_orders, user_id, shop_id, clock.now() - LOOK_BACK, MOST)
    return [Open(**row) for row in rows]


async def twins(database: Database, shop_id: int, user_id: int, order_id: UUID) -> Sequence[UUID]:
    """Other recharges of the same sum that arrived within a day of this one, and are there in full: this may be one too many."""
    rows = await database.rows(sql.twins, user_id, shop_id, order_id, int(TWICE_WITHIN.total_seconds()))
    return [row["id"] for row in rows]
