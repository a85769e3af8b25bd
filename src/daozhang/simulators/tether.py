"""A child that ends with its parent, however the parent ends."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


async def end_with_parent(parent: int, end: Callable[[], None]) -> None:
    """Call `end` once process `parent` is gone. Runs until then; must run in the main thread.

    The kernel's death signal comes at once but follows the parent's *thread*, so it only prompts a look at who our parent is;
    a look every second covers systems without it.
    """
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()

    def look() -> None:
        if os.getppid() != parent:
            gone.set()

    async def look_every_second() -> None:
        while True:
            look()
            await asyncio.sleep(1.0)

    loop.add_signal_handler(signal.SIGUSR1, look)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1, 0, 0, 0)
    looking = asyncio.create_task(look_every_second())
    try:
        await gone.wait()
    finally:
        looking.cancel()
    end()
