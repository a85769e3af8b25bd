"""A `daozhang` that has loaded its commands and waits: each command is a fork of it, a process of its own without the loading.

Loading takes longer than nearly every command. What a command does after it is the same: its arguments, environment, output and
exit are its own. `python -m tests.cli.ready` reads a JSON line for each command and answers with its exit status.
"""

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 600
"""A command that is not done by then never is: it ends by SIGALRM."""


class Ready:
    """The hand on the waiting process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.ready"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate()

    def run(self, data: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Run the command: its exit status, what it said, and what went wrong."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        said, wrong = self._folder / "said", self._folder / "wrong"
        asked = {
            "arguments": arguments, "said": str(said), "wrong": str(wrong),
            "environment": {**os.environ, "DAOZHANG_DATA": str(data), **environment},
        }  # fmt: skip
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return status, said.read_text("utf-8"), wrong.read_text("utf-8")


def wait() -> bool:
    """Answer until there is no more to do. True in the fork that is to be the command."""
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
            return True
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
    return False


def _become(asked: dict[str, object]) -> None:
    signal.alarm(PATIENCE_S)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, str(asked["said"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, str(asked["wrong"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]
    sys.argv[1:] = asked["arguments"]  # type: ignore[assignment]


if __name__ == "__main__":
    from daozhang.__main__ import main
    from daozhang.cli.frame import COMMANDS

    for module in ("daozhang.app", "daozhang.serve", *COMMANDS):
        import_module(module)
    if wait():
        main()
