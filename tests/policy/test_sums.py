"""What is counted of one user and of one payer is exact under haste: orders of an hour and a day, their sum, and a payer's sum.

A payer's sum is of payments: it is judged, and exact, when the money comes. An order only reads what was paid before it.
"""

import asyncio
import dataclasses
from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from tests.flows.shop import LICENSED, open_shop
from tests.policy.test_payers import paid, settle
from tests.policy.test_signals import people
from tests.policy.test_windows import place

from daozhang.app import open_program
from daozhang.policy.book import Book, Parameters, make_book
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Outcome, Stage
from daozhang.policy.record import read_facts
from daozhang.policy.rules.tree import Rule
from daozhang.postgres import Database
from daozhang.recharge.model import OrderView
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol

FEN, MANY, PASS = 30_000, 24, 4
WINDOWS: dict[str, dict[str, int]] = {
    "user.orders_hour": {"count": PASS + 1}, "user.orders_day": {"count": PASS + 1}, "user.sum_day": {"fen": (PASS + 1) * FEN},
}  # fmt: skip
"""Each with the value from which on it asks: the fifth order of this amount."""


def counting(feature: str, most: dict[str, int], stage: str = "place") -> Parameters:
    """A book that asks by this window and by nothing else."""
    when = {"f": feature, "op": ">=", "v": most}
    rule = Rule(
        key="window.one", strength="soft", stages=(stage,), outcome=Outcome.HOLD, reason="risk.linked_accounts", unknown="hit",
        when=when if feature.startswith("user.") else {"all": [{"is": "payer.known"}, when]},
    )  # fmt: skip
    return replace(LICENSED, rules=(rule,))


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol()


def went(views: Sequence[OrderView]) -> int:
    """How many go on to their channel; every other one waits for a person."""
    assert {view.state for view in views} <= {"awaiting_payment", "reviewing"}, {view.state for view in views}
    return sum(view.state == "awaiting_payment" for view in views)


@pytest.mark.parametrize("feature", WINDOWS)
async def test_rl_01_orders_of_one_user_at_once_in_two_programs_fill_his_window_exactly(
    database: Database, free_clock: None, settings: Settings, enrolment: Enrolment, feature: str
) -> None:
    rules = counting(feature, WINDOWS[feature])
    async with open_shop(database, settings, enrolment=enrolment, rules=rules) as shop:
        wish = Wish(1, shop.user_id, FEN, shop.channel_id, "native")
        naive = [(await gather(database, [wish], Stage.PLACE, make_book(1, 1, rules)))[0].signals for _ in range(MANY)]
        told = {(each.orders_hour_count, each.orders_day_count, each.orders_day_fen) for each in naive if each}
        assert told == {(1, 1, FEN)}, "the control: what was read before anybody was written lets all of them through"
        async with open_program(settings, database.dsn, database.dsn, work=False, public_url=shop.url) as second:
            shops = shop, dataclasses.replace(shop, program=second)
            views = await asyncio.gather(*(place(shops[n % 2], n, FEN) for n in range(MANY)))
        assert went(views) == PASS


async def test_rl_03_a_payers_sum_is_exact_over_batches_that_run_at_once(
    database: Database, owner_database: Database, channel_id: int
) -> None:
    book = make_book(1, 1, counting("payer.sum_day", {"fen": (PASS + 1) * FEN}, "paid"))
    users = await people(owner_database, MANY)
    naive = await gather(database, [paid(user, channel_id, amount_fen=FEN) for user in users[:1]], Stage.PAID, book)
    assert [each.signals.payer_day_fen for each in naive if each.signals] == [FEN], "the control: each of them is the first"
    wishes = [paid(user, channel_id, amount_fen=FEN) for user in users]
    decided = await asyncio.gather(*(settle(database, wishes[at : at + 3], book) for at in range(0, MANY, 3)))
    assert sum(each.admits for batch in decided for each in batch) == PASS
    rows = await database.rows("select facts from decisions where stage = 'paid'")
    sums = [facts.signals.payer_day_fen for row in rows if (facts := read_facts(row["facts"])).signals]
    assert sorted(fen for fen in sums if fen) == [FEN * n for n in range(1, MANY + 1)]


async def test_rl_03_the_naive_sum_before_anybody_is_marked_lets_all_of_them_through(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    """The control: the same payments at once, each judged by what was there before any of them."""
    users = await people(owner_database, MANY)
    facts = await asyncio.gather(*(gather(database, [paid(user, channel_id, amount_fen=FEN)], Stage.PAID, book) for user in users))
    assert {each.signals.payer_day_fen for (each,) in facts if each.signals} == {FEN}
