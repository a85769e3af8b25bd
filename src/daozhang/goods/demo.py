"""A shelf to begin with: what `demo.toml` says, with codes that are made up. For demos and tests, never for a real shop."""

import secrets
import tomllib
from importlib import resources
from typing import Any

import msgspec

from daozhang.goods import shelf
from daozhang.postgres import Database
from daozhang.vault import Vault


def wares() -> list[tuple[shelf.Wares, int]]:
    """The goods with how many codes each begins with."""
    tree = tomllib.loads(resources.files("daozhang.goods").joinpath("demo.toml").read_text("utf-8"))
    return [(_wares(row), row.get("stock", 0)) for row in tree["good"]]


async def furnish(database: Database, vault: Vault, shop_id: int) -> int:
    """Put on the shelf, and on sale, what is not there from last time; how many goods that were."""
    known = {good.name for good in await shelf.shelf(database, shop_id)}
    new = [(each, stock) for each, stock in wares() if each.name not in known]
    for each, stock in new:
        goods_id = await shelf.put(database, shop_id, each)
        if stock:
            codes = ["-".join(secrets.token_hex(2).upper() for _ in range(4)) for _ in range(stock)]
            await shelf.add_codes(database, vault, shop_id, goods_id, codes)
    return len(new)


def _wares(row: dict[str, Any]) -> shelf.Wares:
    given = {name: text.strip() if isinstance(text, str) else text for name, text in row.items() if name != "stock"}
    delivery = "topup" if row.get("sku") else "cards"
    return msgspec.convert({**given, "delivery": delivery, "on_sale": True}, shelf.Wares)
