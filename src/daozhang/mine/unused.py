"""The unused balance back: first a quote, part by part and payment by payment, then exactly that.

Cash goes back the way it came, the newest payment first. A bonus is never paid out: each part takes back its share of what its
payment had brought, by paid / (paid + bonus) of what is left (法释〔2025〕4号, art. 18), which the refund itself does.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from daozhang import clock
from daozhang.channels.catalogue import KINDS
from daozhang.offers.take_back import due_fen
from daozhang.postgres import Database, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.desk import Desk

sql, offers_sql = statements("daozhang.mine"), statements("daozhang.offers")
log = logging.getLogger(__name__)

MOST_PARTS = 200
WHY = "退回未用的余额"


class Part(NamedTuple):
    """What one payment gives back. `bonus_fen` is what goes with it; `stuck` says why it cannot go back by itself."""

    order_id: UUID
    kind: str
    method: str
    amount_fen: int
    bonus_fen: int
    paid_at: datetime
    stuck: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """How the unused cash goes back. `rest_fen` is cash that no payment of the last ones can take back."""

    cash_fen: int
    parts: tuple[Part, ...]
    stuck: tuple[Part, ...]
    rest_fen: int

    @property
    def total_fen(self) -> int:
        """The part of the quote that is refunded automatically, in fen."""
        return sum(part.amount_fen for part in self.parts)

    @property
    def bonus_fen(self) -> int:
        """The bonus that is taken back with it, in fen."""
        return sum(part.bonus_fen for part in self.parts)


class Done(NamedTuple):
    """What became of one part: its refund began, or why not."""

    part: Part
    refused: Refusal | None


class Unused:
    """Quotes and returns what a user has not spent."""

    def __init__(self, database: Database, desk: Desk) -> None:
        self._database, self._desk = database, desk

    async def quote(self, user_id: int) -> Way:
        """How the cash would go back now; nothing is changed by asking."""
        wallet = await self._desk.wallet(user_id)
        left_fen, at = wallet.cash_fen, clock.now()
        parts: list[Part] = []
        stuck: list[Part] = []
        for row in await self._database.rows(sql.payments, user_id, self._desk.shop_id, MOST_PARTS):
            amount_fen = min(left_fen, row["left_fen"])
            if amount_fen <= 0:
                continue
            oldest = KINDS[row["kind"]].refunds.oldest_for(row["method"])
            old = at - row["paid_at"] > oldest
            bonus_fen = await self._bonus(row["order_id"], row["returned_fen"] + amount_fen)
            why = "refund.too_old" if old else ""
            part = Part(row["order_id"], row["kind"], row["method"], amount_fen, bonus_fen, row["paid_at"], why)
            (stuck if old else parts).append(part)
            left_fen -= amount_fen
        return Way(wallet.cash_fen, tuple(parts), tuple(stuck), left_fen)

    async def give_back(self, user_id: int, agreed_fen: int) -> list[Done]:
        """Begin the refunds of what was quoted. Raises `wallet.quote_changed` when it is not what the user agreed to any more.

        A part that is refused leaves the others alone; its money stays in the balance, with why.
        """
        way = await self.quote(user_id)
        if way.total_fen != agreed_fen or agreed_fen <= 0:
            raise Refusal("wallet.quote_changed", left_fen=way.total_fen)
        done: list[Done] = []
        for part in way.parts:
            try:
                await self._desk.refund(part.order_id, part.amount_fen, WHY, f"user:{user_id}")
                done.append(Done(part, None))
            except Refusal as refusal:
                log.info("an unused part could not go back: %s", refusal.reason)
                done.append(Done(part, refusal))
        return done

    async def _bonus(self, order_id: UUID, returned_fen: int) -> int:
        rows = await self._database.rows(offers_sql.granted_of_order, order_id)
        return sum(due_fen(row["bonus_fen"], row["paid_fen"], returned_fen, row["due_fen"]) for row in rows)
