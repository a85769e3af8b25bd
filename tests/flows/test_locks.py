"""Many at once: locks are really taken, in one order; nothing goes below zero, nothing is lost to a deadlock or a time-out."""

import asyncio
import os
import random
import re
from collections.abc import Sequence

import asyncpg
import pytest
from tests.flows.conftest import adds_up, proved
from tests.flows.knocks import knock, payment
from tests.flows.shop import Shop, make_users
from tests.fuzz.house import CHANNEL, House
from tests.fuzz.house import payment as told
from tests.patience import until

from daozhang import clock, ids
from daozhang.bench.seed import make_orders
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.postgres import Database, Tx, statements
from daozhang.settings import Settings

WORKERS = 1_000 if os.environ.get("DAOZHANG_LONG") else 200

LOCKING = ("lock_for_settlement", "read_for_settlement", "lock_users", "lock_order", "post_transfers", "post_pairs")
GUARDED = ("move_orders", "move_attempts", "pay_attempts", "credit_orders")


class Seen(Exception):
    """Everything was seen: roll back."""


async def book(database: Database, known: Accounts, *lines: Line) -> None:
    """One transfer of these lines."""

    async def work(tx: Tx) -> None:
        at = clock.now()
        found = await known.ids(tx, 1, {line.address for line in lines})
        await post(tx, 1, at, "test", [Transfer(ids.new_id(), "recharge", ids.new_id(), at, lines)], found)

    await database.transact(work)


async def balances(database: Database, addresses: Sequence[str]) -> list[int]:
    """Balances in fen, in the order of the addresses."""
    rows = await database.rows("select address, balance_fen from accounts")
    found = {row["address"]: row["balance_fen"] for row in rows}
    return [found.get(address, 0) for address in addresses]


async def test_rc_06_thirty_debits_of_the_whole_balance_one_wins(database: Database) -> None:
    known, cash = Accounts(), accounts.cash(1)
    await book(database, known, Line(accounts.receivable(1), -5_000), Line(cash, 5_000))
    done = await asyncio.gather(
        *(book(database, known, Line(cash, -5_000), Line(accounts.SALES, 5_000)) for _ in range(30)), return_exceptions=True
    )
    assert sum(each is None for each in done) == 1
    assert {type(each) for each in done if each is not None} == {asyncpg.CheckViolationError}
    assert await balances(database, [cash, accounts.SALES]) == [0, 5_000]
    await adds_up(database)


async def test_rc_10_the_functions_lock_and_guard(owner_database: Database) -> None:
    for name in LOCKING + GUARDED:
        body = await owner_database.value(
            "select string_agg(lower(pg_get_functiondef(oid)), '') from pg_proc where proname = $1", name
        )
        assert (
            "for no key update" in body if name in LOCKING else re.search(r"\w\.version = (s\.version|p_\w+versions\[i\])", body)
        ), name


async def test_rc_10_a_settlement_really_holds_its_rows(shop: Shop, owner_database: Database) -> None:
    """Seen from outside: while one holds user, order, attempt and account, nobody else gets any of them."""
    order = await shop.place()
    attempt_id = ids.parse26(await shop.number(order.id))
    await shop.program.database.transact(lambda tx: Accounts().ids(tx, 1, [accounts.receivable(1), accounts.SUSPENSE]))
    sql = statements("daozhang.recharge")

    async def nowait(question: str, *args: object) -> None:
        with pytest.raises(asyncpg.LockNotAvailableError):
            await owner_database.value(question, *args)

    async def work(tx: Tx) -> None:
        await tx.value(sql.lock_for_settlement, [attempt_id])
        await nowait("select id from users where id = $1 for no key update nowait", shop.user_id)
        await nowait("select id from orders where id = $1 for no key update nowait", order.id)
        await nowait("select id from attempts where id = $1 for no key update nowait", attempt_id)
        at, known = clock.now(), Accounts()
        lines = (Line(accounts.receivable(1), -1), Line(accounts.SUSPENSE, 1))
        found = await known.ids(tx, 1, [line.address for line in lines])
        await post(tx, 1, at, "test", [Transfer(ids.new_id(), "recharge", ids.new_id(), at, lines)], found)
        await nowait("select id from accounts where address = $1 for no key update nowait", accounts.SUSPENSE)
        raise Seen

    with pytest.raises(Seen):
        await shop.program.database.transact(work)


async def test_rc_11_there_and_back_and_to_itself_and_all_on_one(database: Database, seed: int) -> None:
    dice, known = random.Random(seed), Accounts()
    addresses = [accounts.cash(n) for n in range(1, 6)]
    for address in addresses:
        await book(database, known, Line(accounts.receivable(1), -10_000), Line(address, 10_000))

    async def move() -> None:
        source, target = dice.choice(addresses), dice.choice(addresses)
        fen = dice.randint(1, 50)
        await book(database, known, Line(source, -fen), Line(target, fen))

    async def hot() -> None:
        await book(database, known, Line(accounts.receivable(1), -1), Line(accounts.SUSPENSE, 1))

    works = [move() for _ in range(WORKERS)] + [hot() for _ in range(WORKERS)]
    done = await asyncio.gather(*works, return_exceptions=True)
    assert [each for each in done if each is not None] == []
    assert sum(await balances(database, addresses)) == 50_000
    assert await balances(database, [accounts.SUSPENSE]) == [WORKERS]
    await adds_up(database)


async def test_rc_11_two_processes_settle_the_same_payments(
    database: Database, owner_database: Database, settings: Settings, seed: int
) -> None:
    """Each with batches of its own, over the same users, in other orders, duplicates and strangers among them."""
    dice = random.Random(seed)
    users = await make_users(owner_database.dsn, 10)
    orders = await make_orders(database, users, 100, CHANNEL)
    reports = [told(ids.text26(order.attempt_id), 5_000, f"42{n:04}") for n, order in enumerate(orders)]
    reports += [told(ids.text26(ids.new_id()), 700, f"43{n:04}") for n in range(20)]
    houses = [await House.open(database.dsn, settings) for _ in range(2)]

    async def one(house: House) -> list[object]:
        done: list[object] = []
        for _ in range(2):
            arriving = dice.sample(reports, k=len(reports))
            settling = [asyncio.create_task(house.told([report])) for report in arriving]
            done += await asyncio.gather(*settling, return_exceptions=True)
        return done

    heard = [each for done in await asyncio.gather(*(one(house) for house in houses)) for each in done]
    faults = [each for each in heard if isinstance(each, BaseException)]
    # Two processes may claim one stranger's transaction in the same instant: one is refused by its key and settles again.
    assert {type(fault) for fault in faults} <= {asyncpg.UniqueViolationError}
    assert not any(isinstance(fault, asyncpg.DeadlockDetectedError) for fault in faults)
    await houses[0].told(reports)
    for house in houses:
        await house.database.close()
    assert sum(await balances(database, [accounts.cash(user) for user in users])) == 100 * 5_000
    assert await balances(database, [accounts.SUSPENSE]) == [20 * 700]
    await proved(database)


async def test_rc_12_a_lock_that_is_not_given_ends_in_unknown_and_is_settled_by_the_resend(
    shop: Shop, owner_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody holds the user for longer than a transaction may take: the channel hears 503, nobody waits for ever."""
    order = await shop.place()
    message = payment(shop.enrolment, await shop.number(order.id))
    with monkeypatch.context() as patched:
        patched.setattr(Database.transact, "__kwdefaults__", {**Database.transact.__kwdefaults__, "limit_s": 0.4})
        async with owner_database.pool.acquire() as connection, connection.transaction():
            await connection.execute("select id from users where id = $1 for no key update", shop.user_id)
            heard = await asyncio.gather(*(knock(shop, message) for _ in range(5)))
    assert {each.status for each in heard} == {503}
    assert await shop.cash() == 0
    assert (await knock(shop, message)).status == 204
    assert (await shop.order(order.id)).state == "credited"
    assert await shop.cash() == 5_000


async def test_rc_12_a_victim_of_a_deadlock_is_settled_again_by_itself(shop: Shop, owner_database: Database) -> None:
    """A stranger takes our rows in the other order, and PostgreSQL may choose us to end it."""
    order = await shop.place()
    number = await shop.number(order.id)
    message = payment(shop.enrolment, number)
    async with owner_database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("select id from attempts where id = $1 for no key update", ids.parse26(number))
        knocking = asyncio.create_task(knock(shop, message))
        # It has the user and wants the attempt.
        await until(lambda: owner_database.value("select exists (select from pg_locks where not granted)"))
        locking = asyncio.create_task(connection.execute("select id from users where id = $1 for no key update", shop.user_id))
        await asyncio.wait([knocking, locking], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([locking])
        await transaction.rollback()
    assert (await knocking).status == 204
    await shop.later(10)
    await shop.work()
    assert (await shop.order(order.id)).state == "credited"
    assert await shop.cash() == 5_000
