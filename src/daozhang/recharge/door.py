"""What happens to a message at a channel's door: verified by its channel, settled and kept in one commit, then acknowledged.

When settling fails for a reason of ours the message is kept alone and acknowledged (we hold it now) and we try again by ourselves;
when it does not hold it is kept with why and refused in the channel's own form.
"""

import logging
from typing import Any

from daozhang import clock, ids
from daozhang.channels.port import Acknowledgement, Channel, Invalid, Notification
from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable
from daozhang.postgres.batch import Full
from daozhang.recharge import inbox
from daozhang.recharge.refund import Refunds
from daozhang.recharge.settle import Arrival, Settle

log = logging.getLogger(__name__)


class Door:
    """Takes messages in for all channels of a shop."""

    def __init__(self, database: Database, settle: Settle, refunds: Refunds) -> None:
        self._database, self._settle, self._refunds = database, settle, refunds

    async def knock(self, shop_id: int, channel: Channel, headers: dict[str, str], body: bytes) -> Acknowledgement:
        """Take in one message.

        Raises `Invalid` when it does not hold; `Unavailable`, `OutcomeUnknown` or `Full` when we can neither settle nor keep it.
        """
        notification = await channel.read(headers, body)
        raw = inbox.Raw(ids.new_id(), channel.id, notification.key, inbox.kept_headers(headers), body)
        try:
            await self._take(shop_id, notification, raw)
        except (Unavailable, OutcomeUnknown, Full):
            raise
        except Exception as fault:
            log.exception("a valid message could not be settled; it is kept")
            await self._defer(shop_id, notification, raw, type(fault).__name__)
        return channel.acknowledge(None)

    async def refuse(self, shop_id: int, channel: Channel, headers: dict[str, str], body: bytes, invalid: Invalid) -> None:
        """Keep a message that does not hold, with why. The caller bounds how many."""
        raw = inbox.Raw(ids.new_id(), channel.id, "", inbox.kept_headers(headers), body)
        stored = inbox.Stored(raw, "invalid", str(invalid))
        await self._database.transact(lambda tx: inbox.store(tx, shop_id, clock.now(), [stored]))

    async def again(self, row: Any) -> None:
        """One more try for a message that was kept alone."""
        report = inbox.read_report(row["report"])
        if report.subject == "refund":
            outcome = await self._refunds.settle(report)
        else:
            outcome = (await self._settle(Arrival(row["shop_id"], report))).effect
        await self._database.transact(lambda tx: inbox.finish(tx, row["id"], outcome))

    async def _take(self, shop_id: int, notification: Notification, raw: inbox.Raw) -> None:
        report = notification.report
        if report is not None and report.subject == "payment":
            await self._settle(Arrival(shop_id, report, raw))
            return
        outcome = await self._refunds.settle(report) if report else "noted"
        stored = inbox.Stored(raw, "settled", outcome)
        await self._database.transact(lambda tx: inbox.store(tx, shop_id, clock.now(), [stored]))

    async def _defer(self, shop_id: int, notification: Notification, raw: inbox.Raw, why: str) -> None:
        report = notification.report
        assert report is not None, "a message without a report needs no settling"

        async def work(tx: Tx) -> None:
            await inbox.defer(tx, shop_id, clock.now(), raw, report, why)

        await self._database.transact(work)
