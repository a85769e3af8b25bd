"""Natural batching: many wait, few commits, and only the culprit fails."""

import asyncio
from collections.abc import Sequence

import pytest

from daozhang.postgres import Batch, OutcomeUnknown, Unavailable
from daozhang.postgres.batch import Full


class Press:
    """Work that waits for a gate, notes every batch, and fails when a batch holds a number of `bad`."""

    def __init__(self, *bad: int) -> None:
        self.bad, self.batches, self.gate = set(bad), list[list[int]](), asyncio.Event()

    async def work(self, items: Sequence[int]) -> list[int | BaseException]:
        self.batches.append(list(items))
        await self.gate.wait()
        if self.bad & set(items):
            raise ValueError(f"batch of {len(items)}")
        return [item * 10 for item in items]


async def test_what_arrives_during_a_commit_is_taken_together_by_the_next() -> None:
    press = Press()
    batch: Batch[int, int] = Batch(press.work)
    waiting = [asyncio.create_task(batch.put(0))]
    await asyncio.sleep(0)
    waiting += [asyncio.create_task(batch.put(n)) for n in range(1, 50)]
    await asyncio.sleep(0.01)
    press.gate.set()
    assert await asyncio.gather(*waiting) == [n * 10 for n in range(50)]
    assert press.batches == [[0], list(range(1, 50))]


async def test_only_the_culprit_of_a_failing_batch_fails() -> None:
    press = Press(3)
    press.gate.set()
    batch: Batch[int, int] = Batch(press.work)
    results = await asyncio.gather(*(batch.put(n) for n in range(6)), return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, ValueError)] == [3]
    assert [result for result in results if isinstance(result, int)] == [0, 10, 20, 40, 50]


async def test_an_outcome_of_its_own_reaches_each_caller() -> None:
    async def work(items: Sequence[int]) -> list[int | BaseException]:
        return [KeyError(item) if item % 2 else item for item in items]

    batch: Batch[int, int] = Batch(work)
    results = await asyncio.gather(*(batch.put(n) for n in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [int, KeyError, int, KeyError]


async def test_no_database_fails_all_at_once_without_trying_each() -> None:
    calls = 0

    async def work(items: Sequence[int]) -> list[int | BaseException]:
        nonlocal calls
        calls += 1
        raise Unavailable("down")

    batch: Batch[int, int] = Batch(work)
    results = await asyncio.gather(*(batch.put(n) for n in range(100)), return_exceptions=True)
    assert {type(result) for result in results} == {Unavailable}
    assert calls <= 2


async def test_an_unknown_outcome_is_settled_one_by_one() -> None:
    seen: list[list[int]] = []

    async def work(items: Sequence[int]) -> list[int | BaseException]:
        seen.append(list(items))
        if len(items) > 1:
            raise OutcomeUnknown("cut")
        return list(items)

    batch: Batch[int, int] = Batch(work)
    assert await asyncio.gather(*(batch.put(n) for n in range(3))) == [0, 1, 2]
    assert [len(items) for items in seen] == [3, 1, 1, 1]


async def test_one_key_is_in_a_batch_only_once_and_keeps_its_turn() -> None:
    press = Press()
    batch: Batch[int, int] = Batch(press.work, key=lambda item: item % 3)
    first = asyncio.create_task(batch.put(100))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(batch.put(n)) for n in (0, 3, 1, 6, 4)]
    await asyncio.sleep(0.01)
    press.gate.set()
    await asyncio.gather(first, *waiting)
    assert press.batches == [[100], [0, 1], [3, 4], [6]]


async def test_a_batch_holds_no_more_than_it_may_and_the_newcomer_is_refused_when_too_much_waits() -> None:
    press = Press()
    batch: Batch[int, int] = Batch(press.work, most=2, waiting=4)
    waiting = [asyncio.create_task(batch.put(0))]
    await asyncio.sleep(0.01)
    waiting += [asyncio.create_task(batch.put(n)) for n in range(1, 5)]
    await asyncio.sleep(0.01)
    with pytest.raises(Full):
        await batch.put(9)
    press.gate.set()
    assert await asyncio.gather(*waiting) == [0, 10, 20, 30, 40]
    assert press.batches == [[0], [1, 2], [3, 4]]


async def test_a_caller_that_gives_up_takes_nothing_back_and_disturbs_no_other() -> None:
    press = Press()
    batch: Batch[int, int] = Batch(press.work)
    waiting = [asyncio.create_task(batch.put(n)) for n in range(3)]
    await asyncio.sleep(0.01)
    late = asyncio.create_task(batch.put(7))
    await asyncio.sleep(0.01)
    waiting[1].cancel()
    late.cancel()
    press.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [results[0], results[2]] == [0, 20]
    assert isinstance(results[1], asyncio.CancelledError)
    await batch.drain()
    assert sorted(n for items in press.batches for n in items) == [0, 1, 2, 7]


async def test_two_writers_work_side_by_side() -> None:
    press = Press()
    batch: Batch[int, int] = Batch(press.work, writers=2, most=1)
    waiting = [asyncio.create_task(batch.put(n)) for n in range(4)]
    await asyncio.sleep(0.01)
    assert len(press.batches) == 2
    press.gate.set()
    assert await asyncio.gather(*waiting) == [0, 10, 20, 30]


async def test_another_writer_comes_for_as_many_as_are_worth_one() -> None:
    press = Press()
    batch: Batch[int, int] = Batch(press.work, writers=2, most=4, beside=2)
    waiting = []
    for n, seen in ((0, [[0]]), (1, [[0]]), (2, [[0], [1, 2]])):
        waiting.append(asyncio.create_task(batch.put(n)))
        await asyncio.sleep(0.01)
        assert press.batches == seen
    press.gate.set()
    assert await asyncio.gather(*waiting) == [0, 10, 20]


async def test_when_the_database_goes_away_nobody_waits_for_every_single_one() -> None:
    asked = 0

    async def work(items: Sequence[int]) -> list[int]:
        nonlocal asked
        asked += 1
        if len(items) > 1:
            raise ValueError("the batch")
        raise Unavailable("gone")

    batch: Batch[int, int] = Batch(work)
    outcomes = await asyncio.gather(*(batch.put(n) for n in range(20)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 20
    assert asked == 2


async def test_answers_that_do_not_match_the_items_leave_no_caller_waiting() -> None:
    async def work(items: Sequence[int]) -> list[int]:
        return list(items)[1:]

    batch: Batch[int, int] = Batch(work)
    outcomes = await asyncio.gather(*(batch.put(n) for n in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [AssertionError] * 3
    await batch.drain()


async def test_a_batch_grows_when_so_many_wait_that_every_writer_has_more_than_one_to_take() -> None:
    press = Press()
    batch: Batch[int, int] = Batch(press.work, most=2, writers=2, deepest=5)
    waiting = [asyncio.create_task(batch.put(n)) for n in range(24)]
    await asyncio.sleep(0.01)
    press.gate.set()
    await asyncio.gather(*waiting)
    assert [len(each) for each in press.batches] == [5, 4, 3, 3, 2, 2, 2, 2, 1]
