"""Closing an account: the unused money first, then, once nothing is here any more, for ever.

What the law makes a shop keep stays: orders and bookings (E-Commerce Law art. 31: three years at least), and what is known of a
verified person's payments (Anti-Money-Laundering Law art. 34: ten years). It is told before.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.identity import Identity
from daozhang.ledger import Accounts, accounts
from daozhang.ledger.reserve import Hold, end, reserve
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.mine")

LOOK_EVERY = timedelta(minutes=1)


class Obstacle(NamedTuple):
    """What still keeps an account open: `cash`, `waiting`, `orders`, `purchases` or `frozen`; an amount or a number with it."""

    what: str
    amount_fen: int = 0
    pieces: int = 0


class Leaving:
    """Closes accounts whose owners asked for it."""

    def __init__(self, shop_id: int, database: Database, identity: Identity, ledger_accounts: Accounts) -> None:
        self.shop_id = shop_id
        self._database, self._identity, self._accounts = database, identity, ledger_accounts

    async def obstacles(self, user_id: int) -> list[Obstacle]:
        """What still keeps the account open."""
        row = await self._database.row(sql.still_here, user_id, self.shop_id)
        return _obstacles(row)

    async def asked(self, user_id: int) -> bool:
        """Whether the user has asked to leave and is still here."""
        return await self._database.row(sql.open_closing, user_id) is not None

    async def ask(self, user_id: int) -> None:
        """Ask for the account to be closed as soon as it can be. Asking twice is asking once. Raises `account.frozen`."""
        if any(each.what == "frozen" for each in await self.obstacles(user_id)):
            raise Refusal("account.frozen", why="other")

        async def work(tx: Tx) -> None:
            at = clock.now()
            if await tx.value(sql.ask_to_leave, ids.new_id(), self.shop_id, user_id, at):
                await events.append(tx, self.shop_id, at, f"user:{user_id}", [events.Event("user.leaving", None, user_id, "{}")])

        await self._database.transact(work)

    async def stay(self, user_id: int) -> bool:
        """Take it back. False when nothing was asked for, or it is done."""
        row = await self._database.row(sql.open_closing, user_id)
        if row is None:
            return False
        return await self._database.transact(lambda tx: tx.value(sql.end_closing, row["id"], "withdrawn", clock.now())) is not None

    async def claim(self, tx: Tx, most: int) -> Sequence[Any]:
        """Claim due closings and set when they are looked at next."""
        at = clock.now()
        rows = await tx.rows(sql.due_closings, at, most)
        for row in rows:
            await tx.run(sql.postpone_closing, row["id"], at + LOOK_EVERY)
        return rows

    async def look(self, row: Any) -> bool:
        """Close a claimed one when nothing keeps it; whether it is closed. A bonus that is left ends with the account."""
        user_id = row["user_id"]

        async def work(tx: Tx) -> bool:
            await tx.value(sql.lock_user, user_id)
            here = await tx.row(sql.still_here, user_id, self.shop_id)
            if _obstacles(here):
                return False
            at = clock.now()
            if await tx.value(sql.end_closing, row["id"], "closed", at) is None:
                return False
            if here and here["bonus_fen"]:
                hold = Hold(ids.new_id(), self.shop_id, accounts.bonus(user_id), accounts.reserved(user_id), here["bonus_fen"])
                await reserve(tx, self._accounts, at, "leaving", hold)
                assert await end(tx, self._accounts, at, "leaving", hold.id, "captured", accounts.PROMOTION), "a new hold was ended"
            return True

        if not await self._database.transact(work):
            return False
        try:
            await self._identity.close(user_id, actor=f"user:{user_id}", reason="owner_request")
        except Refusal as refusal:
            if refusal.reason != "account.closed":
                raise
        return True


def _obstacles(row: Any) -> list[Obstacle]:
    if row is None:
        return []
    found = [
        Obstacle("frozen") if row["standing"] == "frozen" else None,
        Obstacle("cash", row["cash_fen"]) if row["cash_fen"] else None,
        Obstacle("waiting", row["waiting_fen"]) if row["waiting_fen"] else None,
        Obstacle("orders", pieces=row["orders"]) if row["orders"] else None,
        Obstacle("purchases", pieces=row["purchases"]) if row["purchases"] else None,
    ]
    return [each for each in found if each is not None]
