"""What happens to a message at a channel's door: verified by its channel, settled and kept in one commit, then acknowledged.

When settling fails for a reason of ours the message is kept alone and acknowledged (we hold it now) and we try again by ourselves;
when it does not hold it is kept with why and refused in the channel's own form.

A message of a kind that asks first proves nothing by itself: the channel is asked about its number, and the answer is settled. How
often is bounded (docs/decisions/0062): about a payment or refund of ours at most once a minute each, whatever is sent to us; about
all numbers of a channel that we do not know together once a minute. While nobody knows, or the channel does not share the claim
yet, the message is kept and asked about again, and in the end it is told to a person.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from daozhang import alarms, clock, ids
from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import Acknowledgement, Answer, Channel, Invalid, Outcome, Report
from daozhang.identity import Limiter
from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable, statements
from daozhang.postgres.batch import Full
from daozhang.recharge import inbox, moves
from daozhang.recharge.ending import doubt
from daozhang.recharge.judgement import Effect
from daozhang.recharge.reading import Reading
from daozhang.recharge.refund import Refunds
from daozhang.recharge.settle import Settle
from daozhang.recharge.settlement import Arrival, Settled
from daozhang.recharge.states import CHARGED

sql = statements("daozhang.recharge")
log = logging.getLogger(__name__)

UNCONFIRMED = "not confirmed by the channel"
"""What a message is kept as whose claim the channel itself does not share."""
OPEN = "the channel could not be asked"
DENIED = "the channel does not say so yet"
SETTLED = "settled before"
DENIED_TRIES = 6
"""A channel's books may lag behind its message: a claim that they do not share is asked about this often, for ten minutes."""
LAST = {True: timedelta(days=30), False: timedelta(days=1)}
"""How long a claim is asked about that nobody can confirm: one about a number of ours, one about any other."""


class Known(NamedTuple):
    """What we know of a number that a message speaks of. `state` is None when it is none of this channel's numbers."""

    state: str | None
    channel_txn: str

    @property
    def ours(self) -> bool:
        """Whether it is a payment or refund of ours at this channel."""
        return self.state is not None

    def settles(self, claim: Report) -> bool:
        """Whether what is claimed is booked already."""
        if claim.outcome is not Outcome.SUCCESS:
            return False
        if claim.subject == "refund":
            return self.state == "done"
        return self.state == "paid" and claim.channel_txn != "" and claim.channel_txn == self.channel_txn


class Door:
    """Takes messages in for all channels of a shop."""

    def __init__(
        self, database: Database, settle: Settle, refunds: Refunds, channel: Callable[[int], Channel | None], limiter: Limiter
    ) -> None:
        """`channel` finds a channel by its id."""
        self._database, self._settle, self._refunds = database, settle, refunds
        self._channel, self._limiter, self._reading = channel, limiter, Reading()

    async def knock(self, shop_id: int, channel: Channel, headers: dict[str, str], body: bytes) -> Acknowledgement:
        """Take in one message.

        Raises `Invalid` when it does not hold; `Unavailable`, `OutcomeUnknown` or `Full` when we can neither settle nor keep it.
        """
        notification = await self._reading.read(channel, headers, body)
        about = notification.report.number if notification.report else ""
        raw = inbox.Raw(ids.new_id(), channel.id, notification.key, inbox.kept_headers(headers, about), body)
        try:
            if notification.report is not None and KINDS[channel.kind].asks_first:
                await self._ask(shop_id, channel, notification.report, raw)
            else:
                settled = await self._take(shop_id, notification.report, raw)
                if notification.report and settled and settled.effect is Effect.FOREIGN and settled.order_id:
                    await self._hear_itself(shop_id, channel, notification.report)
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
        report = claim = inbox.read_report(row["report"])
        channel = self._channel(report.channel_id)
        if channel is None:
            return
        if KINDS[channel.kind].asks_first:
            answered = await self._asked_again(row, channel, report)
            if answered is None:
                return
            report = answered
        if report.subject == "refund":
            outcome = await self._refunds.settle(report)
        else:
            outcome = (await self._settle(Arrival(row["shop_id"], report))).effect
            await self._compare(row["shop_id"], claim)
        await self._finish(row, outcome)

    async def _asked_again(self, row: Any, channel: Channel, claim: Report) -> Report | None:
        """What the channel says now of a claim that is kept; None when there is nothing to settle now, or any more."""
        known = await self._known(channel, claim)
        over = clock.now() - row["at"] >= LAST[known.ours]
        if known.settles(claim):
            await self._compare(row["shop_id"], claim)
            await self._finish(row, SETTLED)
        elif not await self._may_ask(channel, claim, known):
            # A number of ours was asked about within the last minute, by another message: what is true of it is settled.
            if over or (known.ours and row["tries"] >= DENIED_TRIES and row["why"] != OPEN):
                await self._finish(row, UNCONFIRMED)
        else:
            answer = await _asked(channel, claim)
            denied, unheard = _denied(claim, answer), _open(answer)
            if (denied and row["tries"] >= DENIED_TRIES) or ((denied or unheard) and over):
                await self._ring(row["shop_id"], channel, claim)
                await self._finish(row, UNCONFIRMED)
            elif not denied and not unheard:
                if answer.report is not None:
                    return answer.report
                await self._finish(row, UNCONFIRMED)
        return None

    async def _ask(self, shop_id: int, channel: Channel, claim: Report, raw: inbox.Raw) -> None:
        known = await self._known(channel, claim)
        if known.settles(claim):
            await self._compare(shop_id, claim)
            await self._keep(shop_id, raw, SETTLED)
            return
        if not known.ours and await self._limiter.take("callback.unknown", channel.id):
            # So many about numbers that are not ours are not even kept; the channel sends a true one again.
            raise Unavailable("too many messages about numbers that are not ours")
        if not await self._may_ask(channel, claim, known):
            await self._defer(shop_id, claim, raw, "asked a moment ago" if known.ours else inbox.NOT_OURS)
            return
        answer = await _asked(channel, claim)
        if _open(answer):
            if answer.reason == CHARGED:
                await doubt(self._database, ids.parse26(claim.number), CHARGED)
            await self._defer(shop_id, claim, raw, OPEN if known.ours else inbox.NOT_OURS)
        elif _denied(claim, answer):
            await self._defer(shop_id, claim, raw, DENIED if known.ours else inbox.NOT_OURS)
        elif answer.report is None:
            await self._keep(shop_id, raw, UNCONFIRMED)
        else:
            if _differs(claim, answer):
                await self._ring(shop_id, channel, claim)
            await self._take(shop_id, answer.report, raw)
            await self._compare(shop_id, claim)

    async def _known(self, channel: Channel, claim: Report) -> Known:
        number = ids.parse26(claim.number)
        find = sql.claimed_refund if claim.subject == "refund" else sql.claimed_payment
        row = await self._database.row(find, number, channel.id) if number else None
        return Known(row["state"], row["channel_txn"] or "") if row else Known(None, "")

    async def _may_ask(self, channel: Channel, claim: Report, known: Known) -> bool:
        """Take a turn to ask. What is ours never waits for what is not, whoever sends it and however much."""
        if known.ours:
            return not await self._limiter.take("callback.ask", f"{channel.id} {claim.number}")
        return not await self._limiter.take("callback.ask.unknown", channel.id)

    async def _ring(self, shop_id: int, channel: Channel, claim: Report) -> None:
        facts = {"kind": channel.kind, "channel_id": channel.id, "number": claim.number[:64], "claimed_fen": claim.amount_fen}
        await self._database.transact(
            lambda tx: alarms.ring(tx, shop_id, clock.now(), "channel.claim_denied", f"channel:{channel.id}", facts)
        )

    async def _compare(self, shop_id: int, claim: Report) -> None:
        """A claim about a payment that is booked by now may tell another amount than was asked: then a person sees it."""
        number = ids.parse26(claim.number)
        if number and claim.subject == "payment" and claim.outcome is Outcome.SUCCESS and claim.amount_fen is not None:
            await self._database.transact(lambda tx: moves.note_other_amount(tx, shop_id, clock.now(), number, claim))

    async def _finish(self, row: Any, why: str) -> None:
        await self._database.transact(lambda tx: inbox.finish(tx, row["id"], why))

    async def _keep(self, shop_id: int, raw: inbox.Raw, why: str) -> None:
        stored = inbox.Stored(raw, "settled", why)
        await self._database.transact(lambda tx: inbox.store(tx, shop_id, clock.now(), [stored]))

    async def _hear_itself(self, shop_id: int, channel: Channel, claim: Report) -> None:
        """A signed message is about a try of ours that is closed, and does not fit it: what is true is asked of the channel itself.

        Any other try is asked about in its time; a closed one by nobody. Raises `Unavailable` while there is no answer: the channel
        sends again what is not acknowledged.
        """
        known = await self._known(channel, claim)
        if known.state != "closed":
            return
        if await self._limiter.take("callback.ask", f"{channel.id} {claim.number}"):
            raise Unavailable("asked about a moment ago")
        answer = await _asked(channel, claim)
        if _open(answer):
            raise Unavailable("the channel does not say what is true of a message that does not fit")
        if answer.report is not None:
            await self._settle(Arrival(shop_id, answer.report))

    async def _take(self, shop_id: int, report: Report | None, raw: inbox.Raw) -> Settled | None:
        if report is not None and report.subject == "payment":
            return await self._settle(Arrival(shop_id, report, raw))
        await self._keep(shop_id, raw, await self._refunds.settle(report) if report else "noted")
        return None

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
    """Somebody signed "paid", and the channel itself says otherwise: it hurried, or the key is known to others."""
    told = answer.report
    if claim.outcome is not Outcome.SUCCESS or _open(answer):
        return False
    return told is None or told.outcome is not Outcome.SUCCESS


def _differs(claim: Report, answer: Answer) -> bool:
    """Both say that it was paid, and another amount: the channel's word counts, and somebody wrote the other."""
    told = answer.report
    return claim.outcome is Outcome.SUCCESS and told is not None and None is not claim.amount_fen != told.amount_fen


def _open(answer: Answer) -> bool:
    """Nobody knows yet. A channel that says "not paid" or "never heard of it" has answered."""
    return answer.outcome is Outcome.UNKNOWN and answer.exists is not False
