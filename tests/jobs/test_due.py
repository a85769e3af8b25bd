"""Due work: claimed in a commit, done in slots, and nobody waits for a row that hangs."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from daozhang.jobs import due
from daozhang.jobs.due import Due
from daozhang.postgres import Database, Tx, Unavailable


class Rows:
    """Rows that are due until they are claimed, and come due again when told so."""

    def __init__(self, *ids: int) -> None:
        self.due, self.done, self.never = list(ids), list[int](), asyncio.Event()

    async def claim(self, tx: Tx, most: int) -> Sequence[dict[str, Any]]:
        assert await tx.value("select 1") == 1
        claimed, self.due = self.due[:most], self.due[most:]
        return [{"id": row} for row in claimed]

    async def work(self, row: dict[str, Any]) -> None:
        if row["id"] < 0:
            await self.never.wait()
        if row["id"] == 0:
            raise ValueError("a fault of this row")
        self.done.append(row["id"])


async def _until(true: Any) -> None:
    for _ in range(6_000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


async def test_a_row_that_hangs_keeps_only_its_own_slot(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "MOST", 4)
    monkeypatch.setattr(due, "LOOK_S", 0.02)
    rows = Rows(-1, -2, -3, *range(1, 50))
    loop = Due("rows", database, rows.claim, rows.work)
    running = asyncio.create_task(loop.run())
    await _until(lambda: len(rows.done) == 49)
    rows.due.append(50)
    await _until(lambda: rows.done[-1] == 50)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_row_under_way_is_not_done_twice_when_it_comes_due_again(database: Database) -> None:
    rows = Rows(-1)
    loop = Due("rows", database, rows.claim, rows.work)
    first = asyncio.create_task(loop.once())
    await _until(lambda: not rows.due)
    rows.due = [-1]
    assert await loop.once() == 0
    rows.never.set()
    assert await first == 1
    assert rows.done == [-1]


async def test_a_fault_of_one_row_stops_no_other(database: Database) -> None:
    rows = Rows(0, 1, 2)
    assert await Due("rows", database, rows.claim, rows.work).once() == 3
    assert rows.done == [1, 2]


async def test_stop_waits_for_what_is_under_way(database: Database) -> None:
    rows = Rows(-1)
    loop = Due("rows", database, rows.claim, rows.work)
    running = asyncio.create_task(loop.run())
    await _until(lambda: not rows.due)
    loop.stop()
    await asyncio.sleep(0.05)
    assert not running.done()
    rows.never.set()
    await running
    assert rows.done == [-1]


async def test_loops_that_begin_together_look_at_moments_of_their_own(database: Database) -> None:
    rows = Rows()
    apart = sorted(Due("rows", database, rows.claim, rows.work)._apart for _ in range(12))
    gaps = [later - earlier for earlier, later in zip(apart, [*apart[1:], apart[0] + 1], strict=True)]
    assert min(gaps) > 1 / 30


async def test_a_database_that_is_away_is_told_once_and_so_is_its_return(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    away = True

    async def claim(_tx: Tx, _most: int) -> list[Any]:
        if away:
            raise Unavailable("nobody listens there")
        return []

    due = Due("rows", database, claim, Rows().work)
    with caplog.at_level("INFO", logger="daozhang.jobs.due"):
        for _ in range(5):
            assert not await due._begin_free()
        away = False
        for _ in range(5):
            assert not await due._begin_free()
    assert [record.message for record in caplog.records] == [
        "rows: database away (nobody listens there)",
        "rows: the database is back",
    ]
