"""The health of providers: each answer, refusal and time-out is noted, and an alarm rings when the bad ones last.

A single refusal says little: a number may be blocked, a line may drop. Nothing but refusals for ten minutes says that codes and
letters reach nobody. For faces, names and top-ups a "no" is an answer about the person; only silence is trouble.
"""

import logging
from datetime import timedelta
from typing import Literal

from daozhang import alarms, clock, ids
from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable, statements
from daozhang.providers.port import Email, FaceRequest, FaceSession, Purpose, Sms, SupplyAnswer, SupplyRequest
from daozhang.providers.sandbox import Sandbox

sql = statements("daozhang.providers")
log = logging.getLogger(__name__)

KIND = "provider.refuses"
LASTS = timedelta(minutes=10)
"""How long nothing good must have been heard before a person is told."""
LEAST = 3
"""Bad answers in a row below which nobody is told: two failed tries of one message are no outage."""


class Heard:
    """A provider whose answers are noted. Noting never changes an answer, and never fails a call that was answered."""

    def __init__(self, database: Database, shop_id: int, made: Sandbox) -> None:
        self._database, self._shop_id, self.made = database, shop_id, made

    async def send(self, message: Sms) -> Literal["success", "failure", "unknown"]:
        """As `SmsProvider`."""
        outcome = await self.made.send(message)
        await self._note("sms", outcome, bad=outcome != "success")
        return outcome

    async def mail(self, letter: Email) -> Literal["success", "failure", "unknown"]:
        """As `EmailProvider`."""
        outcome = await self.made.mail(letter)
        await self._note("email", outcome, bad=outcome != "success")
        return outcome

    async def begin(self, request: FaceRequest) -> FaceSession:
        """As `FaceProvider`. It says nothing about the person yet, so a refusal is trouble too."""
        session = await self.made.begin(request)
        await self._note("face", session.outcome, bad=session.outcome != "success")
        return session

    async def result(self, number: str) -> Literal["passed", "failed", "pending", "unknown"]:
        """As `FaceProvider`."""
        outcome = await self.made.result(number)
        await self._note("face", outcome, bad=outcome == "unknown")
        return outcome

    async def check(self, number: str, name: str, identity_number: str) -> Literal["match", "mismatch", "no_record", "unknown"]:
        """As `IdentityProvider`."""
        outcome = await self.made.check(number, name, identity_number)
        await self._note("identity", outcome, bad=outcome == "unknown")
        return outcome

    async def supply(self, request: SupplyRequest) -> SupplyAnswer:
        """As `SupplierProvider`."""
        answer = await self.made.supply(request)
        await self._note("supplier", answer.outcome, bad=answer.outcome == "unknown")
        return answer

    async def supplied(self, number: str) -> SupplyAnswer:
        """As `SupplierProvider`."""
        answer = await self.made.supplied(number)
        await self._note("supplier", answer.outcome, bad=answer.outcome == "unknown")
        return answer

    async def _note(self, purpose: Purpose, said: str, *, bad: bool) -> None:
        async def work(tx: Tx) -> None:
            if bad:
                await tx.run(sql.heard_badly, self._shop_id, purpose, clock.now(), ids.new_id(), said)
            else:
                await tx.run(sql.heard_well, self._shop_id, purpose, clock.now())

        try:
            await self._database.transact(work)
        except (Unavailable, OutcomeUnknown):
            log.warning("the answer of the provider for %s was not noted", purpose)


async def tell(database: Database, shop_id: int) -> int:
    """Ring for providers that have answered badly for long, and stop when they answer well; how many alarms rang just now."""
    at = clock.now()

    async def work(tx: Tx) -> int:
        rows = await tx.rows(sql.in_trouble, shop_id, at - LASTS, LEAST)
        wanted = {
            (KIND, f"provider:{row['purpose']}"): alarms.Waiting(
                row["troubles"], row["newest"],
                {"purpose": row["purpose"], "said": row["said"], "since_at": row["troubled_since"], "good_at": row["good_at"]},
            )
            for row in rows
        }  # fmt: skip
        return await alarms.keep(tx, shop_id, at, [KIND], wanted)

    return await database.transact(work)
