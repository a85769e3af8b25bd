"""Money of another amount than was ordered: its owner keeps it or gets it back. Who says nothing for seven days gets it back."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from daozhang import clock
from daozhang.cases import Cases
from daozhang.ledger import Accounts
from daozhang.policy.books import Books
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish
from daozhang.policy.model import Stage
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.fulfilment import Fulfilment
from daozhang.recharge.release import CASE, end_held
from daozhang.recharge.view import shown

sql = statements("daozhang.recharge")

SILENCE = timedelta(days=7)
MOST = 200
"""How many silent ones go back in one look."""
SAID, SILENT = "its owner's choice", "no answer in seven days"


class Choice:
    """The choice of the owner of money that came in another amount: keep it, or have it sent back."""

    def __init__(
        self, database: Database, books: Books, ledger_accounts: Accounts, fulfilments: Sequence[Fulfilment] = (),
        cases: Cases | None = None,
    ) -> None:  # fmt: skip
        self._database, self._books, self._accounts = database, books, ledger_accounts
        self._fulfilments, self._cases = fulfilments, cases

    async def keep(self, user_id: int, order_id: UUID) -> None:
        """Credit what came, judged like any money that comes. Raises `Refusal`; then it stays where it is."""
        await self._end(user_id, order_id, f"user:{user_id}", SAID, keep=True)

    async def send_back(self, user_id: int, order_id: UUID) -> None:
        """Send it back to where it came from. Raises `Refusal` when it waits no more."""
        await self._end(user_id, order_id, f"user:{user_id}", SAID, keep=False)

    async def lapse(self) -> int:
        """Send back what nobody has spoken for in seven days; how much that was. One that fails is looked at again."""
        rows = await self._database.rows(sql.silent_misfits, clock.now() - SILENCE, MOST)
        ended = 0
        for row in rows:
            try:
                await self._end(row["user_id"], row["id"], "program", SILENT, keep=False)
            except Refusal:
                continue
            ended += 1
        return ended

    async def _end(self, user_id: int, order_id: UUID, actor: str, why: str, *, keep: bool) -> None:
        row = await self._database.row(sql.order_for_work, order_id)
        if row is None or row["user_id"] != user_id:
            raise Refusal("operation.not_found")
        book = await self._books.current(row["shop_id"])

        async def work(tx: Tx) -> None:
            order = await self._waiting(tx, user_id, order_id)
            attempt = await tx.row(sql.paid_attempt, order_id)
            assert attempt is not None, order_id
            if keep:
                wish = Wish(order["shop_id"], user_id, attempt["paid_fen"], attempt["channel_id"], attempt["method"])
                (decision,) = await enforce(tx, Stage.PAID, [(order_id, wish)], book)
                if not decision.admits:
                    raise Refusal(decision.reason or "operation.not_waiting", **decision.facts)
            await end_held(tx, self._accounts, order_id, actor, why, "credit" if keep else "return", self._fulfilments)

        await self._database.transact(work)

    async def _waiting(self, tx: Tx, user_id: int, order_id: UUID) -> Any:
        """The order under its user's lock, if its money waits; a case about it ends with the choice."""
        await tx.value(sql.lock_users, [user_id])
        order = await tx.row(sql.order_for_work, order_id)
        assert order is not None, order_id
        if order["state"] != "misfit":
            raise Refusal("operation.not_waiting")
        if self._cases:
            await self._cases.overtake(tx, order["shop_id"], CASE, shown(order_id), SAID)
        return order
