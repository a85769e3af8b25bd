"""Probes: where no payer says whether a channel answers, it is asked something harmless, about a number that cannot exist.

One process at a time does it (a lease). A channel that is heard of anyway is left in peace.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from daozhang import clock, ids
from daozhang.channels.port import Channel
from daozhang.channels.rows import ChannelRow
from daozhang.jobs.lease import Lease
from daozhang.postgres import Database, OutcomeUnknown, Unavailable, statements
from daozhang.status.counts import Sampler, Word

sql = statements("daozhang.status")
log = logging.getLogger(__name__)

LOOK_S = 1.0
IDLE_S = 10.0
"""A channel that was not heard of for so long is asked."""
SUSPECT_S = 3.0
"""How often it is asked once it failed, and while its breaker is not closed."""
DEADLINE_S = 3.0
"""No answer within this is no answer: an outage is to be seen within thirty seconds, whatever hangs."""
SWEEP_S = 60.0


class Probes:
    """Asks channels that are too quiet, or suspected. `channel` finds one that is observed, so that its answer is counted."""

    def __init__(
        self,
        database: Database,
        channels: Callable[[], Iterable[ChannelRow]],
        channel: Callable[[int], Channel | None],
        sampler: Sampler,
    ) -> None:
        self._database, self._channels, self._channel, self._sampler = database, channels, channel, sampler
        self._lease = Lease(database, "status.probes")
        self._asked: dict[int, float] = {}
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._swept = 0.0
        self._began = clock.now_s()

    async def run(self) -> None:
        """Look once a second until cancelled, while this process leads."""
        while True:
            try:
                if await self._lease.take() is not None:
                    await self.once()
            except (Unavailable, OutcomeUnknown):
                log.debug("no probes: the database is away")
            await asyncio.sleep(LOOK_S)

    async def once(self) -> list[int]:
        """Begin the probes that are due; the channels they go to."""
        now = clock.now_s()
        if now - self._swept > SWEEP_S:
            self._swept = now
            await self._database.value(sql.sweep, clock.now())
        heard = {row["channel_id"]: row for row in await self._database.rows(sql.last_calls, clock.now() - timedelta(minutes=1))}
        unwell = {row["channel_id"] for row in await self._database.rows(sql.breakers) if row["phase"] != "closed"}
        begun = []
        for row in self._channels():
            if row.id not in self._under_way and due(
                now, self._began, heard.get(row.id), self._asked.get(row.id, 0.0), unwell=row.id in unwell
            ):
                self._asked[row.id] = now
                self._begin(row.id)
                begun.append(row.id)
        return begun

    async def drain(self) -> None:
        """Wait for the probes under way."""
        if self._under_way:
            await asyncio.wait(set(self._under_way.values()))

    def _begin(self, channel_id: int) -> None:
        task = asyncio.create_task(self._ask(channel_id))
        self._under_way[channel_id] = task
        task.add_done_callback(lambda _: self._under_way.pop(channel_id, None))

    async def _ask(self, channel_id: int) -> None:
        channel = self._channel(channel_id)
        if channel is None:
            return
        number = ids.new_id()
        self._sampler.probing.add(number)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await channel.query(ids.text26(number))
        except TimeoutError:
            self._sampler.answered(channel_id, "", Word.BAD)
        except Exception:
            log.exception("a probe of channel %d broke", channel_id)
        finally:
            self._sampler.probing.discard(number)


def due(now: float, began: float, heard: Any, asked: float, *, unwell: bool) -> bool:
    """Whether a channel is to be asked. `heard` tells when it was last counted in the last minute, and last counted as failing."""
    last = max(heard["at"] if heard else 0.0, began)
    suspected = unwell or (heard is not None and (heard["bad_at"] or 0.0) > now - IDLE_S)
    if suspected:
        return now - asked >= SUSPECT_S
    return now - max(last, asked) >= IDLE_S
