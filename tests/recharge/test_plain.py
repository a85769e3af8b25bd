"""What is credited as asked is written by one statement, and just as it is written among others that are not."""

from typing import Any

import msgspec
import pytest
from tests.flows.shop import make_users
from tests.fuzz.house import CHANNEL, House, payment

from daozhang import ids
from daozhang.bench.seed import Waiting, make_orders
from daozhang.channels.port import Report
from daozhang.ledger import accounts
from daozhang.policy.record import intact
from daozhang.postgres import Database, Tx, statements
from daozhang.settings import Settings

WRITTEN = {
    "orders": ("id", "state, version, reason, moved_at = credited_at"),
    "attempts": ("order_id", "state, version, channel_txn is not null, paid_fen, payer is not null, next_query_at"),
    "order_moves": ("order_id", "version, from_state, move, to_state, actor, reason"),
    "attempt_moves": (
        "(select order_id from attempts where id = attempt_id)",
        "version, from_state, move, to_state, actor, reason",
    ),
    "fact_keys": ("(select order_id from attempts where id = attempt_id)", "channel_id"),
    "decisions_told": ("order_id", "stage, outcome, reason, book_version, verdicts::text, user_id is not null"),
    "payer_marks": ("order_id", "amount_fen, octet_length(payer)"),
    "events": ("order_id", "kind, actor, data::text"),
    "transfers": ("source_id", "kind, line_count, actor, reason <> '', happened_at < booked_at"),
    "postings": ("(select source_id from transfers where id = transfer_id)", "line, amount_fen"),
}
"""Of each table that a credit writes: how its rows name the order, and what must not depend on the way it was written."""


def _told(order: Waiting, amount_fen: int = 5_000) -> Report:
    number = ids.text26(order.attempt_id)
    return msgspec.structs.replace(payment(number, amount_fen, f"42{number}"), payer=f"payer {order.user_id}")


async def _rows(database: Database, table: str, order: Waiting) -> list[tuple[Any, ...]]:
    name, what = WRITTEN[table]
    rows = await database.rows(f"select {what} from {table} where {name} = $1 order by 1", order.order_id)
    return [tuple(row) for row in rows]


async def test_am_01_a_plain_credit_is_written_alike_alone_and_among_others(
    database: Database, owner_database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three statements when all are plain, users' accounts opened on the way; part by part when one is of another amount."""
    users = await make_users(owner_database.dsn, 5)
    orders = await make_orders(database, users, 5, CHANNEL)
    house = await House.open(database.dsn, settings)
    assert await house.told([_told(orders[4])]) == ["credited"], "and the book of rules is read"
    asked: list[str] = []
    texts = statements("daozhang.policy").keep_texts
    """Asked until this session has found what decisions say alike; no part of what a settlement costs."""

    def heard(name: str) -> Any:
        way = getattr(Tx, name)

        async def ask(self: Tx, sql: str, *args: Any) -> Any:
            if sql != texts:
                asked.append(sql)
            return await way(self, sql, *args)

        return ask

    for name in ("rows", "row", "value", "run", "last"):
        monkeypatch.setattr(Tx, name, heard(name))
    assert await house.told([_told(each) for each in orders[:2]]) == ["credited"] * 2
    assert len(asked) == 3, asked
    assert await house.told([_told(orders[2]), _told(orders[3], 4_999)]) == ["credited", "misfit"]
    assert len(asked) > 8, asked
    monkeypatch.undo()
    # The same user once more: his account is known by now.
    again = await make_orders(database, users[:1], 1, CHANNEL)
    assert await house.told([_told(again[0])]) == ["credited"]
    for table in WRITTEN:
        alone, beside, among = [await _rows(database, table, order) for order in (orders[0], orders[1], orders[2])]
        assert alone == beside == among != [], table
    cash = await house.balances()
    assert [cash[accounts.cash(user)] for user in users[:3]] == [10_000, 5_000, 5_000]
    for row in await database.rows("select * from decisions_told"):
        assert intact(row)
    await house.database.close()
