"""Commands on a database that is there already: most of them need no server of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.test_server import daozhang

from daozhang.postgres.supervisor import Supervisor

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
async def command(server: Supervisor, fresh: str, tmp_path: Path) -> Command:
    """Run `daozhang` with these words on a fresh database: its exit status, what it said, and what went wrong."""
    place = {"DAOZHANG_DATABASE": server.dsn("app", fresh), "DAOZHANG_DATABASE_OWNER": server.dsn("owner", fresh)}
    return lambda *words: daozhang(tmp_path / "data", *words, **place)
