"""What staff do: put goods on the shelf, take them off, and fill their stock with codes that are sealed before they are stored."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import datetime

import asyncpg
import msgspec

from daozhang import alarms, clock, ids
from daozhang.goods.model import Good
from daozhang.goods.pattern import BadPattern, compiled
from daozhang.goods.targets import TARGETS
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.goods")

MOST_CODES = 10_000
"""Codes of one import."""
LONGEST_CODE = 512
LOW = "goods.stock_low"
"""The alarm of a good whose stock is below its mark."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_HEADS = frozenset({"code", "codes", "card", "cdkey", "key", "卡密", "卡号", "激活码", "兑换码"})


class Added(msgspec.Struct, frozen=True):
    """What became of an import: codes that are new, and codes that the shop has or had already."""

    added: int
    known: int


class Wares(msgspec.Struct, frozen=True, kw_only=True):
    """A good as staff write it. `source` says where the shop gets it from; the fields of a top-up are as `Good` has them."""

    goods_class: str
    name: str
    price_fen: int
    source: str
    name_en: str = ""
    about_zh: str = ""
    about_en: str = ""
    alarm_below: int = 0
    delivery: str = "cards"
    sku: str = ""
    target: str = ""
    target_pattern: str = ""
    on_sale: bool = False


async def add_good(
    database: Database, shop_id: int, *, goods_class: str, name: str, price_fen: int, source: str, on_sale: bool = False
) -> int:
    """Put a good with card stock on the shelf; its number. Raises `Refusal` (`goods.*`)."""
    wares = Wares(goods_class=goods_class, name=name, price_fen=price_fen, source=source, on_sale=on_sale)
    return await put(database, shop_id, wares)


async def put(database: Database, shop_id: int, wares: Wares) -> int:
    """Put a good on the shelf; its number. Raises `Refusal` (`goods.*`), for a forbidden class too."""
    wares = _checked(wares)
    try:
        good = await database.transact(lambda tx: tx.value(sql.add_good, shop_id, *_columns(wares), clock.now()))
    except asyncpg.CheckViolationError as fault:
        if fault.constraint_name != "goods_class":
            raise
        raise Refusal("goods.class_forbidden") from fault
    if good is None:
        raise Refusal("goods.exists_or_unknown_class")
    return int(good)


async def set_sale(database: Database, shop_id: int, goods_id: int, *, on_sale: bool) -> None:
    """Sell a good, or stop. What was set aside or bought already is not touched. Raises `Refusal`."""
    if await database.transact(lambda tx: tx.value(sql.set_sale, shop_id, goods_id, on_sale, clock.now())) is None:
        raise Refusal("goods.not_found")


async def set_price(database: Database, shop_id: int, goods_id: int, price_fen: int) -> None:
    """Sell at another price from now on; who saw the old one is told before buying. Raises `Refusal`."""
    if not 1 <= price_fen <= 9_999_999_999:
        raise Refusal("goods.malformed")
    if await database.transact(lambda tx: tx.value(sql.set_price, shop_id, goods_id, price_fen, clock.now())) is None:
        raise Refusal("goods.not_found")


async def set_alarm(database: Database, shop_id: int, goods_id: int, below: int) -> None:
    """Ring when fewer pieces than this are left; 0 = never. Raises `Refusal`."""
    if not 0 <= below <= 1_000_000:
        raise Refusal("goods.malformed")
    if await database.transact(lambda tx: tx.value(sql.set_alarm, shop_id, goods_id, below, clock.now())) is None:
        raise Refusal("goods.not_found")


async def shelf(database: Database, shop_id: int) -> list[Good]:
    """Everything on the shelf, oldest first."""
    return [Good(**row) for row in await database.rows(sql.shelf, shop_id, None)]


async def window(database: Database, shop_id: int, goods_class: str = "", words: str = "") -> list[Good]:
    """What is on sale, of a class and with words in its name when they are given."""
    rows = await database.rows(sql.window, shop_id, goods_class, words.strip()[:40])
    return [Good(**row) for row in rows]


async def good(database: Database, shop_id: int, goods_id: int) -> Good | None:
    """One good that is on sale, or None."""
    row = await database.row(sql.on_sale, shop_id, goods_id) if goods_id < 1 << 62 else None
    return Good(**row) if row else None


async def watch_stock(database: Database) -> None:
    """Every minute: ring for goods on sale that run low, and end the alarm of those that were filled again."""

    async def work(tx: Tx) -> None:
        at = clock.now()
        for row in await tx.rows(sql.watched_stock):
            await _ring(tx, row, at)

    await database.transact(work)


async def _ring(tx: Tx, row: asyncpg.Record, at: datetime) -> None:
    if row["on_sale"] and row["left_count"] < row["alarm_below"]:
        facts = {"name": row["name"], "left_count": row["left_count"], "below_count": row["alarm_below"]}
        await alarms.ring(tx, row["shop_id"], at, LOW, f"goods:{row['id']}", facts)
    else:
        await alarms.end(tx, row["shop_id"], at, LOW, f"goods:{row['id']}", "filled again, or no longer sold")


def read_codes(text: str) -> list[str]:
    """One code a line, or the first column of a CSV; blank lines are left out, and so is a head that names the column.

    A line that holds a comma or a tab is one code as it stands unless the file says by its head that it is a CSV. Raises `Refusal`
    for a line that can be no code, naming it.
    """
    plain = text.removeprefix("\ufeff")
    codes = _column(plain) if _is_csv(plain) else [line.strip() for line in plain.splitlines()]
    for number, code in enumerate(codes, 1):
        if len(code) > LONGEST_CODE or _CONTROL.search(code):
            raise Refusal("goods.code_malformed", line_count=number)
    kept = [code for code in codes if code]
    if not kept or len(kept) > MOST_CODES:
        raise Refusal("goods.codes_count", limit_count=MOST_CODES)
    return kept


async def add_codes(
    database: Database, vault: Vault, shop_id: int, goods_id: int, codes: Iterable[str], *, all_new: bool = False
) -> Added:
    """Seal codes and add them to a good's stock; one that this shop has or had, for any good, is left out.

    `all_new`: one that was there already, or twice in the same import, refuses the whole import. Raises `Refusal`.
    """
    given = list(codes)
    unique = list(dict.fromkeys(given))
    if all_new and len(unique) < len(given):
        raise Refusal("goods.codes_twice", twice_count=len(given) - len(unique))
    card_ids = [ids.new_id() for _ in unique]
    sealed = [vault.seal(code, place(card_id)) for card_id, code in zip(card_ids, unique, strict=True)]
    blind = [vault.blind("card", code) for code in unique]
    found = await database.row(sql.good_for_sale, shop_id, goods_id)
    if found is None or found["delivery"] != "cards":
        raise Refusal("goods.not_found")

    async def work(tx: Tx) -> int:
        added = int(await tx.value(sql.add_stock, shop_id, goods_id, clock.now(), card_ids, sealed, blind))
        if all_new and added < len(unique):
            raise Refusal("goods.codes_twice", twice_count=len(unique) - added)
        return added

    added = await database.transact(work)
    return Added(added, len(unique) - added)


def place(card_id: object) -> str:
    """The associated data of a sealed code."""
    return f"stock:code:{card_id}"


def _checked(wares: Wares) -> Wares:
    """The same, tidied. Raises `goods.malformed`, or `goods.pattern` for a pattern that is none."""
    texts = ((wares.name, 80), (wares.source, 200))
    named = all(0 < len(each.strip()) <= most and not _CONTROL.search(each) for each, most in texts)
    about = all(len(each) <= 1_000 and not _LINES.search(each) for each in (wares.about_zh, wares.about_en))
    topup = wares.delivery == "topup"
    fits = len(wares.name_en) <= 80 and not _CONTROL.search(wares.name_en) and 0 <= wares.alarm_below <= 1_000_000
    sku = wares.sku.isascii() and wares.sku.isprintable() and len(wares.sku) <= 64 and bool(wares.sku) == topup
    if not (named and about and fits and sku and wares.delivery in ("cards", "topup") and 1 <= wares.price_fen <= 9_999_999_999):
        raise Refusal("goods.malformed")
    pattern = wares.target_pattern
    if topup:
        if wares.target not in TARGETS:
            raise Refusal("goods.malformed")
        pattern = pattern or TARGETS[wares.target].pattern
        try:
            compiled(pattern)
        except BadPattern:
            raise Refusal("goods.pattern") from None
    elif wares.target or pattern:
        raise Refusal("goods.malformed")
    return msgspec.structs.replace(
        wares, name=wares.name.strip(), source=wares.source.strip(), name_en=wares.name_en.strip(), target_pattern=pattern
    )


def _columns(wares: Wares) -> tuple[object, ...]:
    return (
        wares.goods_class, wares.name, wares.price_fen, wares.source, wares.on_sale, wares.name_en, wares.about_zh, wares.about_en,
        wares.alarm_below, wares.delivery, wares.sku, wares.target, wares.target_pattern,
    )  # fmt: skip


def _is_csv(text: str) -> bool:
    head = text.partition("\n")[0].split(",")[0].strip().strip('"').lower()
    return head in _HEADS


def _column(text: str) -> list[str]:
    """The column of codes of a CSV whose head names it."""
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error:
        raise Refusal("goods.code_malformed", line_count=1) from None
    return ["", *((row[0].strip() if row else "") for row in rows[1:])]
