"""Commands on a database that is there already: most of them need no server of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.ready import Ready

from daozhang.postgres.supervisor import Supervisor

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """A program that has loaded its commands."""
    with Ready(tmp_path_factory.mktemp("ready")) as waiting:
        yield waiting


@pytest.fixture
async def command(ready: Ready, server: Supervisor, fresh: str, tmp_path: Path) -> Command:
    """Run `daozhang` with these words on a fresh database: its exit status, what it said, and what went wrong."""
    place = {"DAOZHANG_DATABASE": server.dsn("app", fresh), "DAOZHANG_DATABASE_OWNER": server.dsn("owner", fresh)}
    return lambda *words: ready.run(tmp_path / "data", *words, **place)
