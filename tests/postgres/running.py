"""Programs of ours that a test starts to kill them, and what can be asked of them and their server."""

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import pytest

from daozhang.postgres.home import find_home
from daozhang.postgres.predecessor import at_work

PROGRAM = Path(__file__).with_name("program.py")
PATIENCE_S = 300.0
"""Nothing here takes so long, however slow the machine is: PostgreSQL makes a cluster, recovers or ends within seconds."""


class Program:
    """One running `program.py`, and what it said."""

    def __init__(self, data: Path, acks: Path | None = None, *, user: int | None = None, **environment: str) -> None:
        command = [sys.executable if user is None else open_interpreter(), str(PROGRAM), str(data), *([str(acks)] if acks else [])]
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the program
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **environment},
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def hear(self, limit_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next line it says; fails with its last words when it ends or keeps silent instead."""
        try:
            line = self._lines.get(timeout=limit_s)
        except queue.Empty:
            line = ""
        if not line:
            self._errors.seek(0)
            pytest.fail(f"the program ended or kept silent: {self._errors.read()[-3000:]}")
        return dict(json.loads(line))

    def kill(self) -> None:
        """`kill -9`, and let nothing of it linger here."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def end(self) -> int:
        """Ask it to end."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


def gone_within(data: Path, limit_s: float) -> float:
    """Seconds until no PostgreSQL process works in the folder; fails after `limit_s`."""
    began = time.monotonic()
    while left := at_work(find_home(data).cluster):
        if time.monotonic() - began > limit_s:
            pytest.fail(f"orphans: {left}")
        time.sleep(0.01)
    return time.monotonic() - began


async def answers(dsn: str, limit_s: float) -> float:
    """Seconds until the server lets us in."""
    began = time.monotonic()
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if time.monotonic() - began > limit_s:
                raise
            await asyncio.sleep(0.01)
        else:
            await connection.close()
            return time.monotonic() - began


async def lost(dsn: str, acks: Path) -> tuple[int, set[int]]:
    """How many commits were acknowledged, and which of them the database does not have."""
    noted = {int(line) for line in acks.read_text("ascii").splitlines() if line}
    await answers(dsn, PATIENCE_S)
    connection = await asyncpg.connect(dsn, timeout=PATIENCE_S)
    present = {row["n"] for row in await connection.fetch("select n from acks")}
    await connection.close()
    return len(noted), noted - present


async def grows(acks: Path, by: int, limit_s: float = PATIENCE_S) -> None:
    """Wait until that many more commits were acknowledged."""
    start = acks.read_bytes().count(b"\n") if acks.exists() else 0
    deadline = time.monotonic() + limit_s
    while not acks.exists() or acks.read_bytes().count(b"\n") < start + by:
        assert time.monotonic() < deadline, "nothing is acknowledged any more"
        await asyncio.sleep(0.01)


def open_interpreter() -> str:
    """A Python of our version that every user may run: ours may be below a closed folder."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (os.path.realpath(sys.executable), f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        if all(parent.stat().st_mode & 0o005 == 0o005 for parent in Path(path).parents) and os.access(path, os.X_OK):
            return path
    return absent(f"no {name} that every user may run")


def absent(what: str) -> NoReturn:
    """Something of the machine is not there: a test is left out for it, except where everything has to run (`.ci/run` says so)."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and nothing is left out here")
    pytest.skip(what)


def find_pid(data: Path) -> int:
    """The postmaster's process id."""
    return int((find_home(data).cluster / "postmaster.pid").read_text("ascii").splitlines()[0])


def with_kill(pid: int) -> None:
    """`kill -9` what may have ended by itself meanwhile."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
