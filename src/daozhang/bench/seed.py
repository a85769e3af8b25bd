"""Rows to measure with: users, and orders that wait for their payment, written by the same functions as in production."""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from daozhang import clock, ids
from daozhang.postgres import Database, Tx, statements
from daozhang.recharge import moves

sql = statements("daozhang.recharge")

MERCHANT, APP = "1900000001", "wx0000000000000001"
CHUNK = 2_000


class Waiting(NamedTuple):
    """An order that waits, with the attempt that a payment would name."""

    order_id: UUID
    attempt_id: UUID
    user_id: int
    amount_fen: int


async def make_users(owner: Database, count: int) -> list[int]:
    """Active users, without a login. Their phone numbers are noise."""
    rows = await owner.rows(
        """insert into users (shop_id, phone_sealed, phone_blind, locale, standing_since, created_at, seen_at)
        select 1, '\\x00', sha256(convert_to('bench' || n, 'UTF8')), 'zh', clock_now(), clock_now(), clock_now()
        from generate_series(1, $1::integer) as n returning id""",
        count,
    )
    return [row["id"] for row in rows]


async def make_orders(app: Database, users: list[int], count: int, channel_id: int, amount_fen: int = 5_000) -> list[Waiting]:
    """Orders in `awaiting_payment`, each with an open attempt; users take turns."""
    made: list[Waiting] = []
    while len(made) < count:
        chunk = [
            Waiting(order_id := ids.new_id(), ids.new_id(after=order_id), users[(len(made) + n) % len(users)], amount_fen)
            for n in range(min(CHUNK, count - len(made)))
        ]
        # As in production: the order is committed before the channel is asked, and moves when it has answered.
        await app.transact(lambda tx, chunk=chunk: _write(tx, chunk, channel_id))  # type: ignore[misc]
        await app.transact(lambda tx, chunk=chunk: _submit(tx, chunk))  # type: ignore[misc]
        made.extend(chunk)
    return made


async def _write(tx: Tx, chunk: list[Waiting], channel_id: int) -> None:
    at, many = clock.now(), len(chunk)
    expires = at + timedelta(minutes=15)
    orders, attempts, users = [w.order_id for w in chunk], [w.attempt_id for w in chunk], [w.user_id for w in chunk]
    amounts, channels = [w.amount_fen for w in chunk], [channel_id] * many
    await tx.value(
        sql.create_orders, 1, at, orders, users, amounts, channels, ["native"] * many, ["bench"] * many,
        ["127.0.0.1"] * many, ["zh"] * many, [expires] * many, ["wallet"] * many,
    )  # fmt: skip
    await tx.value(
        sql.create_attempts, 1, at, attempts, orders, users, channels, ["wechatpay"] * many, ["native"] * many,
        [MERCHANT] * many, [APP] * many, amounts, ["127.0.0.1"] * many, [None] * many, [expires] * many, [expires] * many,
    )  # fmt: skip


async def _submit(tx: Tx, chunk: list[Waiting]) -> None:
    at = clock.now()
    await moves.move_orders(tx, at, "bench", [moves.Step(w.order_id, 0, "created", "submitted") for w in chunk])
    due_at = at + timedelta(minutes=15)
    await moves.move_attempts(tx, at, "bench", [moves.Step(w.attempt_id, 0, "prepared", "opened", due_at=due_at) for w in chunk])
