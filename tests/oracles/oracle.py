"""Talking to an oracle: one JSON object a line in, one out. It runs in a process of its own, beside other libraries than ours."""

import asyncio
import json
from typing import Any, Self

ANSWER_WITHIN_S = 120


class Refused(Exception):
    """The oracle's library did not accept what it was shown."""


class Oracle:
    """One library that somebody else wrote from the same documents."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name, self._command = name, command
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, limit=2**20)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 60)

    async def ask(self, do: str, **values: Any) -> Any:
        """What the library makes of it. Raises `Refused` with its own words."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **values}).encode() + b"\n")
        await self._process.stdin.drain()
        line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_WITHIN_S)
        answer = json.loads(line)
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["result"]
