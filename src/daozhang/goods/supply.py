"""Direct top-ups after the commit that paid them: ordered at the supplier, asked after until it is known, paid back when refused.

The purchase's own number is the supplier's order number, and that it was sent is committed before the call. Whoever takes the work
up later asks first; it is sent again, under the same number, only when the supplier says that it never heard of it.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from daozhang import alarms, clock, ids, notices
from daozhang.events import log as events
from daozhang.goods.buy import target_place
from daozhang.goods.model import shown
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.postgres import Database, Tx, statements
from daozhang.providers.port import SupplierProvider, SupplyAnswer, SupplyRequest
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.goods")
log = logging.getLogger(__name__)

WAITS_S = (5, 10, 20, 40, 60, 120, 300, 600, 1_200, 1_800, 3_600)
"""How long after one look the next one comes; then every hour."""
OVERDUE = timedelta(minutes=30)
"""From when on a person is told of a top-up that nobody knows the end of."""
STUCK = "goods.supply_stuck"
REFUSED = "goods.supply_refused"


class Suppliers(Protocol):
    """Who knows the shop's supplier (`providers`)."""

    async def supplier(self) -> SupplierProvider:
        """The one that is enabled. Raises `Refusal("provider.missing")`."""


class Supply:
    """Brings ordered top-ups to their end."""

    def __init__(self, shop_id: int, database: Database, vault: Vault, ledger_accounts: Accounts, suppliers: Suppliers) -> None:
        self.shop_id = shop_id
        self._database, self._vault, self._accounts, self._suppliers = database, vault, ledger_accounts, suppliers

    async def claim(self, tx: Tx, most: int) -> Sequence[Any]:
        """Claim due top-ups and set when they are looked at next; one that takes too long is told to a person."""
        at = clock.now()
        rows = await tx.rows(sql.due_supplies, at, most)
        for row in rows:
            wait_s = WAITS_S[min(row["looks"], len(WAITS_S) - 1)]
            await tx.run(sql.postpone_supply, row["id"], at + timedelta(seconds=wait_s))
            if at - row["moved_at"] > OVERDUE:
                key = f"purchase:{shown(row['id'])}"
                await alarms.ring(tx, row["shop_id"], at, STUCK, key, {"looks_count": row["looks"]})
        return rows

    async def work(self, row: Any) -> None:
        """One look at a claimed top-up."""
        await self.look(row["id"])

    async def look(self, purchase_id: UUID) -> str:
        """Send the top-up to the supplier, or query it there; returns its outcome: success, failure, pending or unknown."""
        row = await self._database.row(sql.supply, purchase_id)
        if row is None or row["state"] != "ordered":
            return "unknown"
        try:
            supplier = await self._suppliers.supplier()
        except Refusal as refusal:
            said = refusal.reason
            await self._database.transact(lambda tx: tx.run(sql.supplier_said, purchase_id, "", said))
            return "unknown"
        answer = await self._asked(supplier, row)
        if answer.outcome in ("success", "failure"):
            await self.end(purchase_id, answer, "supplier")
        else:
            await self._database.transact(lambda tx: tx.run(sql.supplier_said, purchase_id, answer.serial, answer.said))
        return answer.outcome

    async def end(self, purchase_id: UUID, answer: SupplyAnswer, actor: str) -> bool:
        """Book the end. The same end twice is one; False when it had ended before."""
        return await self._database.transact(lambda tx: self._end(tx, purchase_id, answer, actor))

    async def _asked(self, supplier: SupplierProvider, row: Any) -> SupplyAnswer:
        number = ids.text26(row["purchase_id"])
        sent_before = row["tries"] > 0
        answer = await supplier.supplied(number) if sent_before else SupplyAnswer("absent")
        if answer.outcome != "absent":
            return answer
        if await self._database.transact(lambda tx: tx.value(sql.count_try, row["purchase_id"], row["tries"])) is None:
            # Another look began since this row was read: it sends, and we hear of it next time.
            return SupplyAnswer("unknown")
        target = self._vault.unseal_text(row["target_sealed"], target_place(row["purchase_id"]))
        answer = await supplier.supply(SupplyRequest(number, row["sku"], target, row["count"]))
        if answer.outcome == "failure" and sent_before:
            # An earlier call may have been taken on after all: what the supplier knows of the number counts, not this refusal.
            known = await supplier.supplied(number)
            answer = answer if known.outcome == "absent" else known
        return SupplyAnswer("unknown", said=answer.said) if answer.outcome == "absent" else answer

    async def _end(self, tx: Tx, purchase_id: UUID, answer: SupplyAnswer, actor: str) -> bool:
        row = await tx.row(sql.supply, purchase_id)
        assert row is not None, purchase_id
        await tx.value(sql.lock_buyer, row["user_id"])
        at, delivered = clock.now(), answer.outcome == "success"
        move, reason = ("delivered", "") if delivered else ("refused", REFUSED)
        ended = await tx.row(sql.end_supply, at, actor, purchase_id, move, reason)
        if ended is None:
            return False
        await tx.run(sql.supplier_said, purchase_id, answer.serial, answer.said)
        data = f'{{"total_fen":{ended["total_fen"]}}}'
        kind = "purchase.delivered" if delivered else "purchase.returned"
        await events.append(tx, self.shop_id, at, actor, [events.Event(kind, ended["order_id"], ended["user_id"], data)])
        link = f"/shop/purchases/{shown(purchase_id)}"
        word = "supply_delivered" if delivered else "supply_returned"
        await notices.tell(tx, self.shop_id, ended["user_id"], at, word, {"total_fen": ended["total_fen"]}, link)
        await alarms.end(tx, self.shop_id, at, STUCK, f"purchase:{shown(purchase_id)}", move)
        if not delivered:
            await self._give_back(tx, at, ended)
        return True

    async def _give_back(self, tx: Tx, at: datetime, ended: Any) -> None:
        """What it was paid with comes back: the bonus as bonus, the rest as cash."""
        bonus_fen = await tx.value(sql.bonus_spent, ended["id"]) or 0
        back = (
            ("purchase.returned", accounts.cash(ended["user_id"]), ended["total_fen"] - bonus_fen),
            ("purchase.bonus_returned", accounts.bonus(ended["user_id"]), bonus_fen),
        )
        transfers = [
            Transfer(ids.new_id(), kind, ended["id"], at, (Line(accounts.SALES, -amount_fen), Line(address, amount_fen)))
            for kind, address, amount_fen in back
            if amount_fen
        ]
        found = await self._accounts.ids(tx, self.shop_id, (accounts.SALES, *(address for _, address, _ in back)))
        await post(tx, self.shop_id, at, "supplier", transfers, found)
