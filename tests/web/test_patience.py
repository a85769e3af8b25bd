"""Waits that end, by one timer for all."""

import asyncio

import pytest

from daozhang.web.patience import Patience


async def test_what_is_there_in_time_is_given_back() -> None:
    patience = Patience(5.0)

    async def soon() -> str:
        await asyncio.sleep(0)
        return "here"

    assert await patience.bounded(soon()) == "here"


async def test_a_wait_that_lasts_too_long_ends_and_the_next_one_is_free() -> None:
    patience = Patience(0.01, look_s=0.01)
    with pytest.raises(TimeoutError):
        await patience.bounded(asyncio.get_running_loop().create_future())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    done.set_result(7)
    assert await patience.bounded(done) == 7


async def test_many_wait_on_one_timer_and_only_the_late_ones_are_cut() -> None:
    patience = Patience(0.05, look_s=0.01)

    async def one(seconds: float) -> str:
        try:
            await patience.bounded(asyncio.sleep(seconds))
        except TimeoutError:
            return "cut"
        return "done"

    assert await asyncio.gather(*(one(seconds) for seconds in (0, 0, 60, 60))) == ["done", "done", "cut", "cut"]


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    patience = Patience(60.0)
    task = asyncio.create_task(patience.bounded(asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
