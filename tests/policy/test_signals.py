"""What the signals say is what happened: places, devices, payers and budgets, read in one call and never outrun."""

import asyncio
import struct
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from daozhang import clock, ids
from daozhang.demo.shelf import atlas as xdb
from daozhang.policy import payers, places
from daozhang.policy.book import Book
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import NEVER_S, Decision, Signals, Stage
from daozhang.policy.xdb import BadPlaces, Xdb
from daozhang.postgres import Database, Tx
from daozhang.reasons import Refusal

BEIJING, SHENZHEN, ABROAD, NOWHERE = "203.0.113.7", "198.51.100.7", "192.0.2.7", "10.0.0.7"


REGIONS = [
    ("203.0.113.0", "203.0.113.255", "中国|北京市|北京市|电信|CN"),
    ("198.51.100.0", "198.51.100.255", "中国|广东省|深圳市|联通|CN"),
    ("192.0.2.0", "192.0.2.255", "美国|加利福尼亚州|0|0|US"),
]


@pytest.fixture
def atlas(tmp_path: Path) -> Any:
    path = tmp_path / "v4.xdb"
    path.write_bytes(xdb(REGIONS))
    places.use_places((path,))
    yield path
    places.use_places(())


def wish(user_id: int, channel_id: int, **changes: Any) -> Wish:
    given = {"amount_fen": 5_000, "method": "native", "page_version": "p", "page_current": "p", "client_ip": BEIJING, **changes}
    return Wish(shop_id=1, user_id=user_id, channel_id=channel_id, **given)


async def signals(database: Database, asked: Wish, book: Book) -> Signals:
    (facts,) = await gather(database, [asked], Stage.PLACE, book)
    assert facts.signals is not None
    return facts.signals


async def ordered(database: Database, asked: Wish, book: Book) -> tuple[UUID, Decision]:
    """Write an order as placing does, and decide about it."""
    order_id = ids.new_id()

    async def work(tx: Tx) -> Decision:
        await tx.value("select lock_users($1)", [asked.user_id])
        at = clock.now()
        await tx.value(
            "select create_orders(1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            at, [order_id], [asked.user_id], [asked.amount_fen], [asked.channel_id], ["native"], ["p"], [asked.client_ip], ["zh"],
            [at + timedelta(minutes=15)], ["wallet"],
        )  # fmt: skip
        (decision,) = await enforce(tx, Stage.PLACE, [(order_id, asked)], book)
        if not decision.admits:
            await tx.rows(
                "select move_orders($1, 'policy', $2, '{1}', '{created}', '{asked}', '{reviewing}', array[''],"
                " '{null}', '{null}', '{null}')",
                at, [order_id],
            )  # fmt: skip
        return decision

    return order_id, await database.transact(work)


async def device(owner: Database, user_id: int, age: str = "200 days", token: str = "a") -> UUID:
    made: UUID = await owner.value(
        """insert into devices (id, shop_id, user_id, token_hash, agent, first_seen_at, seen_at)
           values ($1, 1, $2, sha256($3::text::bytea), '', clock_now() - $4::text::interval, clock_now()) returning id""",
        ids.new_id(), user_id, token, age,
    )  # fmt: skip
    return made


async def people(owner: Database, count: int) -> list[int]:
    rows = await owner.rows(
        """insert into users (shop_id, phone_sealed, phone_blind, locale, standing_since, created_at, seen_at)
        select 1, '\\x00', sha256(convert_to('p' || n, 'UTF8')), 'zh', clock_now(), clock_now() - interval '30 days', clock_now()
        from generate_series(1, $1::integer) as n returning id""",
        count,
    )
    return [row["id"] for row in rows]


def test_a_place_is_read_from_the_file_and_unknown_without_one(atlas: Path) -> None:
    assert places.place_of(BEIJING) == places.Place("北京", abroad=False)
    assert places.place_of(SHENZHEN) == places.Place("广东", abroad=False)
    assert places.place_of(ABROAD) == places.Place("美国", abroad=True)
    assert (
        places.place_of(NOWHERE)
        is places.place_of("not an address")
        is places.place_of("")
        is places.place_of("2001:db8::1")
        is None
    )
    places.use_places(())
    assert places.place_of(BEIJING) is None


def test_a_file_that_is_none_is_refused_and_the_old_one_stays(atlas: Path, tmp_path: Path) -> None:
    good = xdb([("2001:db8::", "2001:db8::ffff", "中国|上海市|上海市|0|CN")], version=6)
    source = tmp_path / "new.xdb"
    source.write_bytes(good)
    assert places.bring(tmp_path, source) == 6
    assert Xdb(good).find(ip_address("2001:db8::5").packed) == "中国|上海市|上海市|0|CN"
    for bad in (b"", good[:300], b"\0" * len(good), good[:8] + b"\xff" * 8 + good[16:]):
        source.write_bytes(bad)
        with pytest.raises(BadPlaces):
            places.bring(tmp_path, source)
    assert (places.folder_of(tmp_path) / "ip2region_v6.xdb").read_bytes() == good
    places.use_places((source, tmp_path / "missing.xdb"))
    assert places.place_of(BEIJING) is None


def test_offsets_that_point_nowhere_find_nothing(atlas: Path) -> None:
    content = bytearray(atlas.read_bytes())
    row = 256 + (203 * 256) * 8
    content[row : row + 8] = struct.pack("<II", len(content) - 3, len(content) - 1)
    assert Xdb(bytes(content)).find(ip_address(BEIJING).packed) is None


async def test_rl_02_the_usual_place_and_a_log_in_from_elsewhere(
    atlas: Path, database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    (user_id,) = await people(owner_database, 1)
    first = await signals(database, wish(user_id, channel_id), book)
    assert (first.place_known, first.place_usual, first.elsewhere_s) == (True, True, NEVER_S), (
        "where nobody was before is no oddity"
    )
    await owner_database.value(
        "select note_place($1, '北京', true, clock_now() - interval '3 days')", user_id
    )  # fmt: skip
    assert (await signals(database, wish(user_id, channel_id), book)).place_usual is True
    far = await signals(database, wish(user_id, channel_id, client_ip=SHENZHEN), book)
    assert (far.place_usual, far.elsewhere_s, far.place_abroad) == (False, NEVER_S, False)
    await places.note_login(database, user_id, SHENZHEN)
    seen = await signals(database, wish(user_id, channel_id, client_ip=SHENZHEN), book)
    assert seen.place_usual is False
    assert seen.elsewhere_s is not None
    assert seen.elsewhere_s < 60
    _, decision = await ordered(database, wish(user_id, channel_id, client_ip=SHENZHEN, amount_fen=100_000), book)
    assert decision.reason == "risk.place_unusual"
    unknown = await signals(database, wish(user_id, channel_id, client_ip=NOWHERE), book)
    assert (unknown.place_known, unknown.place_usual) == (False, None)
    _, decision = await ordered(database, wish(user_id, channel_id, client_ip=NOWHERE, amount_fen=100_000), book)
    assert decision.admits, "unknown is no accusation"


async def test_a_new_device_with_a_large_amount_is_asked(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    (user_id,) = await people(owner_database, 1)
    old, new = await device(owner_database, user_id), await device(owner_database, user_id, "1 hour", "b")
    assert (await ordered(database, wish(user_id, channel_id, device_id=old, amount_fen=200_000), book))[1].admits
    _, decision = await ordered(database, wish(user_id, channel_id, device_id=new, amount_fen=200_000), book)
    assert decision.reason == "risk.device_new"
    (other,) = await people_more(owner_database)
    stranger = await signals(database, wish(other, channel_id, device_id=new), book)
    assert (stranger.device_known, stranger.device_s) == (False, None), "another user's device is none of his"


async def people_more(owner: Database) -> list[int]:
    rows = await owner.rows(
        """insert into users (shop_id, phone_sealed, phone_blind, locale, standing_since, created_at, seen_at)
        values (1, '\\x00', sha256('other'), 'zh', clock_now(), clock_now(), clock_now()) returning id"""
    )
    return [row["id"] for row in rows]


async def test_rl_03_amounts_just_below_the_limit_are_linked_by_the_device(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    users = await people(owner_database, 6)
    reasons = []
    for user_id in users:
        mine = await device(owner_database, user_id, token="one browser")
        asked = wish(user_id, channel_id, device_id=mine, amount_fen=495_000)
        reasons.append((await ordered(database, asked, book))[1].reason)
    assert reasons == [None] * 4 + ["risk.linked_accounts"] * 2
    (user_id,) = await people_more(owner_database)
    mine = await device(owner_database, user_id, token="quiet browser")
    for _ in range(3):
        assert (await ordered(database, wish(user_id, channel_id, device_id=mine, amount_fen=495_000), book))[1].admits


async def test_rl_03_many_accounts_of_one_payer_are_linked(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    users, payer, outcomes = await people(owner_database, 11), b"p" * 32, []
    for user_id in users:
        order_id = ids.new_id()
        paid = Wish(1, user_id, 20_000, channel_id, "native", payer=payer)
        (decision,) = await database.transact(lambda tx, o=order_id, w=paid: enforce(tx, Stage.PAID, [(o, w)], book))
        outcomes.append(decision.reason)
    assert outcomes == [None] * 9 + ["risk.linked_accounts"] * 2
    near = [Wish(1, users[0], 495_000, channel_id, "native", payer=b"q" * 32) for _ in range(6)]
    found = []
    for each in near:
        (decision,) = await database.transact(lambda tx, w=each: enforce(tx, Stage.PAID, [(ids.new_id(), w)], book))
        found.append(decision.reason if decision.holds else None)
    assert found == [None] * 4 + ["risk.structuring"] * 2


@pytest.mark.parametrize("payer", [None, b"y" * 32])
@pytest.mark.parametrize("amount_fen", [100, 60_000, 250_000, 500_000])
async def test_a_payment_of_any_amount_with_nothing_odd_is_credited(
    database: Database, owner_database: Database, channel_id: int, book: Book, payer: bytes | None, amount_fen: int
) -> None:
    """A hold rests on what the payment brought: what is not asked again is no ignorance."""
    (user_id,) = await people(owner_database, 1)
    paid = Wish(1, user_id, amount_fen, channel_id, "native", payer=payer)
    (decision,) = await database.transact(lambda tx: enforce(tx, Stage.PAID, [(ids.new_id(), paid)], book))
    assert decision.admits, decision.reason


async def test_a_flagged_payer_is_held_until_the_flag_is_taken_away_or_ends(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    (user_id,) = await people(owner_database, 1)
    paid = Wish(1, user_id, 5_000, channel_id, "native", payer=b"x" * 32)

    async def pay() -> tuple[UUID, Decision]:
        order_id = ids.new_id()
        (decision,) = await database.transact(lambda tx: enforce(tx, Stage.PAID, [(order_id, paid)], book))
        return order_id, decision

    order_id, decision = await pay()
    assert decision.admits
    await payers.flag(database, order_id, flagged=True, why="charged back", actor="tester")
    assert (await pay())[1].reason == "risk.payer_flagged"
    await payers.flag(database, order_id, flagged=False, why="cleared", actor="tester")
    assert (await pay())[1].admits
    over = clock.now() - timedelta(seconds=1)
    await payers.flag(database, order_id, flagged=True, why="for a day", actor="tester", ends_at=over)
    assert (await pay())[1].admits
    with pytest.raises(Refusal):
        await payers.flag(database, ids.new_id(), flagged=True, why="nobody", actor="tester")


async def test_a_budget_cannot_be_outrun_by_eight_at_once(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    """Eight users on one crowded device want 50 yuan each; the device's budget is 100 a day."""
    users = await people(owner_database, 8)
    mine = [await device(owner_database, user_id, token="shared") for user_id in users]
    taken = await asyncio.gather(
        *(
            database.transact(
                lambda tx, u=user_id, d=device_id: tx.value(
                    "select take_tolerance(tolerance_keys($1, $2, null), '2026-11-28', 5000, 10000, 3, 30000)", u, d
                )
            )
            for user_id, device_id in zip(users, mine, strict=True)
        )
    )
    assert taken.count(True) == 2
    used = await owner_database.value("select max(used_fen) from tolerance_days")
    assert used == 10_000


async def test_a_confirmed_loss_takes_the_tolerance_away(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    (user_id,) = await people(owner_database, 1)
    assert (await signals(database, wish(user_id, channel_id), book)).tolerance_fen == 5_000
    await database.transact(
        lambda tx: tx.run(
            "insert into policy_losses values ($1, 1, $2, 5000, 'fraud', 'charged back', 'tester', clock_now())",
            ids.new_id(),
            user_id,
        )
    )
    assert (await signals(database, wish(user_id, channel_id), book)).tolerance_fen == 0
    assert await database.value("select tolerance_halved(1, 1)")


async def test_the_loss_gate_holds_a_shops_losses_against_what_that_shop_tolerated(
    database: Database, owner_database: Database
) -> None:
    """A thousandth of what was tolerated may be lost: 50 yuan of 60,000 here, and what another shop tolerated is none of it."""
    (mine,) = await people(owner_database, 1)
    theirs, other = await another_shop(owner_database)

    async def tolerate(user_id: int, amount_fen: int) -> None:
        key = "insert into tolerance_days values ('\\x75'::bytea || int8send($1), business_day(clock_now()), $2, 1) returning 1"
        await owner_database.value(key, user_id, amount_fen)

    loss = "insert into policy_losses values ($1, $2, $3, 5000, 'fraud', 'charged back', 'tester', clock_now()) returning 1"
    await owner_database.value(loss, ids.new_id(), 1, mine)
    await tolerate(theirs, 6_000_000)
    assert await database.value("select tolerance_halved(1, 1)"), "what the other shop tolerated does not open this one's gate"
    assert not await database.value("select tolerance_halved($1, 1)", other), "nor does this one's loss shut the other's"
    await tolerate(mine, 6_000_000)
    assert not await database.value("select tolerance_halved(1, 1)")


async def another_shop(owner: Database) -> tuple[int, int]:
    """A user of another shop, and that shop."""
    shop_id = await owner.value("insert into shops (name, created_at) values ('other', clock_now()) returning id")
    user_id = await owner.value(
        """insert into users (shop_id, phone_sealed, phone_blind, locale, standing_since, created_at, seen_at)
        values ($1, '\\x00', sha256('theirs'), 'zh', clock_now(), clock_now(), clock_now()) returning id""",
        shop_id,
    )
    return user_id, shop_id


async def test_without_a_device_a_payer_or_a_place_the_signals_say_so(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    (user_id,) = await people(owner_database, 1)
    (facts,) = await gather(database, [wish(user_id, channel_id, client_ip="")], Stage.PLACE, book)
    seen = facts.signals
    assert seen is not None
    assert (seen.device_known, seen.place_known, facts.payer_known) == (False, False, False)
    assert (seen.device_accounts_count, seen.payer_accounts_count, seen.place_usual) == (None, None, None)
    assert (seen.large_count, seen.orders_day_count, seen.orders_day_fen, seen.unfrozen_s) == (0, 1, 5_000, NEVER_S)
