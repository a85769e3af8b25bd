"""Changes of the book: four eyes, a day alone, back-tests in yuan, statistics, and rules on trial that nobody feels."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.policy.test_signals import ordered, people, wish

from daozhang import clock, ids
from daozhang.identity import Hasher, Limiter
from daozhang.identity.staff import Staff
from daozhang.offers import campaigns
from daozhang.offers.model import Terms, Tier
from daozhang.policy import regulation
from daozhang.policy.backtest import backtest, days_ago, statistics
from daozhang.policy.book import BadBook, Parameters, defaults, make_book
from daozhang.policy.books import Books
from daozhang.policy.enforce import enforce
from daozhang.policy.examine import examine
from daozhang.policy.model import Outcome, Stage
from daozhang.policy.proposals import approve, proposals, propose
from daozhang.policy.rules.tree import Rule
from daozhang.postgres import Database
from daozhang.reasons import Refusal
from daozhang.settings import Settings
from daozhang.vault import Vault


def stricter(**risk: Any) -> Parameters:
    return msgspec.structs.replace(defaults(), risk=msgspec.structs.replace(defaults().risk, **risk))


@pytest.fixture
def _time_stays() -> Any:
    yield
    clock.shift(0.0)


async def test_a_change_needs_a_second_person(database: Database) -> None:
    books = Books(database)
    proposal = await propose(database, books, 1, stricter(large_count=3), "ann", "fewer")
    assert (await books.current(1)).risk.large_count == 5
    with pytest.raises(Refusal, match="policy.second_person"):
        await approve(database, books, 1, proposal.id, "Ann ")
    assert await approve(database, books, 1, proposal.id, "bob") == 2
    assert (await books.current(1)).risk.large_count == 3
    assert await proposals(database, 1) == []
    with pytest.raises(Refusal, match="not_found"):
        await approve(database, books, 1, proposal.id, "bob")


async def test_what_is_told_in_full_is_enforced_as_told(database: Database) -> None:
    rules = tuple(
        msgspec.structs.replace(rule, tolerance="one_step") if rule.key == "velocity.large" else rule for rule in defaults().rules
    )
    with pytest.raises(BadBook, match=r"velocity\.large: a rule that is told in full has no tolerance"):
        await propose(database, Books(database), 1, msgspec.structs.replace(defaults(), rules=rules), "ann", "small ones pass")


async def test_what_was_overtaken_is_not_put_in_force(database: Database) -> None:
    books = Books(database)
    first = await propose(database, books, 1, stricter(large_count=3), "ann", "three")
    second = await propose(database, books, 1, stricter(large_count=4), "ann", "four")
    await approve(database, books, 1, first.id, "bob")
    with pytest.raises(Refusal, match="policy.overtaken"):
        await approve(database, books, 1, second.id, "bob")


@pytest.mark.usefixtures("_time_stays")
async def test_alone_one_waits_a_day_and_opens_no_limit_above_twice(database: Database) -> None:
    books = Books(database)
    amount = msgspec.structs.replace(defaults().amount, max_fen=1_000_001)
    wide = await propose(database, books, 1, msgspec.structs.replace(defaults(), amount=amount), "ann", "wide open")
    small = await propose(database, books, 1, stricter(large_count=4), "ann", "a little")
    high = await propose(database, books, 1, stricter(large_fen=400_001), "ann", "a rule that begins far higher")
    bare = msgspec.structs.replace(defaults().confirm, strengths=())
    unproved = await propose(database, books, 1, msgspec.structs.replace(defaults(), confirm=bare), "ann", "no rows of law")
    many = await propose(database, books, 1, stricter(large_count=11), "ann", "asked about far later")
    abroad = msgspec.structs.replace(defaults().eligibility, cross_border=True)
    foreign = await propose(database, books, 1, msgspec.structs.replace(defaults(), eligibility=abroad), "ann", "from abroad")
    soft = tuple(rule for rule in defaults().rules if rule.strength == "soft")
    tame = await propose(database, books, 1, msgspec.structs.replace(defaults(), rules=soft), "ann", "no rule that is hard")
    milder = tuple(msgspec.structs.replace(rule, outcome=Outcome.MONITOR) for rule in defaults().rules)
    mild = await propose(database, books, 1, msgspec.structs.replace(defaults(), rules=milder), "ann", "they only watch")
    clock.shift(timedelta(hours=25).total_seconds())
    for opening in (wide, high, unproved, many, foreign, tame, mild):
        with pytest.raises(Refusal, match="policy.second_person"):
            await approve(database, books, 1, opening.id, "ann")
    assert await approve(database, books, 1, small.id, "ann") == 2
    fewer = tuple(rule for rule in defaults().rules if rule.key != "velocity.large")
    without = await propose(
        database, books, 1, msgspec.structs.replace(stricter(large_count=4), rules=fewer), "ann", "a soft one less"
    )
    clock.shift(timedelta(hours=50).total_seconds())
    assert await approve(database, books, 1, without.id, "ann") == 3


@pytest.mark.usefixtures("_time_stays")
async def test_who_is_not_alone_stays_the_first_of_two_however_long_it_waits(database: Database, settings: Settings) -> None:
    """Rules, regions and campaigns alike; and where there is one person only, whoever runs the shop hears of it at once."""
    hasher, books = Hasher(memory_kib=256, passes=1), Books(database)
    staff = Staff(database, await Vault.open(database, settings), Limiter(database), hasher)
    ann = f"staff:{(await staff.add(1, 'ann', ('owner',), 'cli')).staff_id}"
    begins, ends = clock.now() + timedelta(days=3), clock.now() + timedelta(days=9)
    row = regulation.Draft("46", "aggregator", "*", "ref 1", "公告", "notice", "finish", begins)
    terms = Terms("bonus", "充送", "bonus", begins, ends, (Tier(10_000, 1_000),), budget_fen=50_000)
    rules = await propose(database, books, 1, stricter(large_count=4), ann, "a little")
    region, offer = await regulation.propose(database, 1, row, ann), await campaigns.propose(database, 1, terms, ann)
    rung = await database.rows("select key from alarms where kind = 'staff.alone' order by key")
    assert [row["key"].partition(":")[0] for row in rung] == ["offer", "region", "rules"]
    clock.shift(timedelta(hours=25).total_seconds())
    await staff.add(1, "ben", ("owner",), "cli")
    for approving, reason in (
        (approve(database, books, 1, rules.id, ann), "policy.second_person"),
        (regulation.approve(database, 1, region, ann), "regulation.second_person"),
        (campaigns.approve(database, 1, offer, ann), "offers.second_person"),
    ):
        with pytest.raises(Refusal, match=reason):
            await approving
    hasher.close()


async def test_a_back_test_says_in_yuan_what_would_have_changed(
    database: Database, owner_database: Database, channel_id: int
) -> None:
    book = await Books(database).current(1)
    for user_id in await people(owner_database, 3):
        assert (await ordered(database, wish(user_id, channel_id, amount_fen=50_000), book))[1].admits
    (user_id,) = (await database.rows("select user_id from orders order by id limit 1"))[0]
    order_id = await database.value("select id from orders where user_id = $1", user_id)
    await database.transact(
        lambda tx: tx.run(
            "insert into policy_losses values ($1, 1, $2, 50000, 'fraud', 'x', 'tester', clock_now())", order_id, user_id
        )
    )
    # Its money came, too: it is judged once more, and its yuan are there once.
    paid = wish(user_id, channel_id, amount_fen=50_000)
    await database.transact(lambda tx: enforce(tx, Stage.PAID, [(order_id, paid)], book))
    await database.transact(lambda tx: enforce(tx, Stage.ASKED, [(None, paid)], book))
    wide = Rule(
        key="amount.any", strength="soft", stages=("place", "paid"), outcome=Outcome.HOLD, reason="risk.structuring",
        unknown="pass", when={"f": "amount", "op": ">=", "v": {"fen": 50_000}},
    )  # fmt: skip
    candidate = msgspec.structs.replace(defaults(), rules=(*defaults().rules, wide))
    found = await backtest(database, make_book(1, 2, candidate), days_ago(1))
    assert (found.looked_at, found.same, found.newly_stopped.count, found.newly_stopped.fen) == (4, 0, 3, 150_000)
    assert (found.losses_caught.count, found.by_rule["amount.any"].fen, len(found.examples)) == (1, 150_000, 3)
    same = await backtest(database, book, days_ago(1))
    assert (same.same, same.newly_stopped.count, same.newly_admitted.count) == (4, 0, 0)
    late = msgspec.structs.replace(wide, stages=("paid",))
    candidate = msgspec.structs.replace(defaults(), rules=(*defaults().rules, late))
    found = await backtest(database, make_book(1, 2, candidate), days_ago(1))
    assert (found.newly_stopped.count, found.newly_stopped.fen, found.losses_caught.count) == (1, 50_000, 1), "a rule of payments"


@pytest.mark.usefixtures("_time_stays")
async def test_every_decision_replays_after_the_book_has_changed_and_the_loss_gate_has_closed(
    database: Database, owner_database: Database, channel_id: int
) -> None:
    """Each by the version that it names, in a process that never saw it made; a halved budget is in the facts, not in the book."""
    users = await people(owner_database, 3)
    watch = Rule(
        key="own.all", strength="soft", stages=("place",), outcome=Outcome.HOLD, reason="risk.structuring", tolerance="watch",
        when={"f": "amount", "op": ">=", "v": {"param": "min_fen"}},
    )  # fmt: skip
    books, seen = Books(database), []
    for version, rules in ((2, defaults().rules), (3, (*defaults().rules, watch)), (4, ())):
        wanted = msgspec.structs.replace(stricter(large_count=version), rules=rules)
        await books.publish(1, wanted, version=version, author="ann", note="another")
        book = await books.current(1)
        assert book.version == version
        for user_id in users:
            _, decision = await ordered(owner_database, wish(user_id, channel_id, amount_fen=4_000), book)
            seen.append((version, decision.outcome, decision.tolerated))
    assert {each for each in seen if each[0] == 3} == {(3, Outcome.MONITOR, True)}
    lost = "insert into policy_losses values ($1, 1, $2, 5000000, 'fraud', 'charged back', 'tester', clock_now()) returning 1"
    await owner_database.value(lost, ids.new_id(), users[0])
    halved = await Books(database).current(1)
    assert halved.tolerance.fresh.order_fen == defaults().tolerance.fresh.order_fen // 2
    again = msgspec.structs.replace(stricter(large_count=5), rules=(*defaults().rules, watch))
    await books.publish(1, again, version=5, author="ann", note="once more")
    tight = await Books(database).current(1)
    _, decision = await ordered(owner_database, wish(users[1], channel_id, amount_fen=4_000), tight)
    assert (decision.outcome, decision.tolerated) == (Outcome.HOLD, False), "half of fifty yuan is less than forty"
    examined = await examine(database)
    assert (examined.count, examined.ok) == (10, True), examined


async def test_statistics_and_rules_on_trial(database: Database, owner_database: Database, channel_id: int) -> None:
    trial = Rule(
        key="trial.any", strength="soft", stages=("place",), outcome=Outcome.REFUSE, reason="risk.structuring",
        when={"f": "amount", "op": ">=", "v": {"fen": 1}},
    )  # fmt: skip
    book = make_book(1, 1, msgspec.structs.replace(stricter(large_fen=50_000, large_count=2), shadows=(trial,)))
    (user_id,) = await people(owner_database, 1)
    made = [await ordered(database, wish(user_id, channel_id, amount_fen=50_000), book) for _ in range(3)]
    assert [decision.admits for _, decision in made] == [True, False, False]
    # One of the two is let go, and so judged again: twice, without and with its pass. It is one order and its yuan are there once.
    for _ in range(2):
        again = [(made[1][0], wish(user_id, channel_id, amount_fen=50_000))]
        await database.transact(lambda tx, again=again: enforce(tx, Stage.PLACE, again, book))  # type: ignore[misc]
    found = {each.key: each for each in await statistics(database, 1, days_ago(1))}
    assert (found["velocity.large"].hits, found["velocity.large"].stopped, found["velocity.large"].fen) == (2, 2, 100_000)
    assert (found["trial.any"].tried, found["trial.any"].hits) == (5, 0)
    # By hand: without the rule that stopped them the second and the third would have gone on, 500 yuan each, once each.
    milder = await backtest(database, make_book(1, 2, defaults()), days_ago(1))
    assert (milder.looked_at, milder.newly_admitted.count, milder.newly_admitted.fen) == (5, 2, 100_000)
    assert (milder.newly_stopped.count, milder.losses_caught.count, milder.same) == (0, 0, 1)
