"""What staff do to limits: state one, end one, list them, and load the rows of the release, which are marked as demo.

A row is never edited. Stating a limit ends the row for the same owner and the same way, so what held when can always be read.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from importlib import resources
from typing import Any

import msgspec

from daozhang import clock
from daozhang.channels.catalogue import KINDS
from daozhang.limits.model import BANK, INSTRUMENTS, OWNERS
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.limits")

MOST_FEN = 9_999_999_999
_HOUR = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


class Stated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit as somebody states it. Amounts in fen; hours as HH:MM in Shanghai; `source` says where the number is from, and when.

    What is left out is not bounded, or not narrowed: a row without a kind holds for every kind.
    """

    owner: str
    source: str
    source_date: date
    kind: str | None = None
    channel_id: int | None = None
    method: str | None = None
    bank: str | None = None
    instrument: str | None = None
    min_fen: int | None = None
    single_fen: int | None = None
    day_fen: int | None = None
    month_fen: int | None = None
    opens: str | None = None
    closes: str | None = None
    fee_bp: int | None = None


class Listed(msgspec.Struct, frozen=True):
    """A row as staff see it."""

    id: int
    owner: str
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
    source: str
    source_date: date
    demo: bool
    valid_from: datetime
    valid_until: datetime | None
    actor: str
    changed_at: datetime | None
    changed_axis: str | None
    changed_fen: int | None
    changed_code: str | None


async def put(
    database: Database,
    stated: Stated,
    actor: str,
    *,
    shop_id: int = 1,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    demo: bool = False,
) -> int:
    """State a limit; its number. It holds from now unless told otherwise. Raises `Refusal("limits.malformed", field=...)`."""
    _check(stated)
    begin = valid_from or clock.now()
    if valid_until is not None and valid_until <= begin:
        raise Refusal("limits.malformed", field="until")

    async def work(tx: Tx) -> int:
        same = (stated.owner, stated.kind, stated.channel_id, stated.method, stated.bank, stated.instrument)
        if stated.channel_id is not None and not await tx.value(sql.channel_there, shop_id, stated.channel_id):
            raise Refusal("channel.unknown", channel_id=stated.channel_id)
        await tx.value(sql.one_at_a_time)
        await tx.run(sql.replace_same, shop_id, *same, begin)
        made: int = await tx.value(
            sql.add, shop_id, *same, stated.min_fen, stated.single_fen, stated.day_fen, stated.month_fen, _time(stated.opens),
            _time(stated.closes), stated.fee_bp, stated.source, stated.source_date, demo, begin, valid_until, actor, clock.now(),
        )  # fmt: skip
        return made

    return await database.transact(work)


async def end(database: Database, limit_id: int, *, shop_id: int = 1, at: datetime | None = None) -> None:
    """End a row now, or at a moment. Raises `Refusal("limits.unknown")` when no such row is in force."""
    ended = await database.transact(lambda tx: tx.value(sql.end_row, shop_id, limit_id, at or clock.now()))
    if ended is None:
        raise Refusal("limits.unknown", limit_id=limit_id)


async def listed(database: Database, *, shop_id: int = 1, past: bool = False) -> list[Listed]:
    """The rows that hold or will hold; `past` adds those that ended."""
    return [Listed(**dict(row)) for row in await database.rows(sql.listed, shop_id, past, clock.now())]


async def ship(database: Database, actor: str, *, shop_id: int = 1) -> int:
    """Load the rows of the release, for kinds that have no row yet; how many. They are examples, and say so."""
    there = {(row.kind, row.bank) for row in await listed(database, shop_id=shop_id)}
    fresh = [s for s in shipped() if (s.kind, s.bank) not in there and (s.kind is None or s.kind in KINDS)]
    for stated in fresh:
        await put(database, stated, actor, shop_id=shop_id, demo=True)
    return len(fresh)


def shipped() -> Sequence[Stated]:
    """The rows of `demo.toml`."""
    content = resources.files("daozhang.limits").joinpath("demo.toml").read_bytes()
    return msgspec.toml.decode(content, type=dict[str, list[Stated]])["limit"]


def day_of(text: str) -> datetime:
    """The beginning of a day in Shanghai, from YYYY-MM-DD. Raises `ValueError`."""
    return datetime.combine(date.fromisoformat(text), time(), clock.SHANGHAI).astimezone(UTC)


def _check(stated: Stated) -> None:
    amounts = [stated.min_fen, stated.single_fen, stated.day_fen, stated.month_fen]
    rising = [each for each in (stated.single_fen, stated.day_fen, stated.month_fen) if each is not None]
    rules: dict[str, Any] = {
        "owner": stated.owner in OWNERS,
        "source": 0 < len(stated.source) <= 200 and stated.source.isprintable(),
        "kind": stated.kind is None or stated.kind in KINDS,
        "method": stated.method is None or any(stated.method in kind.methods for kind in KINDS.values()),
        "bank": (stated.bank is None and stated.owner != "bank") or (stated.bank and BANK.fullmatch(stated.bank)),
        "instrument": stated.instrument is None or stated.instrument in INSTRUMENTS,
        "amount": all(each is None or 0 < each <= MOST_FEN for each in amounts) and rising == sorted(rising)
        and (stated.min_fen is None or not rising or stated.min_fen <= rising[0]),
        "hours": (stated.opens is None) == (stated.closes is None)
        and all(each is None or _HOUR.fullmatch(each) for each in (stated.opens, stated.closes)),
        "fee": stated.fee_bp is None or 0 <= stated.fee_bp <= 2_000,
        "limit": any(each is not None for each in (*amounts, stated.opens, stated.fee_bp)),
    }  # fmt: skip
    for field, holds in rules.items():
        if not holds:
            raise Refusal("limits.malformed", field=field)


def _time(text: str | None) -> time | None:
    return None if text is None else time(int(text[:2]), int(text[3:]))
