"""Processes of a bench's own: started as modules of this program, told what to do in JSON lines, gone with the bench."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from daozhang.bench import BenchTrouble

_END_S = 10.0


class ChildTrouble(BenchTrouble):
    """A process of the bench ended before it had answered."""


class Child:
    """A running process that answers each line with a line."""

    def __init__(self, process: asyncio.subprocess.Process, module: str) -> None:
        self._process, self._module = process, module
        self.pid = process.pid

    async def ask(self, **order: Any) -> dict[str, Any]:
        """Tell it to do something and wait for what it says. Raises `ChildTrouble`."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        return await self.hear()

    async def hear(self) -> dict[str, Any]:
        """The next line it says. Raises `ChildTrouble`."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise ChildTrouble(f"{self._module} ended with code {await self._process.wait()}")
        said: dict[str, Any] = msgspec.json.decode(line)
        return said


@asynccontextmanager
async def child(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Child]:
    """Run `python -m <module>` until the block ends. Its standard input stays open as long as we live: its end is the child's."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    try:
        yield Child(process, module)
    finally:
        if process.returncode is None:
            process.terminate()
        alarm = asyncio.get_running_loop().call_later(_END_S, _kill, process)
        await process.wait()
        alarm.cancel()


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
