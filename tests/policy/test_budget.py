"""Counted limits of risk under forty at once: the small-amount budget by account, device and payer, and failures of one payer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.flows.shop import LICENSED
from tests.policy.test_signals import device, ordered, wish

from daozhang import clock, ids
from daozhang.policy.book import Book, OpenRules, make_book
from daozhang.policy.decide import decide
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Stage
from daozhang.policy.signals import tier
from daozhang.postgres import Database, Tx

pytestmark = pytest.mark.usefixtures("one_day")

MANY = 40
TIERS = {"fresh": ("none", 0), "known": ("identity", 8), "trusted": ("identity", 91)}
"""By trust tier: how somebody is verified, and days since registering."""
AGES_S = {name: days * 86_400 for name, (_, days) in TIERS.items()}
FAILURE = "account.payer_card_failed"


@pytest.fixture
def wary() -> Book:
    """A book whose softest rule objects to every order from a known device: only the budget lets one through."""
    rules = replace(LICENSED, risk=replace(LICENSED.risk, device_accounts_count=1), open=OpenRules(most_count=1_000))
    return make_book(1, 1, rules)


@dataclass
class Crowd:
    """Makes users of a tier, each with a browser of their own unless one token is shared."""

    owner: Database
    made: int = 0

    async def join(self, count: int, tier_name: str, token: str = "") -> list[tuple[int, UUID]]:
        """Users with their devices."""
        verification, days = TIERS[tier_name]
        found = []
        for _ in range(count):
            self.made += 1
            user_id = await self.owner.value(
                """insert into users (shop_id, phone_sealed, phone_blind, locale, standing_since, created_at, seen_at, verification)
                values (1, '\\x00', sha256(convert_to('crowd' || $1::integer, 'UTF8')), 'zh', clock_now(),
                  clock_now() - make_interval(days => $2), clock_now(), $3) returning id""",
                self.made, days, verification,
            )  # fmt: skip
            found.append((user_id, await device(self.owner, user_id, token=token or f"browser {self.made}")))
        return found


@pytest.fixture
def crowd(owner_database: Database) -> Crowd:
    return Crowd(owner_database)


async def let_through(database: Database, wishes: Sequence[Wish], book: Book) -> int:
    """How many of them are admitted when they all ask at once; all others are asked about by the rule that the budget softened."""
    made = await asyncio.gather(*(ordered(database, each, book) for each in wishes))
    reasons = {decision.reason for _, decision in made if not decision.admits}
    assert reasons <= {"risk.linked_accounts"}, reasons
    return sum(decision.admits for _, decision in made)


async def group(crowd: Crowd, key: str, tier_name: str, number: int) -> list[dict[str, Any]]:
    """Forty who share one account, one device, or one payer, and nothing else."""
    if key == "account":
        ((user_id, device_id),) = await crowd.join(1, tier_name)
        return [{"user_id": user_id, "device_id": device_id}] * MANY
    people = await crowd.join(MANY, tier_name, f"shared {number}" if key == "device" else "")
    payer = {"payer": bytes([number]) * 32} if key == "payer" else {}
    return [{"user_id": user_id, "device_id": device_id, **payer} for user_id, device_id in people]


@pytest.mark.parametrize("key", ["account", "device", "payer"])
async def test_rl_01_forty_at_once_take_exactly_the_budget_of_each_tier(
    database: Database, channel_id: int, wary: Book, crowd: Crowd, key: str
) -> None:
    for number, name in enumerate(TIERS, start=1):
        allowed = getattr(wary.tolerance, name)
        assert tier(AGES_S[name], TIERS[name][0], wary) == allowed
        asked = [
            wish(who["user_id"], channel_id, amount_fen=allowed.order_fen, device_id=who["device_id"], payer=who.get("payer"))
            for who in await group(crowd, key, name, number)
        ]  # fmt: skip
        facts = await gather(database, asked, Stage.PLACE, wary) if key != "account" else []
        assert all(decide(Stage.PLACE, each, wary).admits for each in facts), "the control: by what each read, all would pass"
        by_sum = allowed.day_fen // allowed.order_fen
        assert by_sum < allowed.day_count
        assert await let_through(database, asked, wary) == by_sum, (key, name)


async def test_rl_01_the_number_of_orders_binds_and_so_does_the_month(
    database: Database, owner_database: Database, channel_id: int, wary: Book, crowd: Crowd
) -> None:
    allowed = wary.tolerance.fresh
    payer = b"c" * 32
    people = await crowd.join(2 * MANY, "fresh")
    small = [wish(user, channel_id, amount_fen=100, device_id=browser, payer=payer) for user, browser in people[:MANY]]
    assert await let_through(database, small, wary) == allowed.day_count
    payer = b"m" * 32
    for back in (5, 15, 25):
        await owner_database.value(
            "select take_tolerance(array['\\x70'::bytea || $1], business_day(clock_now()) - $2::integer, $3, $3, 1, $4)",
            payer, back, (allowed.month_fen - allowed.order_fen) // 3, allowed.month_fen,
        )  # fmt: skip
    rest = [wish(user, channel_id, amount_fen=allowed.order_fen, device_id=browser, payer=payer) for user, browser in people[MANY:]]
    assert await let_through(database, rest, wary) == 1, "what thirty days leave is one order"


async def test_rl_01_a_trusted_account_widens_nobodys_budget_but_its_own(
    database: Database, channel_id: int, wary: Book, crowd: Crowd
) -> None:
    fresh, trusted = wary.tolerance.fresh, wary.tolerance.trusted
    asked = [
        wish(user, channel_id, amount_fen=fresh.order_fen, device_id=browser, payer=b"b" * 32)
        for name in ("trusted", "fresh") for user, browser in await crowd.join(MANY // 2, name)
    ]  # fmt: skip
    made = await asyncio.gather(*(ordered(database, each, wary) for each in asked))
    went = [decision.admits for _, decision in made]
    assert sum(went) == trusted.day_count, "one payer has one budget, whoever he pays for"
    assert sum(went[MANY // 2 :]) * fresh.order_fen <= fresh.day_fen


async def failed(owner: Database, asked: Wish, order_id: UUID, channel_id: int, reason: str) -> None:
    """A payment of this order that ended for a reason."""

    async def work(tx: Tx) -> None:
        attempt_id, at = ids.new_id(), clock.now()
        await tx.value(
            """select create_attempts($1::bigint, $2::timestamptz, $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::text[],
              $8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[], $13::bytea[], $14::timestamptz[],
              $15::timestamptz[])""",
            1, at, [attempt_id], [order_id], [asked.user_id], [channel_id], ["wechatpay"], ["jsapi"], ["m"], ["a"],
            [asked.amount_fen], [""], [None], [at], [at],
        )  # fmt: skip
        await tx.run("update attempts set reason = $2 where id = $1", attempt_id, reason)

    await owner.transact(work)


@pytest.mark.parametrize("key", ["payer", "device"])
async def test_rl_card_testing_is_counted_by_payer_and_by_device_and_stops_forty_at_once(
    database: Database, owner_database: Database, channel_id: int, crowd: Crowd, key: str
) -> None:
    """A crowd of one payer, each with a browser of his own, or of one browser whose payers nobody knows."""
    risk = replace(LICENSED.risk, device_accounts_count=1_000)
    book = make_book(1, 1, replace(LICENSED, risk=risk, open=OpenRules(most_count=1_000)))
    most = book.risk.failures_count
    people = await crowd.join(MANY, "known", "tester" if key == "device" else "")
    apart = people if key == "payer" else await crowd.join(MANY, "known")

    def wishes(*, other: bool = False) -> list[Wish]:
        by = (b"o" if other else b"t") * 32 if key == "payer" else None
        return [
            wish(user, channel_id, amount_fen=100, device_id=browser, payer=by) for user, browser in (apart if other else people)
        ]

    async def reasons(*, other: bool = False) -> list[tuple[str | None, bool]]:
        made = await asyncio.gather(*(ordered(database, each, book) for each in wishes(other=other)))
        return [(decision.reason, decision.admits) for _, decision in made]

    begun = [(each, (await ordered(database, each, book))[0]) for each in wishes()[: most + 6]]
    for each, order_id in begun[most - 1 : -1]:
        # What the channel or the platform broke, or the payer left, tries no cards.
        await failed(owner_database, each, order_id, channel_id, "channel.down")
    for each, order_id in begun[: most - 1]:
        await failed(owner_database, each, order_id, channel_id, FAILURE)
    assert {admits for _, admits in await reasons()} == {True}, "one short of the number"
    await failed(owner_database, *begun[-1], channel_id, FAILURE)
    assert set(await reasons()) == {("risk.card_testing", False)}, "no amount is small enough: the budget never lets this through"
    assert {admits for _, admits in await reasons(other=True)} == {True}, "the control: by account each of them failed once at most"
