"""One table of moves per machine: the code, the database and the page in the docs hold the same rows."""

from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from daozhang import clock, ids
from daozhang.postgres import Database
from daozhang.recharge import diagram
from daozhang.recharge.states import (
    ATTEMPT_MOVES,
    ATTEMPT_STATES,
    ENDED_UNPAID,
    ORDER_MOVES,
    ORDER_STATES,
    PAYOUT_MOVES,
    PAYOUT_STATES,
    REFUND_MOVES,
    REFUND_STATES,
    UNPAID,
)

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "states.md"


@pytest.mark.parametrize(
    ("table", "moves"),
    [
        ("legal_order_moves", ORDER_MOVES),
        ("legal_attempt_moves", ATTEMPT_MOVES),
        ("legal_refund_moves", REFUND_MOVES),
        ("legal_payout_moves", PAYOUT_MOVES),
    ],
)
async def test_database_allows_the_moves_of_the_code(database: Database, table: str, moves: Mapping[tuple[str, str], str]) -> None:
    rows = await database.rows(f"select from_state, move, to_state from {table}")
    assert {(row["from_state"], row["move"]): row["to_state"] for row in rows} == dict(moves)


async def test_database_knows_the_states_of_the_code(database: Database) -> None:
    orders = await database.rows("select state, money, terminal from order_states")
    assert {row["state"]: (row["money"], row["terminal"]) for row in orders} == ORDER_STATES
    for table, states in (("attempt_states", ATTEMPT_STATES), ("refund_states", REFUND_STATES), ("payout_states", PAYOUT_STATES)):
        rows = await database.rows(f"select state, terminal from {table}")
        assert {row["state"]: row["terminal"] for row in rows} == states


def test_page_in_the_docs_is_current() -> None:
    assert DOCS.read_text("utf-8") == diagram.page(), "run: python -m daozhang.recharge.diagram > docs/reference/states.md"


@pytest.mark.parametrize(
    ("states", "moves"),
    [(ORDER_STATES, ORDER_MOVES), (ATTEMPT_STATES, ATTEMPT_MOVES), (REFUND_STATES, REFUND_MOVES), (PAYOUT_STATES, PAYOUT_MOVES)],
)
def test_every_state_is_reached_and_every_open_one_is_left(
    states: Mapping[str, object], moves: Mapping[tuple[str, str], str]
) -> None:
    reached = {next(iter(states)), *moves.values()}
    left = {state for state, _ in moves}
    resting = {state for state, meaning in states.items() if (meaning if isinstance(meaning, bool) else meaning[1])}  # type: ignore[index]
    assert reached == set(states)
    assert set(states) - resting <= left


def test_money_is_taken_in_from_every_state_that_took_none() -> None:
    """Late money is still money: no unpaid state turns a payment away, and no paid one takes a second."""
    unpaid = {state for state, meaning in ORDER_STATES.items() if meaning.money in ("none", "checking")}
    assert unpaid == UNPAID
    assert {"refused", "abandoned", "failed", "expired", "cancelled"} == ENDED_UNPAID


@pytest.mark.parametrize("leaf", ["", "leaf"])
async def test_illegal_move_is_refused_by_the_log(database: Database, owner_database: Database, leaf: str) -> None:
    table = f"order_moves_{clock.now():%Y%m}" if leaf else "order_moves"
    text = f"insert into {table} values ($1, 1, 'created', 'credited', 'credited', 'x', '', clock_now())"
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="no order moves created -credited-> credited"):
        await owner_database.transact(lambda tx: tx.run(text, ids.new_id()))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.transact(lambda tx: tx.run(text, ids.new_id()))


@pytest.mark.parametrize(("table", "state"), [("orders", "credited"), ("attempts", "paid")])
async def test_what_begins_begins_in_its_first_state(database: Database, table: str, state: str) -> None:
    """The views that orders and attempts begin in have no state and no version; the tables are not the program's to write."""
    for column, value in (("state", f"'{state}'"), ("version", "7"), ("currency", "'CNY'")):
        with pytest.raises(asyncpg.UndefinedColumnError):
            await database.rows(f"insert into {table}_begun (id, {column}) values (gen_random_uuid(), {value})")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.rows(f"insert into {table} (id) values (gen_random_uuid())")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.rows(f"update {table}_begun set amount_fen = 1")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.rows(f"select 1 from {table}_begun")


async def test_stale_move_touches_nothing(database: Database) -> None:
    order_id, at = ids.new_id(), clock.now()

    async def create(tx: object) -> None:
        await tx.value(  # type: ignore[attr-defined]
            "select create_orders(1, $1, array[$2::uuid], array[1::bigint], array[100::bigint], array[1::bigint], array['native'],"
            " array['p'], array['127.0.0.1'], array['zh'], array[$1::timestamptz], array['wallet'])",
            at,
            order_id,
        )

    await database.transact(create)
    move = (
        "select move_orders($1, 'x', array[$2::uuid], array[$3::integer], array['created'], array['refused'], array['refused'],"
        " array[''], array[null::text], array[null::text], array[''])"
    )
    assert await database.transact(lambda tx: tx.rows(move, at, order_id, 5)) == []
    assert len(await database.transact(lambda tx: tx.rows(move, at, order_id, 1))) == 1
    assert await database.transact(lambda tx: tx.rows(move, at, order_id, 1)) == []
    assert await database.value("select state from orders where id = $1", order_id) == "refused"
    assert await database.value("select count(*) from order_moves where order_id = $1", order_id) == 1
