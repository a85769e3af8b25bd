"""A direct child process whose starting thread lives exactly as long as the child does.

The kernel sends the parent-death signal when the starting *thread* ends (prctl(2)), so the child is started from a thread of its
own that does nothing but wait for it: it ends when the child ends, or when the whole program does, however that comes about.
"""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

from daozhang.postgres.home import RunAs, launch_command

log = logging.getLogger(__name__)


class Child:
    """One child. `exited` is set when it has ended, `status` is its exit status then (negative: killed by that signal).

    `say` is what it can read, at most a few lines; `hear` gets each line it writes, in a thread of its own.
    """

    def __init__(
        self,
        argv: list[str],
        who: RunAs,
        *,
        on_death: signal.Signals,
        hear: Callable[[bytes], None] | None = None,
        say: bytes = b"",
    ) -> None:
        self._argv, self._who, self._on_death, self._hear, self._say = argv, who, on_death, hear, say
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[int] = self._loop.create_future()
        self._process: subprocess.Popen[bytes] | None = None
        self.exited = asyncio.Event()
        self.status: int | None = None
        self.last_words: deque[str] = deque(maxlen=12)

    async def start(self) -> int:
        """Start it; its process id. Raises OSError when no process can be made."""
        threading.Thread(target=self._keep, name="postgres-keeper", daemon=True).start()
        return await asyncio.shield(self._started)

    def send(self, number: signal.Signals) -> None:
        """Signal it; nothing happens when it has ended (`Popen` never signals a number that may be someone else's by now)."""
        if self._process is not None:
            self._process.send_signal(number)

    def _keep(self) -> None:
        command = launch_command(self._argv, self._who, signal=int(self._on_death))
        try:
            process = subprocess.Popen(  # noqa: S603 - our own launcher
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", start_new_session=True
            )
        except OSError as fault:
            self._tell(self._failed, fault)
            return
        self._process = process
        assert process.stdout is not None
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(self._say)
        listener = threading.Thread(target=self._listen, args=(process.stdout,), name="postgres-listener", daemon=True)
        listener.start()
        self._tell(self._began, process.pid)
        status = process.wait()
        # Grandchildren may hold the pipe open for longer: the last words are worth a moment, not a hang.
        listener.join(0.2)
        self._tell(self._ended, status)

    def _listen(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self.last_words.append(line.decode("utf-8", "replace").rstrip())
                if self._hear is not None:
                    self._hear(line)

    def _tell(self, what: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:
            log.debug("the event loop ended before process %d of %s", os.getpid(), self._argv[0])

    def _began(self, pid: int) -> None:
        if not self._started.done():
            self._started.set_result(pid)

    def _failed(self, fault: OSError) -> None:
        self.exited.set()
        if not self._started.done():
            self._started.set_exception(fault)

    def _ended(self, status: int) -> None:
        self.status = status
        self.exited.set()
