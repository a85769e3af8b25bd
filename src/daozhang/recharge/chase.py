"""Asking the channel ourselves: no channel tells us of a payment that failed, and a callback may never come.

Each attempt carries when it is looked at next; the claim moves that on before the channel is called. At its expiry an attempt is
closed at the channel first, asked once more, and only then closed here.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from daozhang import clock, ids
from daozhang.channels.port import Answer, Channel, Outcome
from daozhang.postgres import Database, Tx, statements
from daozhang.recharge import moves, schedule
from daozhang.recharge.admit import Try
from daozhang.recharge.ending import doubt, end_unpaid
from daozhang.recharge.judgement import Effect
from daozhang.recharge.place import Place
from daozhang.recharge.settle import Settle
from daozhang.recharge.settlement import Arrival
from daozhang.recharge.states import CHARGED, UNPAID
from daozhang.vault import Vault

sql = statements("daozhang.recharge")
log = logging.getLogger(__name__)

Became = Literal["ended", "paid", "unsure", "untouched"]

WATCHED = '{"watched": true}'
"""The facts of an anomaly that ends by itself when its attempt does."""
LAST_WORDS = timedelta(minutes=1)
"""An order that expires sooner cannot be asked for in the same words again (a channel wants a minute at least), so it is not."""


async def claim(tx: Tx, most: int) -> Sequence[Any]:
    """Claim due attempts and set when they are looked at next. One still open after a day gets an anomaly, once: a person looks."""
    at = clock.now()
    rows = await tx.rows(sql.due_attempts, at, most)
    if rows:
        dues = [schedule.next_look(row["created_at"], row["expires_at"], at) for row in rows]
        await tx.run(sql.postpone_attempts, [row["id"] for row in rows], dues)
        for row in rows:
            if schedule.is_last_hour(row["created_at"], row["next_query_at"]):
                anomaly = moves.Anomaly("unresolved", row["order_id"], row["id"], row["channel_id"], row["amount_fen"], WATCHED)
                await moves.note_anomalies(tx, row["shop_id"], at, [anomaly])
    return rows


class Chase:
    """Looks at one attempt at its channel and acts on what the channel says."""

    def __init__(
        self, database: Database, vault: Vault, channel: Callable[[int], Channel | None], place: Place, settle: Settle
    ) -> None:
        self._database, self._vault, self._channel, self._place, self._settle = database, vault, channel, place, settle

    async def __call__(self, row: Any) -> None:
        """One look. `row` is a claimed attempt."""
        await self.look(row["id"])

    async def look(self, attempt_id: UUID) -> None:
        """Ask the channel about an attempt now. An attempt that has ended is left alone."""
        row = await self._database.row(sql.one_attempt, attempt_id)
        channel = self._channel(row["channel_id"]) if row else None
        if row is None or channel is None or row["state"] in ("paid", "closed"):
            return
        expired, refused = clock.now() >= row["expires_at"], False
        same_words = clock.now() + LAST_WORDS < row["expires_at"]
        if row["state"] in ("prepared", "unknown") and same_words and row["order_state"] == "created":
            asked = await self._place.ask(self._try(row, channel), first=False)
            if asked.outcome is Outcome.SUCCESS:
                return
            refused = asked.outcome is Outcome.FAILURE
        number = ids.text26(attempt_id)
        answer = await channel.query(number)
        if await self._ended(row, answer):
            return
        if answer.outcome is Outcome.UNKNOWN and answer.reason == CHARGED and row["state"] == "open":
            await doubt(self._database, attempt_id, CHARGED)
            return
        known_unpaid = answer.outcome is Outcome.PENDING or answer.exists is False
        needless = row["state"] == "closing" or row["order_state"] == "closing" or row["order_state"] not in UNPAID
        if known_unpaid and (expired or needless or refused):
            await self._close(row, channel, number)

    async def close(self, attempt_id: UUID) -> Became:
        """Close an attempt at its channel, then here; a payment that was faster is settled instead.

        `paid`: the channel says so and we have not been able to settle it yet; `unsure`: it could not be asked; `untouched`: no
        payer has come to it, and only its expiry ends it. All three stay watched.
        """
        row = await self._database.row(sql.one_attempt, attempt_id)
        if row is None or row["state"] in ("paid", "closed"):
            return "ended"
        channel = self._channel(row["channel_id"])
        return await self._close(row, channel, ids.text26(attempt_id)) if channel else "unsure"

    async def _close(self, row: Any, channel: Channel, number: str) -> Became:
        closed = await channel.close(number)
        answer = await channel.query(number)
        if await self._ended(row, answer):
            return "ended"
        lapsed = clock.now() >= row["expires_at"] + schedule.LAPSED
        gone = answer.exists is False and closed.exists is False and lapsed
        # Some channels close and go on saying "unpaid": closed for certain and not paid afterwards is an end as well.
        if gone or (closed.outcome is Outcome.SUCCESS and (answer.exists is False or answer.outcome is Outcome.PENDING)):
            await end_unpaid(self._database, row["id"])
            return "ended"
        if answer.exists is False and closed.exists is False:
            return "untouched"
        return "paid" if Outcome.FAILURE is closed.outcome or Outcome.SUCCESS is answer.outcome else "unsure"

    async def _ended(self, row: Any, answer: Answer) -> bool:
        """Act on an answer that is an end: paid, or closed without money."""
        if answer.outcome is Outcome.SUCCESS and answer.report:
            settled = await self._settle(Arrival(row["shop_id"], answer.report))
            log.info("query of %s: %s", row["id"], settled.effect)
            return settled.effect is not Effect.FOREIGN
        if answer.outcome is Outcome.FAILURE and answer.exists is not False:
            await end_unpaid(self._database, row["id"], answer)
            return True
        return False

    def _try(self, row: Any, channel: Channel) -> Try:
        sealed = row["payer_openid"]
        openid = self._vault.unseal_text(sealed, f"attempts:openid:{row['id']}") if sealed else ""
        request = self._place.request_for(
            row["id"],
            row["order_id"],
            channel,
            row["method"],
            row["amount_fen"],
            row["expires_at"],
            row["client_ip"],
            openid,
            row["bank"] or "",
            purchase=row["purpose"] == "purchase",
        )
        return Try(row["shop_id"], row["order_id"], row["id"], request, row["channel_id"], row["user_id"])
