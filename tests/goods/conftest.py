"""A shelf with one good, and buyers with money."""

from collections.abc import Awaitable, Callable

import pytest
from tests.flows.shop import make_users

from daozhang import clock, ids
from daozhang.goods import shelf
from daozhang.goods.buy import Purchases
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.postgres.supervisor import Supervisor
from daozhang.recharge.model import Basket
from daozhang.settings import Settings
from daozhang.vault import Vault

PRICE_FEN = 4_990


@pytest.fixture
async def vault(database: Database, settings: Settings) -> Vault:
    return await Vault.open(database, settings)


@pytest.fixture
async def known() -> Accounts:
    return Accounts()


@pytest.fixture
async def purchases(database: Database, vault: Vault, known: Accounts) -> Purchases:
    return Purchases(1, database, vault, known, Books(database))


@pytest.fixture
async def goods_id(database: Database) -> int:
    return await shelf.add_good(
        database, 1, goods_class="game_card", name="点卡 50 元", price_fen=PRICE_FEN, source="官方经销", on_sale=True
    )


@pytest.fixture
def basket(goods_id: int) -> Basket:
    return Basket(goods_id, 1, PRICE_FEN)


@pytest.fixture
def fill(database: Database, vault: Vault, goods_id: int) -> Callable[[int], Awaitable[list[str]]]:
    async def work(count: int) -> list[str]:
        codes = [f"CARD-{n:05d}-{ids.text26(ids.new_id())}" for n in range(count)]
        await shelf.add_codes(database, vault, 1, goods_id, codes)
        return codes

    return work


@pytest.fixture
def rich(database: Database, server: Supervisor, fresh: str, known: Accounts) -> Callable[[int, int], Awaitable[list[int]]]:
    """So many users with so much cash each."""

    async def work(count: int, amount_fen: int) -> list[int]:
        users = await make_users(server.dsn("owner", fresh), count)

        async def give(tx: object) -> None:
            at = clock.now()
            transfers = [
                Transfer(ids.new_id(), "recharge", ids.new_id(), at,
                         (Line(accounts.receivable(1), -amount_fen), Line(accounts.cash(user), amount_fen)))
                for user in users
            ]  # fmt: skip
            found = await known.ids(tx, 1, {line.address for t in transfers for line in t.lines})  # type: ignore[arg-type]
            await post(tx, 1, at, "test", transfers, found)  # type: ignore[arg-type]

        await database.transact(give)
        return users

    return work
