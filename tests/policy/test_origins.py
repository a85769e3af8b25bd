"""What is counted by browser is exact however orders come: placed, let go after a question, or tried again, all of them at once."""

import asyncio
import dataclasses
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.flows.conftest import let_time_pass
from tests.flows.shop import LICENSED, Shop, make_users, open_shop
from tests.policy.test_windows import place

from daozhang import ids
from daozhang.app import open_program
from daozhang.policy.book import Book, ConfirmRules
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Outcome, Stage
from daozhang.policy.rules.tree import Rule
from daozhang.postgres import Database
from daozhang.postgres.supervisor import Supervisor
from daozhang.recharge.model import OrderView
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol

PEOPLE, PASS = 10, 4
SUM_FEN, NEAR_FEN, ACCOUNTS_FEN = 30_000, 450_000, 20_000
WINDOWS: dict[int, tuple[str, dict[str, int]]] = {
    ACCOUNTS_FEN: ("device.accounts", {"count": PASS + 1}),
    SUM_FEN: ("device.sum_day", {"fen": (PASS + 1) * SUM_FEN}),
    NEAR_FEN: ("device.near_limit", {"count": PASS + 1}),
}
"""By the amount of a crowd's orders: the window of its browser that asks from the fifth of them on, and that alone."""
RULES = tuple(
    Rule(
        key=name, strength="soft", stages=("place",), outcome=Outcome.HOLD, reason="risk.linked_accounts",
        when={"all": [{"f": "amount", "op": "==", "v": {"fen": fen}}, {"f": name, "op": ">=", "v": most}]},
    )
    for fen, (name, most) in WINDOWS.items()
)  # fmt: skip
COUNTED = replace(LICENSED, rules=RULES)
ASKED = replace(COUNTED, confirm=ConfirmRules(from_fen=10_000, day_fen=9_999_999_999, strengths=()))

Person = tuple[int, str, int]
"""A user, his browser as he knows it, and what he orders for, in fen."""


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol()


@pytest.fixture
async def people(owner_database: Database, server: Supervisor, fresh: str) -> list[Person]:
    """A crowd for each window: users of their own, and one browser for all of a crowd; the crowds take turns in the list."""
    await let_time_pass(owner_database)
    users, crowds = await make_users(server.dsn("owner", fresh), PEOPLE * len(WINDOWS)), list(WINDOWS)
    found = []
    for number, user_id in enumerate(users):
        fen = crowds[number % len(crowds)]
        device_id = await owner_database.value(
            """insert into devices (id, shop_id, user_id, token_hash, agent, first_seen_at, seen_at)
            values ($1, 1, $2, sha256($3::text::bytea), '', clock_now() - interval '200 days', clock_now()) returning id""",
            ids.new_id(), user_id, f"browser {fen}",
        )  # fmt: skip
        found.append((user_id, str(device_id), fen))
    return found


def exactly(people: list[Person], went: list[bool]) -> None:
    """Of every crowd as many went on as its window lets go."""
    counts = {fen: sum(w for w, (*_, each) in zip(went, people, strict=True) if each == fen) for fen in WINDOWS}
    assert counts == dict.fromkeys(WINDOWS, PASS)


async def placed(shops: list[Shop], people: list[Person]) -> list[OrderView]:
    return await asyncio.gather(
        *(place(shops[n % len(shops)], n, fen, user_id=user, device_id=device) for n, (user, device, fen) in enumerate(people))
    )


async def test_rl_03_placed_at_once_by_two_programs_every_window_of_a_browser_is_exact(
    database: Database, settings: Settings, enrolment: Enrolment, people: list[Person], book: Book
) -> None:
    async with open_shop(database, settings, enrolment=enrolment, rules=COUNTED) as shop:
        naive = await gather(database, [
            Wish(1, user, fen, shop.channel_id, "native", device_id=UUID(device)) for user, device, fen in people
        ], Stage.PLACE, book)  # fmt: skip
        assert {each.signals.device_accounts_count for each in naive if each.signals} == {1}, "the control: everybody is the first"
        async with open_program(settings, database.dsn, database.dsn, work=False, public_url=shop.url) as second:
            views = await placed([shop, dataclasses.replace(shop, program=second)], people)
        exactly(people, [view.state == "awaiting_payment" for view in views])


async def test_rl_03_let_go_at_once_after_their_question_they_count_each_other(
    database: Database, settings: Settings, enrolment: Enrolment, people: list[Person]
) -> None:
    """An order that asks its owner something is in no window: when all are answered at once each would be the first."""
    async with open_shop(database, settings, enrolment=enrolment, rules=ASKED) as shop:
        views = await placed([shop], people)
        assert {view.reason for view in views} <= {"operation.confirm_needed"}
        resume = shop.program.desk.resume
        went = await asyncio.gather(
            *(resume.go(view.id, "challenged", f"user:{user}", "confirm") for view, (user, *_) in zip(views, people, strict=True))
        )
        exactly(people, [attempt is not None for attempt in went])


async def test_rl_03_tried_again_at_once_they_count_each_other(
    database: Database, settings: Settings, enrolment: Enrolment, people: list[Person]
) -> None:
    """What failed at its channel is in no window either."""
    async with open_shop(database, settings, enrolment=enrolment, rules=COUNTED) as shop:
        shop.sim.fault("order", "error", http=400, code="PARAM_ERROR", times=len(people))
        failed = [(await placed([shop], [person]))[0] for person in people]
        assert {view.state for view in failed} == {"failed"}
        desk = shop.program.desk
        views = await asyncio.gather(
            *(
                desk.retry(user, view.id, shop.channel_id, "native", "192.0.2.1", device_id=device)
                for view, (user, device, _) in zip(failed, people, strict=True)
            )
        )
        exactly(people, [view.state == "awaiting_payment" for view in views])
