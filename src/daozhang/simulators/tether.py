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

    loop.add_signal_handler(signal.SIGUSR1, look)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1, 0, 0, 0)
    look()
    while not gone.is_set():
        try:
            await asyncio.wait_for(gone.wait(), 1.0)
        except TimeoutError:
            look()
    end()
