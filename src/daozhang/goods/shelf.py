"""What staff do: put goods on the shelf, take them off, and fill their stock with codes that are sealed before they are stored."""

import re
from collections.abc import Iterable

import asyncpg
import msgspec

from daozhang import clock, ids
from daozhang.goods.model import Good
from daozhang.postgres import Database, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.goods")

MOST_CODES = 10_000
"""Codes of one import."""
LONGEST_CODE = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Added(msgspec.Struct, frozen=True):
    """What became of an import: codes that are new, and codes that the shop has or had already."""

    added: int
    known: int


async def add_good(
    database: Database, shop_id: int, *, goods_class: str, name: str, price_fen: int, source: str, on_sale: bool = False
) -> int:
    """Put a good on the shelf; its number. `source` says where the shop gets it from. Raises `Refusal` (`goods.*`)."""
    if not 1 <= len(name.strip()) <= 80 or _CONTROL.search(name) or not 1 <= len(source.strip()) <= 200 or price_fen < 1:
        raise Refusal("goods.malformed")
    try:
        good = await database.transact(
            lambda tx: tx.value(sql.add_good, shop_id, goods_class, name.strip(), price_fen, source.strip(), on_sale, clock.now())
        )
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


async def shelf(database: Database, shop_id: int) -> list[Good]:
    """Everything on the shelf, oldest first."""
    return [Good(**row) for row in await database.rows(sql.shelf, shop_id, None)]


def read_codes(text: str) -> list[str]:
    """One code a line; blank lines are left out. Raises `Refusal` for a line that can be no code, naming it."""
    codes = [line.strip().removeprefix("\ufeff") for line in text.splitlines()]
    for number, code in enumerate(codes, 1):
        if len(code) > LONGEST_CODE or _CONTROL.search(code):
            raise Refusal("goods.code_malformed", line_count=number)
    kept = [code for code in codes if code]
    if not kept or len(kept) > MOST_CODES:
        raise Refusal("goods.codes_count", limit_count=MOST_CODES)
    return kept


async def add_codes(database: Database, vault: Vault, shop_id: int, goods_id: int, codes: Iterable[str]) -> Added:
    """Seal codes and add them to a good's stock; one that this shop has or had, for any good, is left out. Raises `Refusal`."""
    unique = list(dict.fromkeys(codes))
    given = len(unique)
    card_ids = [ids.new_id() for _ in unique]
    sealed = [vault.seal(code, place(card_id)) for card_id, code in zip(card_ids, unique, strict=True)]
    blind = [vault.blind("card", code) for code in unique]
    good = await database.row(sql.good_for_sale, shop_id, goods_id)
    if good is None:
        raise Refusal("goods.not_found")
    added = await database.transact(lambda tx: tx.value(sql.add_stock, shop_id, goods_id, clock.now(), card_ids, sealed, blind))
    return Added(int(added), given - int(added))


def place(card_id: object) -> str:
    """The associated data of a sealed code."""
    return f"stock:code:{card_id}"
