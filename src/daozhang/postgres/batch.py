"""Natural batching: what arrives while a commit is under way is taken together by the next one. No timer, no added wait.

A batch that fails is tried again one by one, so that only the culprit fails. A caller that gives up takes nothing back.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar, cast

from daozhang.postgres.pool import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class Full(Exception):
    """More work is waiting than the batch may hold: refuse the newcomer, keep what waits."""


class Batch(Generic[Item, Result]):
    """Gathers items for `work`, which gets a list and answers one result or exception per item, in order.

    `key` names what may appear only once in a batch (one order per user); a second one waits for the next batch.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Result | BaseException]]],
        *,
        most: int = 256,
        writers: int = 1,
        waiting: int = 20_000,
        key: Callable[[Item], Hashable] | None = None,
        deepest: int = 0,
        beside: int = 0,
    ) -> None:
        """`most` items make a batch, up to `deepest` when so many wait that every writer has more than one to take.

        `beside` waiting items are worth one more writer; without it a full batch is.
        """
        self._work, self._most, self._writers, self._waiting, self._key = work, most, writers, waiting, key
        self._deepest, self._beside = max(most, deepest), beside or most
        self._queue: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._busy: set[asyncio.Task[None]] = set()

    async def put(self, item: Item) -> Result:
        """Have one item done; its result, or the exception that was its own. Raises `Full` at once when too much waits."""
        if len(self._queue) >= self._waiting:
            raise Full
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        if len(self._busy) < self._wanted():
            self._busy.add(asyncio.create_task(self._write()))
        # A caller that is cancelled cancels this future and nothing else: the work goes on without it.
        return await future

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        while self._busy:
            await asyncio.wait(set(self._busy))

    async def _write(self) -> None:
        try:
            # No writer stays beside another for a few items: few large commits cost less than many small ones.
            while self._queue and len(self._busy) <= self._wanted():
                await self._do(self._take())
        finally:
            # Here and not in a callback: whoever looks next must count only writers that go on.
            self._busy.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _do(self, taken: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        for (_, future), outcome in zip(taken, await self._outcomes([item for item, _ in taken]), strict=True):
            if future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
                future.exception()
            else:
                future.set_result(outcome)

    def _wanted(self) -> int:
        """How many writers what waits is worth."""
        return min(self._writers, 1 + len(self._queue) // self._beside)

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        taken: list[tuple[Item, asyncio.Future[Result]]] = []
        most = min(max(self._most, len(self._queue) // (2 * self._writers)), self._deepest)
        if self._key is None:
            while self._queue and len(taken) < most:
                taken.append(self._queue.popleft())
            return taken
        seen: set[Hashable] = set()
        later: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._queue and len(taken) < most:
            entry = self._queue.popleft()
            name = self._key(entry[0])
            if name in seen:
                later.append(entry)
            else:
                seen.add(name)
                taken.append(entry)
        self._queue.extendleft(reversed(later))
        return taken

    async def _outcomes(self, items: list[Item]) -> Sequence[Result | BaseException]:
        try:
            return await self._answers(items)
        except Unavailable as fault:
            return [fault] * len(items)
        except Exception as fault:  # noqa: BLE001 - whatever failed the batch is tried one by one
            if len(items) == 1:
                return [fault]
        outcomes: list[Result | BaseException] = []
        for item in items:
            outcomes.append(outcome := await self._single(item))
            if isinstance(outcome, Unavailable):
                # The database is away: asking for each of the others would only keep all of them waiting.
                outcomes.extend([outcome] * (len(items) - len(outcomes)))
                break
        return outcomes

    async def _single(self, item: Item) -> Result | BaseException:
        try:
            return (await self._answers([item]))[0]
        except Exception as fault:  # noqa: BLE001 - it goes to the caller whose item failed
            return fault

    async def _answers(self, items: list[Item]) -> Sequence[Result | BaseException]:
        """Do the work. One answer per item, or nobody could tell whose answer is whose."""
        answers = await self._work(items)
        assert len(answers) == len(items), f"{len(answers)} answers to {len(items)} items"
        return answers
