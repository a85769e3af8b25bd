"""What happens to a message at a channel's door: verified by its channel, settled and kept in one commit, then acknowledged.

When settling fails for a reason of ours the message is kept alone and acknowledged (we hold it now) and we try again by ourselves;
when it does not hold it is kept with why and refused in the channel's own form.

A message of a kind that asks first proves nothing by itself: the channel is asked about its number, at most once a minute whatever
is sent to us, and the answer is settled. While nobody knows, the message is kept and asked about again.
"""

import logging
from collections.abc import Callable
from typing import Any

from daozhang import alarms, clock, ids
from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import Acknowledgement, Answer, Channel, Invalid, Outcome, Report
from daozhang.identity import Limiter
from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable
from daozhang.postgres.batch import Full
from daozhang.recharge import inbox
from daozhang.recharge.refund import Refunds
from daozhang.recharge.settle import Arrival, Settle

log = logging.getLogger(__name__)

UNCONFIRMED = "not confirmed by the channel"
"""What a message is kept as whose claim the channel itself does not share."""


class Door:
    """Takes messages in for all channels of a shop."""

    def __init__(
        self, database: Database, settle: Settle, refunds: Refunds, channel: Callable[[int], Channel | None], limiter: Limiter
    ) -> None:
        """`channel` finds a channel by its id."""
        self._database, self._settle, self._refunds = database, settle, refunds
        self._channel, self._limiter = channel, limiter

    async def knock(self, shop_id: int, channel: Channel, headers: dict[str, str], body: bytes) -> Acknowledgement:
        """Take in one message.

        Raises `Invalid` when it does not hold; `Unavailable`, `OutcomeUnknown` or `Full` when we can neither settle nor keep it.
        """
        notification = await channel.read(headers, body)
        raw = inbox.Raw(ids.new_id(), channel.id, notification.key, inbox.kept_headers(headers), body)
        try:
            if notification.report is not None and KINDS[channel.kind].asks_first:
                await self._ask(shop_id, channel, notification.report, raw)
            else:
                await self._take(shop_id, notification.report, raw)
        except (Unavailable, OutcomeUnknown, Full):
            raise
        except Exception as fault:
            log.exception("a valid message could not be settled; it is kept")
            await self._defer(shop_id, notification.report, raw, type(fault).__name__)
        return channel.acknowledge(None)

    async def refuse(self, shop_id: int, channel: Channel, headers: dict[str, str], body: bytes, invalid: Invalid) -> None:
        """Keep a message that does not hold, with why. The caller bounds how many."""
        raw = inbox.Raw(ids.new_id(), channel.id, "", inbox.kept_headers(headers), body)
        stored = inbox.Stored(raw, "invalid", str(invalid))
        await self._database.transact(lambda tx: inbox.store(tx, shop_id, clock.now(), [stored]))

    async def again(self, row: Any) -> None:
        """One more try for a message that was kept alone."""
        report = inbox.read_report(row["report"])
        channel = self._channel(report.channel_id)
        if channel is None:
            return
        if KINDS[channel.kind].asks_first:
            answer = await _asked(channel, report)
            if _open(answer):
                return
            if answer.report is None:
                await self._database.transact(lambda tx: inbox.finish(tx, row["id"], UNCONFIRMED))
                return
            report = answer.report
        if report.subject == "refund":
            outcome = await self._refunds.settle(report)
        else:
            outcome = (await self._settle(Arrival(row["shop_id"], report))).effect
        await self._database.transact(lambda tx: inbox.finish(tx, row["id"], outcome))

    async def _ask(self, shop_id: int, channel: Channel, claim: Report, raw: inbox.Raw) -> None:
        if await self._limiter.take("callback.ask", f"{channel.id} {claim.number}"):
            await self._defer(shop_id, claim, raw, "asked a moment ago")
            return
        answer = await _asked(channel, claim)
        if _denied(claim, answer):
            facts = {"kind": channel.kind, "channel_id": channel.id, "number": claim.number[:64], "claimed_fen": claim.amount_fen}
            await self._database.transact(
                lambda tx: alarms.ring(tx, shop_id, clock.now(), "channel.claim_denied", f"channel:{channel.id}", facts)
            )
        if _open(answer):
            await self._defer(shop_id, claim, raw, "the channel could not be asked")
        elif answer.report is None:
            stored = inbox.Stored(raw, "settled", UNCONFIRMED)
            await self._database.transact(lambda tx: inbox.store(tx, shop_id, clock.now(), [stored]))
        else:
            await self._take(shop_id, answer.report, raw)

    async def _take(self, shop_id: int, report: Report | None, raw: inbox.Raw) -> None:
        if report is not None and report.subject == "payment":
            await self._settle(Arrival(shop_id, report, raw))
            return
        outcome = await self._refunds.settle(report) if report else "noted"
        stored = inbox.Stored(raw, "settled", outcome)
        await self._database.transact(lambda tx: inbox.store(tx, shop_id, clock.now(), [stored]))

    async def _defer(self, shop_id: int, report: Report | None, raw: inbox.Raw, why: str) -> None:
        assert report is not None, "a message without a report needs no settling"

        async def work(tx: Tx) -> None:
            await inbox.defer(tx, shop_id, clock.now(), raw, report, why)

        await self._database.transact(work)


async def _asked(channel: Channel, claim: Report) -> Answer:
    """What the channel itself says of what a message claims."""
    if claim.subject == "refund":
        return await channel.query_refund(claim.number)
    return await channel.query(claim.number)


def _denied(claim: Report, answer: Answer) -> bool:
    """Somebody signed "paid", and the channel itself says otherwise: the key may be known to others (or the channel hurried)."""
    told = answer.report
    if claim.outcome is not Outcome.SUCCESS or _open(answer):
        return False
    return told is None or told.outcome is not Outcome.SUCCESS or None is not claim.amount_fen != told.amount_fen


def _open(answer: Answer) -> bool:
    """Nobody knows yet. A channel that says "not paid" or "never heard of it" has answered."""
    return answer.outcome is Outcome.UNKNOWN and answer.exists is not False
