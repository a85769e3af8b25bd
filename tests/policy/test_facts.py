"""Facts of many users come in one statement, in order, and what is not there stays unknown."""

import asyncio
from datetime import timedelta

from daozhang import clock, ids
from daozhang.policy.book import Book
from daozhang.policy.decide import decide
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Outcome, Stage
from daozhang.postgres import Database, Tx


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


async def test_a_look_at_one_user_never_walks_over_the_orders_of_the_week(
    owner_database: Database, user_ids: list[int], channel_id: int, book: Book
) -> None:
    """While a month is young both indexes of orders cost the same, and a newer one is taken first: here that is the wrong one."""
    asking, others = user_ids[0], user_ids[1:]

    async def look(tx: Tx) -> int:
        await tx.run("alter table orders drop constraint orders_pkey cascade")
        await tx.run("alter table orders add primary key (id)")
        many = ids.new_ids(200)
        await tx.run(_ORDERS, many, [others[n % len(others)] for n in range(len(many))], channel_id)
        before = await tx.value(_FETCHED)
        (facts,) = await gather(tx, [wish(asking, channel_id)], Stage.PLACE, book)
        assert facts.admitted_fen == 0
        fetched: int = await tx.value(_FETCHED) - before
        await tx.run("set local enable_seqscan = off")
        await tx.run("set local enable_bitmapscan = off")
        naive = "select exists (select from orders where user_id = $1 and id >= $2 and id < $3)"
        assert await tx.value(naive, asking, min(many), ids.first_at(clock.now() + timedelta(days=1))) is False
        assert await tx.value(_FETCHED) - before - fetched > len(many) // 2, "the control walks"
        return fetched

    assert await owner_database.transact(look) == 0


_ORDERS = """insert into orders (id, shop_id, user_id, purpose, state, version, amount_fen, currency, channel_id, method,
  page_version, client_ip, locale, created_at, expires_at, moved_at)
select o.id, 1, o.user_id, 'wallet', 'created', 0, 5000, 'CNY', $3, 'native', 'p1', '192.0.2.1', 'zh', now(), now(), now()
from unnest($1::uuid[], $2::bigint[]) o (id, user_id)"""
_FETCHED = "select coalesce(sum(idx_tup_fetch), 0)::integer from pg_stat_xact_user_tables where relname like 'orders\\_2%'"
