"""Waiting for what must come to pass, however slow the machine is: never for a time that ought to be enough."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from daozhang import clock

MOST_S = 60.0
"""Nothing here takes so long: who waits in vain for this is told that it did not happen."""


async def until(holds: Callable[[], bool | Awaitable[bool]], within_s: float = MOST_S) -> None:
    """Wait until a condition holds. Fails with what it was waiting for when it does not."""
    end = asyncio.get_running_loop().time() + within_s
    while True:
        held = holds()
        if await held if inspect.isawaitable(held) else held:
            return
        assert asyncio.get_running_loop().time() < end, f"not within {within_s:g} s: {inspect.getsource(holds).strip()}"
        await asyncio.sleep(0.005)


async def next_moment() -> None:
    """Wait until ids are made in a later millisecond: within one they have no order."""
    began = clock.now_ms()
    await until(lambda: clock.now_ms() > began)
