"""Fund lots: what came first leaves first, in the debit's own statement; a released hold gives back the very lots it took."""

import asyncio
import random
from datetime import datetime
from uuid import UUID

import pytest
from tests.policy.test_signals import people

from daozhang import clock, ids
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.ledger.reserve import Hold, end, reserve
from daozhang.policy.book import defaults, make_book
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish
from daozhang.policy.model import Stage
from daozhang.postgres import Database, Tx


@pytest.fixture
async def user_id(owner_database: Database) -> int:
    return (await people(owner_database, 1))[0]


async def book(database: Database, kind: str, user_id: int, amount_fen: int) -> None:
    """A credit (positive) from a channel, or a purchase (negative)."""
    other = accounts.receivable(1) if amount_fen > 0 else accounts.SALES

    async def work(tx: Tx) -> None:
        await tx.value("select lock_users($1)", [user_id])
        at = clock.now()
        found = await Accounts().ids(tx, 1, (accounts.cash(user_id), other))
        lines = (Line(accounts.cash(user_id), amount_fen), Line(other, -amount_fen))
        await post(tx, 1, at, "tester", [Transfer(ids.new_id(), kind, ids.new_id(), at, lines)], found)

    await database.transact(work)


async def set_aside(database: Database, user_id: int, amount_fen: int) -> UUID:
    hold = Hold(ids.new_id(), 1, accounts.cash(user_id), accounts.reserved(user_id), amount_fen)
    await database.transact(lambda tx: reserve(tx, Accounts(), clock.now(), "tester", hold))
    return hold.id


async def lots(database: Database) -> list[tuple[int, int]]:
    return [tuple(row) for row in await database.rows("select amount_fen, remaining_fen from fund_lots order by version")]


async def part(database: Database, user_id: int, amount_fen: int, at: datetime) -> int:
    found: int = await database.value(
        "select unfrozen_part(id, $2, $3) from accounts where address = $1", accounts.cash(user_id), amount_fen, at
    )
    return found


async def adds_up(database: Database) -> None:
    assert await database.rows("select * from lots_wrong") == []


async def test_the_oldest_money_leaves_first(database: Database, user_id: int) -> None:
    for amount_fen in (1_000, 2_000, 3_000):
        await book(database, "recharge", user_id, amount_fen)
    assert await lots(database) == [], "a credit alone costs no row"
    await book(database, "purchase", user_id, -2_500)
    assert await lots(database) == [(1_000, 0), (2_000, 500), (3_000, 3_000)]
    uses = await database.rows("select lot_version, amount_fen from lot_uses order by lot_version")
    assert [tuple(row) for row in uses] == [(1, 1_000), (2, 1_500)]
    await adds_up(database)


async def test_a_released_hold_gives_back_the_very_lots(database: Database, user_id: int) -> None:
    for amount_fen in (1_000, 2_000):
        await book(database, "recharge", user_id, amount_fen)
    hold_id = await set_aside(database, user_id, 1_500)
    assert await lots(database) == [(1_000, 0), (2_000, 1_500)]
    await database.transact(lambda tx: end(tx, Accounts(), clock.now(), "tester", hold_id, "released"))
    await book(database, "purchase", user_id, -100)
    assert await lots(database) == [(1_000, 900), (2_000, 2_000)]
    await adds_up(database)


async def test_rl_04_money_that_was_there_when_the_freeze_ended_is_seen_until_it_is_gone(database: Database, user_id: int) -> None:
    await book(database, "recharge", user_id, 5_000)
    at = clock.now()
    await asyncio.sleep(0.01)
    await book(database, "recharge", user_id, 3_000)
    assert await part(database, user_id, 4_000, at) == 4_000
    assert await part(database, user_id, 8_000, at) == 5_000
    await book(database, "purchase", user_id, -4_500)
    assert await part(database, user_id, 3_000, at) == 500
    hold_id = await set_aside(database, user_id, 600)
    assert await part(database, user_id, 2_000, at) == 0
    await database.transact(lambda tx: end(tx, Accounts(), clock.now(), "tester", hold_id, "released"))
    assert await part(database, user_id, 2_000, at) == 500, "what was given back is still of that time"
    await adds_up(database)


async def test_rl_04_spending_just_unfrozen_money_is_held_and_other_money_is_not(
    database: Database, owner_database: Database, user_id: int
) -> None:
    rules = make_book(1, 1, defaults())

    async def ask(amount_fen: int, stage: Stage = Stage.SPEND) -> str | None:
        (decision,) = await database.transact(lambda tx: enforce(tx, stage, [(None, Wish(1, user_id, amount_fen))], rules))
        return decision.reason

    await book(database, "recharge", user_id, 5_000)
    assert await ask(1_000) is None
    for to, why in (("frozen", "risk_review"), ("active", "cleared")):
        await owner_database.value("select set_standing($1, $2, $3, '', 'tester', null, null)", user_id, to, why)
    assert await ask(1_000) == await ask(1_000, Stage.REFUND) == "risk.funds_unfrozen"
    assert await ask(6_000) == "goods.balance_short"
    await book(database, "purchase", user_id, -5_000)
    await book(database, "recharge", user_id, 2_000)
    assert await ask(2_000) is None
    kept = await database.rows("select stage, outcome from decisions order by id")
    assert {row["stage"] for row in kept} == {"spend", "refund"}


async def test_a_freeze_that_lapsed_by_itself_counts_too(database: Database, owner_database: Database, user_id: int) -> None:
    rules = make_book(1, 1, defaults())
    await book(database, "recharge", user_id, 5_000)
    await owner_database.value(
        "select set_standing($1, 'frozen', 'risk_review', '', 'tester', clock_now() + interval '0.2 seconds', null)", user_id
    )
    await asyncio.sleep(0.4)
    (decision,) = await database.transact(lambda tx: enforce(tx, Stage.SPEND, [(None, Wish(1, user_id, 100))], rules))
    assert decision.reason == "risk.funds_unfrozen"


async def test_many_random_movements_at_once_leave_every_lot_adding_up(
    database: Database, owner_database: Database, seed: int
) -> None:
    users, chance = await people(owner_database, 4), random.Random(seed)

    async def live(user_id: int) -> None:
        balance, held = 0, []
        for _ in range(40):
            pick, amount_fen = chance.random(), chance.randint(1, 900)
            if pick < 0.4 or balance == 0:
                await book(database, "recharge", user_id, amount_fen)
                balance += amount_fen
            elif pick < 0.65:
                await book(database, "purchase", user_id, -min(amount_fen, balance))
                balance -= min(amount_fen, balance)
            elif pick < 0.85 or not held:
                held.append((await set_aside(database, user_id, min(amount_fen, balance)), min(amount_fen, balance)))
                balance -= held[-1][1]
            else:
                hold_id, amount = held.pop(chance.randrange(len(held)))
                how = "released"
                await database.transact(lambda tx, h=hold_id, w=how: end(tx, Accounts(), clock.now(), "tester", h, w))  # type: ignore[arg-type,misc]
                balance += amount

    await asyncio.gather(*(live(user_id) for user_id in users))
    assert await database.value("select count(*) from lot_cursors") == 4
    await adds_up(database)


@pytest.mark.parametrize(
    "change", ["update lot_uses set amount_fen = 1", "delete from fund_lots", "update fund_lots set remaining_fen = 0"]
)
async def test_the_program_cannot_change_a_lot(database: Database, user_id: int, change: str) -> None:
    with pytest.raises(Exception, match="permission denied"):
        await database.rows(change)
