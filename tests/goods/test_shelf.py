"""The shelf: what may stand on it, and codes that are sealed, never there twice, and gone when sold."""

import asyncpg
import pytest
from tests.flows.shop import refuses

from daozhang import alarms
from daozhang.goods import shelf
from daozhang.postgres import Database
from daozhang.vault import Vault


async def add(database: Database, **given: object) -> int:
    wanted = {"goods_class": "game_card", "name": "卡", "price_fen": 100, "source": "官方"} | given
    return await shelf.add_good(database, 1, **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("goods_class", ["cheat", "stolen_account", "sms_code", "virtual_currency"])
async def test_what_must_not_be_sold_is_refused_at_save(database: Database, goods_class: str) -> None:
    with refuses("goods.class_forbidden"):
        await add(database, goods_class=goods_class)
    assert await shelf.shelf(database, 1) == []


@pytest.mark.parametrize("given", [{"name": ""}, {"name": "x" * 81}, {"name": "a\nb"}, {"source": " "}, {"price_fen": 0}], ids=str)
async def test_a_good_that_is_not_complete_is_refused(database: Database, given: dict[str, object]) -> None:
    with refuses("goods.malformed"):
        await add(database, **given)


async def test_a_name_stands_once_and_a_class_must_exist(database: Database) -> None:
    await add(database)
    for given in ({}, {"name": "b", "goods_class": "nonsense"}):
        with refuses("goods.exists_or_unknown_class"):
            await add(database, **given)


async def test_codes_are_sealed_and_never_there_twice(database: Database, vault: Vault) -> None:
    first, second = await add(database), await add(database, name="b")
    assert await shelf.add_codes(database, vault, 1, first, ["A-1", "A-2", "A-1"]) == shelf.Added(2, 0)
    assert await shelf.add_codes(database, vault, 1, second, ["a-1 ", "B-1"]) == shelf.Added(1, 1), "not even as another good's"
    held = await database.rows("select code_sealed, code_blind from stock")
    assert all(b"A-1" not in row["code_sealed"] and b"A-1" not in row["code_blind"] for row in held)
    assert [good.left_count for good in await shelf.shelf(database, 1)] == [2, 1]


def test_codes_come_one_a_line() -> None:
    assert shelf.read_codes("\ufeffA-1\r\n\n  B 2 \nC-3") == ["A-1", "B 2", "C-3"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "goods.codes_count"),
        ("\n \n", "goods.codes_count"),
        ("ok\nb\x00d", "goods.code_malformed"),
        ("x" * 513, "goods.code_malformed"),
        ("\n".join(map(str, range(10_001))), "goods.codes_count"),
    ],
)
def test_what_can_be_no_codes_is_refused_whole(text: str, code: str) -> None:
    with refuses(code):
        shelf.read_codes(text)


async def test_rc_14_the_database_lets_no_card_be_sold_twice_or_vanish(
    owner_database: Database, database: Database, vault: Vault
) -> None:
    goods_id = await add(database)
    await shelf.add_codes(database, vault, 1, goods_id, ["A"])
    for attack in (
        "update stock set state = 'delivered', purchase_id = null",
        "delete from stock",
        "truncate stock cascade",
        "update stock set code_blind = sha256('x')",
        "update goods set class = 'cheat'",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await owner_database.transact(lambda tx, attack=attack: tx.run(attack))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.transact(lambda tx: tx.run("update stock set state = 'withdrawn'"))


def test_a_csv_says_so_by_its_head() -> None:
    assert shelf.read_codes('code,batch\r\n"A,1",x\r\nB-2,y\r\n\r\n') == ["A,1", "B-2"]
    assert shelf.read_codes("卡密\nA-1\n") == ["A-1"]
    assert shelf.read_codes("A,1\nB,2") == ["A,1", "B,2"], "a comma may be part of a code"


async def test_a_duplicate_refuses_the_whole_import(database: Database, vault: Vault) -> None:
    first, second = await add(database), await add(database, name="b")
    with refuses("goods.codes_twice"):
        await shelf.add_codes(database, vault, 1, first, ["A-1", "A-1"], all_new=True)
    await shelf.add_codes(database, vault, 1, first, ["A-1"], all_new=True)
    with refuses("goods.codes_twice"):
        await shelf.add_codes(database, vault, 1, second, ["B-1", "A-1"], all_new=True)
    assert [good.left_count for good in await shelf.shelf(database, 1)] == [1, 0], "nothing of a refused file came in"


async def test_low_stock_rings_once_and_ends_when_filled(database: Database, vault: Vault) -> None:
    goods_id = await add(database, on_sale=True)
    await shelf.watch_stock(database)
    assert await alarms.open_alarms(database) == [], "without a mark nothing rings"
    await shelf.set_alarm(database, 1, goods_id, 2)
    await shelf.add_codes(database, vault, 1, goods_id, ["A"])
    for _ in range(3):
        await shelf.watch_stock(database)
    (alarm,) = await alarms.open_alarms(database)
    assert (alarm.kind, alarm.facts["left_count"], alarm.times) == ("goods.stock_low", 1, 3)
    await shelf.add_codes(database, vault, 1, goods_id, ["B"])
    await shelf.watch_stock(database)
    assert await alarms.open_alarms(database) == []


TOPUP = {"delivery": "topup", "sku": "tel-50", "target": "phone", "goods_class": "phone_topup"}


@pytest.mark.parametrize(
    ("change", "code"),
    [({"sku": ""}, "goods.malformed"), ({"target": "nobody"}, "goods.malformed"), ({"target_pattern": "(a+)+"}, "goods.pattern"),
     ({"delivery": "cards"}, "goods.malformed"), ({"delivery": "pigeon"}, "goods.malformed")],
)  # fmt: skip
async def test_a_top_up_names_what_it_needs(database: Database, change: dict[str, str], code: str) -> None:
    given = {"name": "话费", "price_fen": 5_000, "source": "直充", **TOPUP, **change}
    with refuses(code):
        await shelf.put(database, 1, shelf.Wares(**given))  # type: ignore[arg-type]


async def test_a_top_up_takes_no_codes_and_is_never_sold_out(database: Database, vault: Vault) -> None:
    wares = shelf.Wares(name="话费", price_fen=5_000, source="直充", on_sale=True, **TOPUP)  # type: ignore[arg-type]
    goods_id = await shelf.put(database, 1, wares)
    with refuses("goods.not_found"):
        await shelf.add_codes(database, vault, 1, goods_id, ["A"])
    (seen,) = await shelf.window(database, 1)
    assert (seen.left_count, seen.sold_out, seen.target_pattern) == (None, False, "1[3-9][0-9]{9}")
