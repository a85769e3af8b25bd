"""Two who look or write at once: the one that began before a change does not take it back, and what is written is written."""

import asyncio
from datetime import timedelta
from typing import Any, cast

from daozhang import clock
from daozhang.channels.registry import Registry
from daozhang.postgres import Database, Tx
from daozhang.settings import Settings
from daozhang.status import calendar
from daozhang.status.board import Board
from daozhang.status.counts import Sampler, Word
from daozhang.vault import Vault


class Slow:
    """A database of which one answer comes late: it is what stood there when it was asked."""

    def __init__(self, database: Database, place: int) -> None:
        self._database, self._left = database, place
        self.asked, self.comes = asyncio.Event(), asyncio.Event()

    async def _late(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.asked.set()
            await self.comes.wait()

    async def rows(self, sql: str, *args: Any) -> Any:
        found = await self._database.rows(sql, *args)
        await self._late()
        return found

    async def transact(self, work: Any) -> Any:
        async def later(tx: Tx) -> Any:
            done = await work(tx)
            await self._late()
            return done

        return await self._database.transact(later)


def slow(database: Database, place: int = 1) -> tuple[Slow, Database]:
    """`place` says which of its answers is the late one."""
    made = Slow(database, place)
    return made, cast("Database", made)


async def both(first: "asyncio.Task[Any]", second: "asyncio.Task[Any]", late: Slow) -> None:
    """Let the second go as far as it can before the first goes on."""
    await asyncio.wait({second}, timeout=0.3)
    late.comes.set()
    await asyncio.gather(first, second)


async def planned(database: Database, owner: Database) -> int:
    channel_id: int = await owner.value(
        """insert into channels (shop_id, kind, name, merchant, app, methods, hosts, created_at, changed_at)
           values (1, 'wechatpay', 'w', 'm', 'a', '{native}', '{h}', clock_now(), clock_now()) returning id"""
    )
    await calendar.plan(database, channel_id, clock.now() - timedelta(minutes=1), clock.now() + timedelta(hours=1))
    return channel_id


async def test_a_look_at_the_board_that_began_before_a_plan_does_not_take_it_back(
    database: Database, owner_database: Database
) -> None:
    late, asked = slow(database, place=2)  # the breakers are read first, then the calendar
    board = Board(asked, lambda _: ())
    first = asyncio.create_task(board.load())
    await late.asked.wait()
    await planned(database, owner_database)
    await both(first, asyncio.create_task(board.load()), late)
    assert len(board.planned) == 1


async def test_a_look_at_the_channels_that_began_before_one_was_added_does_not_take_it_away(
    database: Database, owner_database: Database, settings: Settings
) -> None:
    late, asked = slow(database)
    registry = Registry(asked, await Vault.open(database, settings), settings)
    first = asyncio.create_task(registry.load())
    await late.asked.wait()
    channel_id = await planned(database, owner_database)
    await both(first, asyncio.create_task(registry.load()), late)
    assert registry.row(channel_id) is not None


async def test_whoever_writes_counts_waits_for_those_that_are_just_written(database: Database) -> None:
    late, asked = slow(database)
    sampler = Sampler(asked)
    sampler.answered(1, "native", Word.GOOD)
    first = asyncio.create_task(sampler.flush())
    await late.asked.wait()
    second = asyncio.create_task(sampler.flush())
    done, _ = await asyncio.wait({second}, timeout=0.3)
    assert not done, "they are not there yet"
    late.comes.set()
    await asyncio.gather(first, second)
    assert await database.value("select sum(good) from status_slots") == 1
