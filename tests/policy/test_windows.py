"""The window of large orders, through the real desk: exactly the published number, however many ask at once."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.flows.shop import Shop, make_users, open_shop

from daozhang import __version__, clock, ids, notices
from daozhang.app import open_program
from daozhang.policy.book import Book
from daozhang.policy.examine import examine
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Stage
from daozhang.postgres import Database
from daozhang.postgres.supervisor import Supervisor
from daozhang.reasons import Refusal
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.recharge.route import OPEN
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol

LARGE_FEN = 200_000


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol()


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    async with open_shop(database, settings, enrolment=enrolment) as opened:
        yield opened


async def place(shop: Shop, number: int, amount_fen: int = LARGE_FEN, **changes: Any) -> OrderView:
    given = {
        "shop_id": 1,
        "user_id": shop.user_id,
        "amount_fen": amount_fen,
        "channel_id": shop.channel_id,
        "method": "native",
        "key": f"key-{number:08d}",
        "page_version": __version__,
        "client_ip": "192.0.2.1",
        **changes,
    }
    view: OrderView = await shop.program.desk.place(PlaceRequest(**given))  # type: ignore[arg-type]
    return view


async def test_rl_01_forty_large_orders_at_once_admit_exactly_four(shop: Shop, database: Database) -> None:
    views = await asyncio.gather(*(place(shop, number) for number in range(40)))
    states = [view.state for view in views]
    assert states.count("awaiting_payment") == 4
    assert {view.reason for view in views if view.state == "reviewing"} == {"risk.velocity_large"}
    assert {view.reason for view in views if view.state == "refused"} <= {"limits.day"}
    assert (await examine(database)).ok


async def test_rl_01_the_naive_count_without_the_lock_admits_more(shop: Shop, database: Database, book: Book) -> None:
    """The control: the same rule judged from facts that were read before anybody's order was written."""
    wish = Wish(1, shop.user_id, LARGE_FEN, shop.channel_id, "native", __version__, __version__)
    facts = await asyncio.gather(*(gather(database, [wish], Stage.PLACE, book) for _ in range(8)))
    counts = [each.signals.large_count for (each,) in facts if each.signals]
    assert counts == [1] * 8, "each of eight believes to be the first"


async def test_rl_01_within_ten_minutes_the_fifth_is_asked_and_after_them_it_is_not(shop: Shop) -> None:
    for number in range(4):
        assert (await place(shop, number)).state == "awaiting_payment"
    await shop.later(5 * 60)
    assert (await place(shop, 5)).state == "reviewing"
    await shop.later(5 * 60 + 1)
    assert (await place(shop, 6)).state == "awaiting_payment"


async def test_what_was_refused_or_failed_or_tried_again_does_not_count(shop: Shop) -> None:
    for number in range(3):
        assert (await place(shop, number)).state == "awaiting_payment"
    assert (await place(shop, 10, page_version="older")).state == "refused"
    assert (await place(shop, 11, method="jsapi", payer_openid="")).state in ("refused", "failed")
    shop.sim.fault("order", "error", http=400, code="PARAM_ERROR", times=1)
    failed = await place(shop, 12)
    again = await place(shop, 13)
    assert (failed.state, again.state) == ("failed", "awaiting_payment")
    retried = await shop.program.desk.retry(shop.user_id, again.id, shop.channel_id, "h5", "192.0.2.1")
    assert retried.state == "awaiting_payment"
    assert (await place(shop, 14)).state == "reviewing"


async def test_small_orders_never_fill_the_window(shop: Shop) -> None:
    for number in range(8):
        assert (await place(shop, number, 100_000 - number)).state == "awaiting_payment"
    assert (await place(shop, 20)).state == "awaiting_payment"


async def test_a_pass_is_used_once_by_one_order(shop: Shop, database: Database, owner_database: Database) -> None:
    at = clock.now()
    await database.transact(
        lambda tx: tx.run(
            "insert into policy_passes (id, shop_id, user_id, most_fen, why, actor, granted_at, ends_at)"
            " values ($1, 1, $2, $3, 'looked at', 'tester', $4, $5)",
            ids.new_id(), shop.user_id, LARGE_FEN, at, at + timedelta(days=1),
        )
    )  # fmt: skip
    for number in range(4):
        await place(shop, number)
    views = await asyncio.gather(*(place(shop, 50 + number) for number in range(6)))
    assert sorted(view.state for view in views).count("awaiting_payment") == 1
    used = await owner_database.rows("select used_by from policy_passes where used_at is not null")
    assert [row["used_by"] for row in used] == [view.id for view in views if view.state == "awaiting_payment"]


async def test_an_order_in_review_is_let_go_by_a_person_and_can_be_paid(shop: Shop, database: Database) -> None:
    for number in range(4):
        await place(shop, number)
    asked, turned_down = await place(shop, 5), await place(shop, 6)
    assert (asked.state, turned_down.state) == ("reviewing", "reviewing")
    desk = shop.program.desk
    await desk.resume.approve(asked.id, "tester", "a gift for many")
    await desk.resume.refuse(turned_down.id, "tester", "nobody answered")
    seen = await shop.program.desk.order(shop.user_id, asked.id)
    assert seen is not None
    assert (seen.state, seen.reason) == ("awaiting_payment", None)
    await shop.pay(seen)
    assert (await shop.reach(seen.id, "credited")).state == "credited"
    ended = await shop.program.desk.order(shop.user_id, turned_down.id)
    assert ended is not None
    assert (ended.state, ended.money, ended.reason) == ("refused", "none", "operation.review_refused")
    told = {(each.kind, each.link) for each in await notices.recent(database, shop.user_id)}
    assert told == {("review_passed", f"/orders/{asked.shown}"), ("review_refused", f"/orders/{turned_down.shown}")}
    assert (await place(shop, 9)).state == "reviewing", "a pass is used once"
    for again in (desk.resume.approve(asked.id, "tester", "again"),
                  desk.resume.refuse(asked.id, "tester", "again")):  # fmt: skip
        with pytest.raises(Refusal, match="not_waiting"):
            await again


async def test_an_approved_order_is_checked_again(shop: Shop, database: Database) -> None:
    for number in range(4):
        await place(shop, number)
    asked = await place(shop, 5)
    await shop.program.house.identity.freeze(shop.user_id, actor="tester", reason="risk_review")
    desk = shop.program.desk
    await desk.resume.approve(asked.id, "tester", "looked at")
    seen = await shop.program.desk.order(shop.user_id, asked.id)
    assert seen is not None
    assert (seen.state, seen.reason) == ("refused", "account.frozen")
    assert "review_refused" in {each.kind for each in await notices.recent(database, shop.user_id)}


async def crowd(owner: Database, dsn: str, count: int) -> list[tuple[int, str]]:
    """Users who all sit at one browser, and at the end one who sits at another."""
    found = []
    for number, user_id in enumerate(await make_users(dsn, count + 1)):
        device_id = await owner.value(
            """insert into devices (id, shop_id, user_id, token_hash, agent, first_seen_at, seen_at)
            values ($1, 1, $2, sha256($3::text::bytea), '', clock_now() - interval '200 days', clock_now()) returning id""",
            ids.new_id(), user_id, "one browser" if number < count else "another",
        )  # fmt: skip
        found.append((user_id, str(device_id)))
    return found


async def test_rl_03_forty_accounts_of_one_browser_at_once_are_the_fifth_as_one_after_the_other(
    shop: Shop, owner_database: Database, server: Supervisor, fresh: str
) -> None:
    """They come in one batch, and the next batch: without an order among them each of the forty would be the first."""
    people = await crowd(owner_database, server.dsn("owner", fresh), 40)
    views = await asyncio.gather(
        *(place(shop, n, 100_000, user_id=user, device_id=device) for n, (user, device) in enumerate(people))
    )
    assert [view.state for view in views].count("awaiting_payment") == 5, "four of the crowd, and whoever has nothing to do with it"
    assert views[-1].state == "awaiting_payment"
    assert {view.reason for view in views if view.state == "reviewing"} == {"risk.linked_accounts"}


async def test_rl_03_orders_that_are_alone_in_their_commits_count_one_browser_together(
    shop: Shop, owner_database: Database, server: Supervisor, fresh: str
) -> None:
    people = await crowd(owner_database, server.dsn("owner", fresh), 12)
    desk = shop.program.desk
    book = await desk._books.current(1)
    asked = [
        PlaceRequest(1, user, 100_000, shop.channel_id, "native", f"key-{n:08d}", __version__, "192.0.2.1", device_id=device)
        for n, (user, device) in enumerate(people[:-1])
    ]
    made = await asyncio.gather(*(desk.place_order._admit_apart(book, [request], [OPEN]) for request in asked))
    assert sum(each.attempt is not None for (each,) in made) == 4  # type: ignore[union-attr]


async def test_rl_03_two_programs_at_once_count_one_browser_together(
    shop: Shop, database: Database, owner_database: Database, settings: Settings, server: Supervisor, fresh: str
) -> None:
    people = await crowd(owner_database, server.dsn("owner", fresh), 24)
    async with open_program(settings, database.dsn, database.dsn, work=False, public_url=shop.url) as second:
        others = dataclasses.replace(shop, program=second)
        views = await asyncio.gather(
            *(
                place((shop, others)[n % 2], n, 100_000, user_id=user, device_id=device)
                for n, (user, device) in enumerate(people[:-1])
            )
        )
    assert [view.state for view in views].count("awaiting_payment") == 4
