"""Facts of many users come in one statement, in order, and what is not there stays unknown."""

import asyncio

from daozhang import ids
from daozhang.policy.book import Book
from daozhang.policy.decide import decide
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Outcome, Stage
from daozhang.postgres import Database


def wish(user_id: int, channel_id: int | None, **changes: object) -> Wish:
    given = {"amount_fen": 5_000, "method": "native", "page_version": "p1", "page_current": "p1", **changes}
    return Wish(shop_id=1, user_id=user_id, channel_id=channel_id, **given)  # type: ignore[arg-type]


async def test_facts_come_in_the_order_of_the_wishes(database: Database, user_ids: list[int], channel_id: int) -> None:
    active, frozen, closed = user_ids
    wishes = [
        wish(closed, channel_id),
        wish(active, channel_id),
        wish(frozen, 999_999),
        wish(10**9, None),
        wish(active, channel_id),
    ]
    facts = await gather(database, wishes)
    assert [each.standing for each in facts] == ["closed", "active", "frozen", None, "active"]
    assert [each.channel_enabled for each in facts] == [True, True, False, None, True]
    assert facts[1].methods == ("native", "h5")
    assert facts[1].admitted_fen == 0
    assert facts[1].database_writes is True
    assert facts[2].standing_why == "risk_review"
    assert facts[2].methods == ()
    assert {each.at for each in facts} == {facts[0].at}
    assert facts[0].day_ends_at is not None
    assert 0 < (facts[0].day_ends_at - facts[0].at).total_seconds() <= 86_400
    assert await gather(database, []) == []


async def test_a_real_user_at_a_real_channel_is_admitted(
    database: Database, user_ids: list[int], channel_id: int, book: Book
) -> None:
    order_ids = [ids.new_id() for _ in user_ids]
    wishes = [(order_id, wish(user_id, channel_id)) for order_id, user_id in zip(order_ids, user_ids, strict=True)]
    decisions = await database.transact(lambda tx: enforce(tx, Stage.PLACE, wishes, book))
    assert [decision.reason for decision in decisions] == [None, "account.frozen", "account.closed"]
    kept = await database.rows("select order_id, outcome from decisions order by array_position($1::uuid[], order_id)", order_ids)
    assert [(row["order_id"], row["outcome"]) for row in kept] == list(zip(order_ids, ["admit", "refuse", "refuse"], strict=True))
    paid = await database.transact(lambda tx: enforce(tx, Stage.PAID, wishes, book))
    assert [decision.outcome for decision in paid] == [Outcome.ADMIT, Outcome.HOLD, Outcome.HOLD]


async def test_a_user_of_another_shop_is_not_known_here(
    owner_database: Database, user_ids: list[int], channel_id: int, book: Book
) -> None:
    shop_id = await owner_database.value("insert into shops (name, created_at) values ('other', clock_now()) returning id")
    facts = (await gather(owner_database, [Wish(shop_id=shop_id, user_id=user_ids[0], channel_id=channel_id)]))[0]
    assert (facts.standing, facts.channel_enabled) == (None, False)
    assert not decide(Stage.PLACE, facts, book).admits


async def test_a_channel_that_is_switched_off_is_closed_at_once(
    owner_database: Database, user_ids: list[int], channel_id: int, book: Book
) -> None:
    await owner_database.rows("update channels set enabled = false where id = $1", channel_id)
    facts = (await gather(owner_database, [wish(user_ids[0], channel_id)]))[0]
    assert decide(Stage.PLACE, facts, book).reason == "channel.not_configured"


async def test_a_wish_before_any_choice_is_read_too(database: Database, user_ids: list[int], book: Book) -> None:
    facts = (await gather(database, [Wish(shop_id=1, user_id=user_ids[0])], Stage.SHOWN))[0]
    assert (facts.channel_enabled, facts.methods, facts.standing) == (None, None, "active")
    assert decide(Stage.ASKED, facts, book).outcome is Outcome.REFUSE


async def test_enforcing_twice_at_once_keeps_both_decisions(
    database: Database, user_ids: list[int], channel_id: int, book: Book
) -> None:
    async def once() -> None:
        await database.transact(lambda tx: enforce(tx, Stage.PLACE, [(ids.new_id(), wish(user_ids[0], channel_id))], book))

    await asyncio.gather(*(once() for _ in range(5)))
    assert await database.value("select count(*) from decisions") == 5
