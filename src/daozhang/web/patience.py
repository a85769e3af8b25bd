"""Time limits for many short waits with one shared timer, because a timer for each would cost more than most of them take."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Patience:
    """Lets each wait last `limit_s`, and at most a look longer."""

    def __init__(self, limit_s: float, look_s: float = 0.5) -> None:
        self._limit_s, self._look_s = limit_s, look_s
        self._until: dict[asyncio.Task[object], float] = {}
        self._cut: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def bounded(self, awaited: Awaitable[T]) -> T:
        """Await it, but not for ever. Raises `TimeoutError`; a cancellation from elsewhere stays one. One wait a task at a time."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._until[task] = loop.time() + self._limit_s
        if self._timer is None:
            self._timer = loop.call_later(self._look_s, self._look)
        try:
            return await awaited
        except asyncio.CancelledError:
            if task in self._cut and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            del self._until[task]
            self._cut.discard(task)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, until in self._until.items():
            if now >= until and task not in self._cut:
                self._cut.add(task)
                task.cancel()
        self._timer = loop.call_later(self._look_s, self._look) if self._until else None
