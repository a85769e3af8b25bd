"""Buying from the balance, in one commit: codes set aside, money spent, codes delivered. All of it or nothing."""

from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.goods.model import MOST_PIECES, Purchase, parse_shown
from daozhang.goods.pattern import fits
from daozhang.goods.shelf import place
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.ledger.spend import split
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish
from daozhang.policy.model import Stage
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.model import Basket
from daozhang.vault import Vault

sql = statements("daozhang.goods")

PAGE = 20


class Delivered(NamedTuple):
    """A code of a purchase, readable by its buyer."""

    id: UUID
    code: str


class Supply(NamedTuple):
    """A direct top-up as its buyer may see it: the account in clear, how it stands, and when the supplier is asked next."""

    target: str
    state: str
    looks: int
    said: str
    next_look_at: datetime | None


class Purchases:
    """What buyers do with goods, in one shop."""

    def __init__(self, shop_id: int, database: Database, vault: Vault, ledger_accounts: Accounts, books: Books) -> None:
        self.shop_id = shop_id
        self._database, self._vault, self._accounts, self._books = database, vault, ledger_accounts, books

    async def buy(self, user_id: int, basket: Basket, key: str, device_id: UUID | None = None, client_ip: str = "") -> Purchase:
        """Buy from the balance. The same key again gives the same purchase.

        Raises `Refusal` with nothing changed: `goods.*`, or what the policy says of spending (that decision is kept).
        """
        if not 8 <= len(key) <= 64 or not key.isascii() or not key.isprintable():
            raise Refusal("operation.key_malformed")
        purchase_id, book = ids.new_id(), await self._books.current(self.shop_id)
        total_fen = basket.price_fen * basket.count
        wish = Wish(self.shop_id, user_id, total_fen, device_id=device_id, client_ip=client_ip)
        try:
            bought = await self._database.transact(lambda tx: self._judged(tx, book, wish, purchase_id, basket, key))
        except asyncpg.CheckViolationError as fault:
            if fault.constraint_name != "account_floor":
                raise
            cash_fen = await self._database.value(sql.cash_of, self.shop_id, accounts.cash(user_id)) or 0
            there_fen = cash_fen + (await self._database.value(sql.cash_of, self.shop_id, accounts.bonus(user_id)) or 0)
            raise Refusal("goods.balance_short", short_fen=max(1, total_fen - there_fen), balance_fen=there_fen) from fault
        if isinstance(bought, Refusal):
            raise bought
        purchase = await self.purchase(user_id, bought)
        assert purchase is not None, bought
        return purchase

    async def purchase(self, user_id: int, purchase_id: UUID) -> Purchase | None:
        """A purchase of this user; None for anything else."""
        row = await self._database.row(sql.purchase, purchase_id, user_id)
        return Purchase(**row) if row else None

    async def find(self, user_id: int, shown: str) -> Purchase:
        """A purchase of this user by the number that people see. Raises `goods.purchase_not_found` for anything else."""
        number = parse_shown(shown)
        found = await self.purchase(user_id, number) if number else None
        if found is None:
            raise Refusal("goods.purchase_not_found")
        return found

    async def purchases(self, user_id: int, before: UUID | None = None, limit: int = PAGE) -> list[Purchase]:
        """This user's purchases, newest first."""
        return [Purchase(**row) for row in await self._database.rows(sql.purchases, user_id, self.shop_id, before, limit)]

    async def of_order(self, user_id: int, order_id: UUID) -> Purchase | None:
        """The purchase whose channel part an order of this user pays; None when it is for the wallet."""
        purchase_id = await self._database.value(sql.purchase_of_order, order_id, user_id)
        return await self.purchase(user_id, purchase_id) if purchase_id else None

    async def codes(self, user_id: int, purchase_id: UUID) -> list[Delivered]:
        """The codes that were delivered with a purchase of this user. The caller makes sure that it is really him."""
        rows = await self._database.rows(sql.delivered_codes, purchase_id, user_id)
        return [Delivered(row["id"], self._vault.unseal_text(row["code_sealed"], place(row["id"]))) for row in rows]

    async def look(self, user_id: int, purchase_id: UUID, session_id: UUID) -> list[Delivered]:
        """The codes, for a user who has just shown again that it is him: that they were seen is on record first."""
        found = await self.codes(user_id, purchase_id)
        if found:
            seen = (ids.new_id(), self.shop_id, user_id, purchase_id, session_id, len(found))
            await self._database.transact(lambda tx: tx.run(sql.note_card_view, *seen, clock.now()))
        return found

    async def looks(self, user_id: int, purchase_id: UUID) -> tuple[int, datetime | None]:
        """How often the codes of a purchase were seen, and when last."""
        row = await self._database.row(sql.card_views, purchase_id, user_id)
        return (row["times"], row["last_at"]) if row else (0, None)

    async def supply(self, user_id: int, purchase_id: UUID) -> Supply | None:
        """The direct top-up of a purchase, for its own buyer; None for goods that are codes."""
        row = await self._database.row(sql.supply, purchase_id)
        if row is None or row["user_id"] != user_id:
            return None
        target = self._vault.unseal_text(row["target_sealed"], target_place(purchase_id))
        return Supply(target, row["state"], row["looks"], row["said"], row["next_look_at"])

    async def _judged(self, tx: Tx, book: Book, wish: Wish, purchase_id: UUID, basket: Basket, key: str) -> UUID | Refusal:
        """Buy, if the policy lets this user spend; a refusal is answered, not raised, so that its decision is kept."""
        await tx.value(sql.lock_buyer, wish.user_id)
        if await tx.row(sql.purchase_by_key, self.shop_id, wish.user_id, key) is None:
            await check_basket(tx, self.shop_id, basket)
            (decision,) = await enforce(tx, Stage.SPEND, [(None, wish)], book)
            if not decision.admits:
                return Refusal(decision.reason or "platform.fault", **decision.facts)
        return await self._buy(tx, purchase_id, wish.user_id, basket, key)

    async def _buy(self, tx: Tx, purchase_id: UUID, user_id: int, basket: Basket, key: str) -> UUID:
        at = clock.now()
        wanted = sha256(f"{basket.goods_id} {basket.count} {basket.price_fen} {basket.target}".encode()).digest()
        owner = await tx.row(sql.claim_purchase_key, self.shop_id, user_id, key, wanted, purchase_id)
        assert owner is not None
        if owner["request_hash"] != wanted:
            raise Refusal("operation.key_reused")
        if owner["purchase_id"] != purchase_id:
            return UUID(int=owner["purchase_id"].int)
        good = await check_basket(tx, self.shop_id, basket)
        total_fen = basket.price_fen * basket.count
        begun = await tx.value(
            sql.begin_purchase, self.shop_id, at, purchase_id, user_id, basket.goods_id, basket.count, basket.price_fen, total_fen,
            None, None, at, None, None, 0,
        )  # fmt: skip
        if not begun:
            raise Refusal("goods.sold_out")
        await order_supply(tx, self._vault, self.shop_id, at, purchase_id, user_id, good, basket)
        ended = await tx.rows(sql.end_purchases, at, "buyer", [purchase_id], "delivered", "")
        assert len(ended) == 1, purchase_id
        data = f'{{"goods_id":{basket.goods_id},"count":{basket.count},"total_fen":{total_fen}}}'
        await events.append(tx, self.shop_id, at, "buyer", [events.Event(f"purchase.{ended[0]['state']}", None, user_id, data)])
        spent = await self._spent(tx, user_id, total_fen)
        transfers = [
            Transfer(ids.new_id(), kind, purchase_id, at, (Line(address, -amount_fen), Line(accounts.SALES, amount_fen)))
            for kind, address, amount_fen in spent
            if amount_fen
        ]
        found = await self._accounts.ids(tx, self.shop_id, (*(address for _, address, _ in spent), accounts.SALES))
        await post(tx, self.shop_id, at, "buyer", transfers, found)
        return purchase_id

    async def _spent(self, tx: Tx, user_id: int, total_fen: int) -> tuple[tuple[str, str, int], ...]:
        """How much comes from cash and how much from the bonus beside it. The user's row is locked."""
        cash, bonus = accounts.cash(user_id), accounts.bonus(user_id)
        cash_fen = await tx.value(sql.cash_of, self.shop_id, cash) or 0
        bonus_fen = await tx.value(sql.cash_of, self.shop_id, bonus) or 0
        from_cash_fen, from_bonus_fen = split(cash_fen, bonus_fen, total_fen)
        return ("purchase", cash, from_cash_fen), ("purchase.bonus", bonus, from_bonus_fen)


async def check_basket(tx: Tx, shop_id: int, basket: Basket) -> Any:
    """The good of a basket. Raises `Refusal` when it can not be sold so, or no longer at the price that the buyer saw."""
    if not 1 <= basket.count <= MOST_PIECES:
        raise Refusal("goods.count", limit_count=MOST_PIECES)
    good = await tx.row(sql.good_for_sale, shop_id, basket.goods_id)
    if good is None or not good["on_sale"]:
        raise Refusal("goods.not_for_sale")
    if good["price_fen"] != basket.price_fen:
        raise Refusal("goods.price_changed", price_fen=good["price_fen"])
    if good["delivery"] == "topup" and not fits(good["target_pattern"], basket.target):
        raise Refusal("goods.target")
    return good


async def order_supply(
    tx: Tx, vault: Vault, shop_id: int, at: datetime, purchase_id: UUID, user_id: int, good: Any, basket: Basket
) -> None:
    """Write down what a supplier is to deliver once the purchase is paid; nothing for a good with codes of its own."""
    if good["delivery"] == "topup":
        sealed = vault.seal(basket.target, target_place(purchase_id))
        await tx.run(sql.add_supply, purchase_id, shop_id, user_id, good["sku"], sealed, basket.count, at)


def target_place(purchase_id: UUID) -> str:
    """The associated data of a sealed account name."""
    return f"supplies:target:{purchase_id}"
