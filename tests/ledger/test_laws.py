"""Each law of the ledger, broken on purpose: through the tables, through their leaves, as the program and as the owner."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from daozhang import clock, ids
from daozhang.ledger import Accounts, Line, Transfer, post
from daozhang.postgres import Database, Tx

CASH, SUSPENSE, CHANNEL = "user:1:cash", "platform:suspense", "channel:1:receivable"


async def book(database: Database, *lines: Line, kind: str = "recharge", source: UUID | None = None) -> UUID:
    """Book one transfer as the program does."""
    transfer = Transfer(ids.new_id(), kind, source or ids.new_id(), clock.now(), lines)
    found = Accounts()

    async def work(tx: Tx) -> None:
        await post(tx, 1, clock.now(), "test", [transfer], await found.ids(tx, 1, [line.address for line in lines]))

    await database.transact(work)
    return transfer.id


async def books(database: Database) -> tuple[object, ...]:
    """Everything that must not move when a law refuses."""
    row = await database.row(
        """select (select count(*) from transfers) as transfers, (select count(*) from postings) as postings,
        (select count(*) from posting_keys) as keys, (select string_agg(address || balance_fen || '/' || version, ' ' order by id)
        from accounts) as accounts"""
    )
    assert row is not None
    return tuple(row.values())


def leaf(table: str) -> str:
    """The leaf that holds this month of a partitioned table."""
    return f"{table}_{clock.now().astimezone(UTC):%Y%m}"


async def test_transfer_moves_both_accounts(database: Database) -> None:
    await book(database, Line(CHANNEL, -5000), Line(CASH, 5000))
    rows = await database.rows("select address, balance_fen, version from accounts order by address")
    assert [tuple(row) for row in rows] == [(CHANNEL, -5000, 1), (CASH, 5000, 1)]


async def test_batch_keeps_a_running_balance_for_each_account(database: Database) -> None:
    found = Accounts()

    async def work(tx: Tx) -> None:
        account_ids = await found.ids(tx, 1, [CASH, "user:2:cash", CHANNEL])
        transfers = [
            Transfer(ids.new_id(), "recharge", ids.new_id(), clock.now(), (Line(CHANNEL, -fen), Line(f"user:{user}:cash", fen)))
            for fen, user in ((100, 1), (250, 2), (50, 1))
        ]
        await post(tx, 1, clock.now(), "test", transfers, account_ids)

    await database.transact(work)
    rows = await database.rows(
        "select a.address, p.amount_fen, p.balance_after_fen, p.version from postings p join accounts a on a.id = p.account_id"
        " order by a.address, p.version"
    )
    assert [tuple(row) for row in rows] == [
        (CHANNEL, -100, -100, 1), (CHANNEL, -250, -350, 2), (CHANNEL, -50, -400, 3),
        (CASH, 100, 100, 1), (CASH, 50, 150, 2), ("user:2:cash", 250, 250, 1),
    ]  # fmt: skip


async def test_unbalanced_transfer_is_refused(database: Database) -> None:
    before = await books(database)
    with pytest.raises(asyncpg.CheckViolationError, match="not balanced"):
        await book(database, Line(CHANNEL, -5000), Line(CASH, 4999))
    assert (await books(database))[:3] == before[:3]


async def test_balance_never_goes_below_its_floor(database: Database) -> None:
    await book(database, Line(CHANNEL, -5000), Line(CASH, 5000))
    before = await books(database)
    with pytest.raises(asyncpg.CheckViolationError, match="account_floor|below its floor"):
        await book(database, Line(CASH, -5001), Line(SUSPENSE, 5001))
    assert await books(database) == before


async def test_floor_holds_within_a_batch_too(database: Database) -> None:
    found = Accounts()

    async def work(tx: Tx) -> None:
        account_ids = await found.ids(tx, 1, [CASH, SUSPENSE, CHANNEL])
        spend = Transfer(ids.new_id(), "purchase", ids.new_id(), clock.now(), (Line(CASH, -10), Line(SUSPENSE, 10)))
        gain = Transfer(ids.new_id(), "recharge", ids.new_id(), clock.now(), (Line(CHANNEL, -10), Line(CASH, 10)))
        await post(tx, 1, clock.now(), "test", [spend, gain], account_ids)

    with pytest.raises(asyncpg.CheckViolationError, match="below its floor"):
        await database.transact(work)


async def test_same_fact_is_booked_once(database: Database) -> None:
    source = ids.new_id()
    await book(database, Line(CHANNEL, -5000), Line(CASH, 5000), source=source)
    before = await books(database)
    with pytest.raises(asyncpg.UniqueViolationError):
        await book(database, Line(CHANNEL, -5000), Line(CASH, 5000), source=source)
    assert await books(database) == before


@pytest.mark.parametrize("nobody", [-1, 1 << 60])
async def test_a_pair_with_an_account_that_is_not_there_is_refused(database: Database, nobody: int) -> None:
    """Whether the account that is missing stands before the others in the order of locks or behind them."""
    await book(database, Line(CHANNEL, -5000), Line(CASH, 5000))
    before, found = await books(database), Accounts()

    async def work(tx: Tx) -> None:
        known = await found.ids(tx, 1, [CHANNEL, CASH]) | {"user:2:cash": nobody}
        pairs = [(Line(CHANNEL, -700), Line(CASH, 700)), (Line(CHANNEL, -700), Line("user:2:cash", 700))]
        transfers = [Transfer(ids.new_id(), "recharge", ids.new_id(), clock.now(), lines) for lines in pairs]
        await post(tx, 1, clock.now(), "test", transfers, known)

    with pytest.raises(asyncpg.CheckViolationError):
        await database.transact(work)
    assert await books(database) == before


async def test_address_outside_the_chart_is_refused(database: Database) -> None:
    for address in ("user:1:gold", "user:01:cash", "user:-1:cash", "user:1:cash\n", "platform:suspense2", ""):
        with pytest.raises(asyncpg.PostgresError):
            await book(database, Line(CHANNEL, -1), Line(address, 1))


async def test_user_ids_may_be_large(database: Database) -> None:
    await book(database, Line(CHANNEL, -(2**40)), Line("user:9223372036854775807:cash", 2**40))


ATTACKS: dict[str, str] = {
    "transfer without postings": "insert into {transfers} (id, shop_id, kind, source_id, line_count, happened_at, booked_at, actor,"
    " reason) values ('{new}', 1, 'x', '{new}', 2, now(), now(), 'x', '')",
    "later posting": "insert into {postings} (transfer_id, line, account_id, amount_fen, balance_after_fen, version)"
    " select '{old}', line + 2, account_id, amount_fen, balance_after_fen + amount_fen, version + 1 from postings"
    " where transfer_id = '{old}'",
    "later posting in a free line": "insert into {postings} (transfer_id, line, account_id, amount_fen, balance_after_fen, version)"
    " select '{old}', 3, account_id, 5, 5, version + 1 from postings where transfer_id = '{old}' limit 1",
    "posting without transfer": "insert into {postings} (transfer_id, line, account_id, amount_fen, balance_after_fen, version)"
    " select '{new}', line, account_id, amount_fen, balance_after_fen + amount_fen, version + 1 from postings"
    " where transfer_id = '{old}'",
    "edited posting": "update {postings} set amount_fen = amount_fen * 2",
    "deleted posting": "delete from {postings}",
    "emptied postings": "truncate {postings}",
    "edited transfer": "update {transfers} set reason = 'other'",
    "deleted transfer": "delete from {transfers}",
    "emptied transfers": "truncate {transfers}",
    "balance without posting": "update accounts set balance_fen = balance_fen + 1 where address = 'user:1:cash'",
    "balance and version without posting": "update accounts set balance_fen = balance_fen + 1, version = version + 1",
    "version without posting": "update accounts set version = version - 1",
    "lowered floor": "update accounts set floor_fen = null where floor_fen = 0",
    "renamed account": "update accounts set address = 'user:2:cash' where address = 'user:1:cash'",
    "deleted account": "delete from accounts",
    "emptied accounts": "truncate accounts cascade",
    "account that begins with money": """insert into accounts (shop_id, address, kind, balance_fen)
        values (1, 'user:9:cash', 'user_cash', 5)""",
    "edited key": "update posting_keys set kind = 'other'",
    "deleted key": "delete from posting_keys",
    "emptied keys": "truncate posting_keys",
}


@pytest.mark.parametrize("where", ["table", "leaf"])
@pytest.mark.parametrize("attack", ATTACKS)
async def test_rc_16_owner_cannot_break_a_law(database: Database, owner_database: Database, attack: str, where: str) -> None:
    old = await book(database, Line(CHANNEL, -5000), Line(CASH, 5000))
    before = await books(database)
    names = {"transfers": leaf("transfers"), "postings": leaf("postings")} if where == "leaf" else {}
    text = ATTACKS[attack].format(**({"transfers": "transfers", "postings": "postings"} | names), old=old, new=ids.new_id())
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.RestrictViolationError, asyncpg.UniqueViolationError)):
        await owner_database.transact(lambda tx: tx.run(text))
    assert await books(database) == before


@pytest.mark.parametrize("attack", ATTACKS)
async def test_rc_16_program_may_not_even_try(database: Database, attack: str) -> None:
    old = await book(database, Line(CHANNEL, -5000), Line(CASH, 5000))
    leaves = {"transfers": leaf("transfers"), "postings": leaf("postings")}
    for names in ({"transfers": "transfers", "postings": "postings"}, leaves):
        text = ATTACKS[attack].format(**names, old=old, new=ids.new_id())
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.transact(lambda tx, text=text: tx.run(text))


async def test_rc_06_thirty_debits_of_the_whole_balance_leave_one_winner(database: Database) -> None:
    await book(database, Line(CHANNEL, -5000), Line(CASH, 5000))

    async def debit() -> bool:
        try:
            await book(database, Line(CASH, -5000), Line(SUSPENSE, 5000))
        except asyncpg.CheckViolationError:
            return False
        return True

    assert sum(await gather([debit] * 30)) == 1
    assert await database.value("select balance_fen from accounts where address = $1", CASH) == 0


async def test_rc_11_crossing_transfers_do_not_deadlock(database: Database) -> None:
    for user in (1, 2):
        await book(database, Line(CHANNEL, -5000), Line(f"user:{user}:cash", 5000))

    def crossing(number: int) -> Callable[[], Awaitable[object]]:
        one, two = ("user:1:cash", "user:2:cash") if number % 2 else ("user:2:cash", "user:1:cash")
        return lambda: book(database, Line(one, -1), Line(two, 1))

    await gather([crossing(number) for number in range(60)])
    assert await database.value("select sum(balance_fen)::bigint from accounts") == 0
    assert await database.value("select balance_fen from accounts where address = $1", CASH) == 5000


async def gather(works: list[Callable[[], Awaitable[object]]]) -> list[object]:
    """Run everything at the same time."""
    return list(await asyncio.gather(*(work() for work in works)))


async def test_partitions_reach_a_year_ahead(database: Database, free_clock: None) -> None:
    await database.value("select shift_clock($1)", 86_400.0 * 400)
    try:
        clock.shift(86_400.0 * 400)
        await book(database, Line(CHANNEL, -5000), Line(CASH, 5000))
        assert await database.value("select to_regclass($1) is not null", leaf("postings"))
    finally:
        clock.shift(0)


async def test_clock_moves_in_test_mode_only(database: Database) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="test mode"):
        await database.value("select shift_clock($1)", 60.0)
    assert abs((await database.value("select clock_now()") - datetime.now(UTC)).total_seconds()) < 50


async def test_only_what_is_known_is_booked(database: Database) -> None:
    before = await books(database)
    with pytest.raises(asyncpg.CheckViolationError, match="nothing is booked as gift"):
        await book(database, Line(CHANNEL, -5000), Line(CASH, 5000), kind="gift")
    assert await books(database) == before
