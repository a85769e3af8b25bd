"""The channels of this process: made from their rows, and made anew when a row or a key changes, whoever changed it.

A channel answers callbacks, queries and refunds as long as it has a key that holds; `enabled` only says whether new orders may use
it, because money that is under way must still be met. A channel whose keys cannot be read does not exist here: its door is 404.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress

from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import Channel
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Exchange, ForbiddenHost, Transport
from daozhang.postgres import Database, Unavailable, statements
from daozhang.reasons.refusal import Refusal
from daozhang.settings import Settings
from daozhang.vault import Unreadable, Vault

log = logging.getLogger(__name__)

LOOK_S = 2.0
_GRACE_S = 40.0
"""Longer than any call: two hosts of 8 s each, and once more after a probe."""


def seal_place(channel_id: int, version: int) -> str:
    """The associated data of a channel's sealed keys."""
    return f"channel_keys:sealed:{channel_id}:{version}"


class Registry:
    """Channels by id. Call `load` once, keep `watch` running, and `close` at the end."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        settings: Settings,
        recorder: Callable[[Exchange], None] | None = None,
        observe: Callable[[Channel], Channel] = lambda channel: channel,
    ) -> None:
        """`recorder` gets every exchange with a channel (the interface log); `observe` may put something around each channel."""
        self._database, self._vault, self._settings, self._recorder = database, vault, settings, recorder
        self._observe = observe
        self._rows: dict[int, ChannelRow] = {}
        self._channels: dict[int, Channel] = {}
        self._partings: set[asyncio.Task[None]] = set()
        self._looking = asyncio.Lock()

    def get(self, channel_id: int) -> Channel | None:
        """A channel that can verify and be asked, whether or not new orders may use it."""
        return self._channels.get(channel_id)

    def row(self, channel_id: int) -> ChannelRow | None:
        """The row of a channel, as last seen."""
        return self._rows.get(channel_id)

    def enabled(self, shop_id: int | None = None) -> list[ChannelRow]:
        """Channels that new orders may use, oldest first; `shop_id` leaves out those of other shops."""
        return [
            row
            for row in sorted(self._rows.values(), key=lambda row: row.id)
            if row.enabled and row.id in self._channels and shop_id in (None, row.shop_id)
        ]

    async def load(self) -> None:
        """Take up every change since the last look. Raises `Unavailable`; then what was there stays."""
        # One after the other: a look that began before a change and ends after the next look would take the change back.
        async with self._looking:
            await self._load()

    async def _load(self) -> None:
        sql = statements("daozhang.channels")
        rows = {record["id"]: ChannelRow.of(record) for record in await self._database.rows(sql.all_channels)}
        for channel_id, row in rows.items():
            if self._rows.get(channel_id) != row:
                await self._take(row)
        for gone in self._channels.keys() - rows.keys():
            self._part(self._channels.pop(gone))
        self._rows = rows

    async def watch(self) -> None:
        """Look for changes every two seconds until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.load()
            except Unavailable:
                log.warning("channels were not looked at: the database is not reachable")

    async def close(self) -> None:
        """Close the connections of all channels."""
        for task in self._partings:
            task.cancel()
        for task in tuple(self._partings):
            with suppress(asyncio.CancelledError):
                await task
        for channel in self._channels.values():
            await channel.close_connections()
        self._channels.clear()
        self._rows.clear()

    async def _take(self, row: ChannelRow) -> None:
        # The old one answers until the new one is made; a database that is away for a moment takes no door away.
        made: Channel | None = None
        try:
            made = await self._make(row)
        except (Refusal, Unreadable, ForbiddenHost, ValueError) as fault:
            why = str(fault) or type(fault).__name__
            log.error("channel %d (%s) cannot be used: %s", row.id, row.kind, why)  # noqa: TRY400 - a trace could show a key.
        old = self._channels.pop(row.id, None)
        if made is not None:
            self._channels[row.id] = made
        if old is not None:
            self._part(old)

    async def _make(self, row: ChannelRow) -> Channel:
        kind = KINDS.get(row.kind)
        if kind is None:
            raise Refusal("channel.unknown", channel_id=row.id)
        sealed = await self._database.rows(statements("daozhang.channels").valid_keys, row.id)
        if not sealed:
            raise Refusal("channel.incomplete", field="keys")
        keys = [
            kind.read_keys(json.loads(self._vault.unseal(record["sealed"], seal_place(row.id, record["version"]))))
            for record in sealed
        ]
        transport = Transport(row.hosts, loopback=self._settings.test_mode, recorder=self._recorder)
        return self._observe(kind.make(row, keys, transport))

    def _part(self, channel: Channel) -> None:
        # Calls under way on the old connections may end in peace before they are closed.
        async def later() -> None:
            try:
                await asyncio.sleep(_GRACE_S)
            finally:
                await channel.close_connections()

        task = asyncio.create_task(later())
        self._partings.add(task)
        task.add_done_callback(self._partings.discard)
