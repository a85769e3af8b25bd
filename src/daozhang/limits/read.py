"""Reading the limits that hold for ways to pay, with what is used of them: one statement, however many ways."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Protocol
from uuid import UUID

import msgspec

from daozhang import clock
from daozhang.limits.model import Limit, Way
from daozhang.postgres import statements

sql = statements("daozhang.limits")


class Reader(Protocol):
    """A transaction, or the database for a reading outside of one."""

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        """Every row of the answer."""


async def read(reader: Reader, ways: Sequence[Way], besides: Sequence[UUID] = ()) -> list[tuple[Limit, ...]]:
    """The rows in force for each way, in order. To hold them, lock the users in a statement of its own before.

    `besides` are orders that do not count: those under judgement, when their attempts are there already.
    """
    texts = await reader.rows(
        sql.in_force,
        [way.shop_id for way in ways],
        [way.user_id for way in ways],
        [way.channel_id for way in ways],
        [way.method for way in ways],
        [way.bank for way in ways],
        [way.instrument for way in ways],
        list(besides),
    )
    found = {row["place"]: read_limits(row["limits"]) for row in texts}
    return [found.get(place, ()) for place in range(1, len(ways) + 1)]


class _Row(msgspec.Struct, frozen=True):
    """A row of `limits_in_force` as JSON."""

    limit_id: int
    owner: str
    at: datetime
    day_ends_at: datetime
    month_ends_at: datetime
    kind: str | None
    channel_id: int | None
    method: str | None
    bank: str | None
    instrument: str | None
    min_fen: int | None
    single_fen: int | None
    day_fen: int | None
    month_fen: int | None
    opens: time | None
    closes: time | None
    fee_bp: int | None
    demo: bool
    changed_axis: str | None
    changed_fen: int | None
    day_used_fen: int
    month_used_fen: int


_rows = msgspec.json.Decoder(list[_Row]).decode


def read_limits(text: str | None) -> tuple[Limit, ...]:
    """The limits of one way, from the JSON of their rows; None is no row."""
    return tuple([_limit(row) for row in _rows(text)]) if text else ()


def _limit(row: _Row) -> Limit:
    return Limit(
        id=row.limit_id,
        owner=row.owner,
        at=row.at,
        day_ends_at=row.day_ends_at,
        month_ends_at=row.month_ends_at,
        kind=row.kind,
        channel_id=row.channel_id,
        method=row.method,
        bank=row.bank,
        instrument=row.instrument,
        min_fen=row.min_fen,
        single_fen=row.single_fen,
        day_fen=row.day_fen,
        month_fen=row.month_fen,
        opens_min=_minutes(row.opens),
        closes_min=_minutes(row.closes),
        fee_bp=row.fee_bp,
        demo=row.demo,
        changed_axis=row.changed_axis,
        changed_fen=row.changed_fen,
        day_used_fen=row.day_used_fen,
        month_used_fen=row.month_used_fen,
    )


def _minutes(moment: time | None) -> int | None:
    return None if moment is None else moment.hour * 60 + moment.minute


@dataclass(frozen=True, slots=True)
class Card:
    """A class of cards of a bank, with what the bank allows; amounts in fen, None = not stated. `demo`: an example's numbers."""

    bank: str
    instrument: str | None
    single_fen: int | None
    day_fen: int | None
    month_fen: int | None
    demo: bool

    @property
    def value(self) -> str:
        """The value of the card in a form: `bank:class`."""
        return f"{self.bank}:{self.instrument or ''}"


async def cards(reader: Reader, shop_id: int) -> list[Card]:
    """The cards whose banks' limits are known now and hold for every way to pay."""
    rows = await reader.rows(sql.cards, shop_id, clock.now())
    return [Card(row["bank"], row["instrument"], row["single_fen"], row["day_fen"], row["month_fen"], row["demo"]) for row in rows]
