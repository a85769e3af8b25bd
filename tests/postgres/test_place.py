"""Which server is meant, and the throwaway one."""

import tempfile
from pathlib import Path

import asyncpg
import pytest

from daozhang.postgres.binaries import choose_binaries, installations
from daozhang.postgres.place import External, find_server
from daozhang.postgres.predecessor import at_work
from daozhang.postgres.supervisor import Supervisor
from daozhang.postgres.throwaway import throwaway
from daozhang.postgres.trouble import ServerTrouble
from daozhang.settings import Settings


def test_a_dsn_replaces_the_embedded_server(tmp_path: Path) -> None:
    assert isinstance(find_server(Settings(data=tmp_path)), Supervisor)
    server = find_server(Settings(data=tmp_path, database="postgresql://app@h1,h2/x", database_direct="postgresql://app@h1/x"))
    assert isinstance(server, External)
    assert not server.owned
    assert server.dsn("app") == "postgresql://app@h1,h2/x"
    assert server.direct() == "postgresql://app@h1/x"
    for role in ("owner", "superuser"):
        with pytest.raises(ServerTrouble, match="not set"):
            server.dsn(role)
    with pytest.raises(ServerTrouble, match="only the database of its DSN"):
        server.dsn("app", "other")


async def test_an_external_server_is_not_ours_to_start_or_stop(tmp_path: Path) -> None:
    async with find_server(Settings(data=tmp_path / "data", database="postgresql://nobody@127.0.0.1:1/x")) as server:
        assert not server.owned
    assert not (tmp_path / "data").exists()


async def test_a_throwaway_leaves_nothing_behind() -> None:
    with tempfile.TemporaryDirectory(prefix="dz-") as folder:
        async with throwaway(Path(folder), fsync=False, conf={"max_connections": "17"}) as server:
            connection = await asyncpg.connect(server.dsn("app"))
            assert await connection.fetchval("show max_connections") == "17"
            assert await connection.fetchval("show fsync") == "off"
            await connection.close()
            cluster = server.home.cluster
        assert at_work(cluster) == []
        assert list(Path(folder).iterdir()) == []


async def test_a_throwaway_is_removed_when_its_block_fails() -> None:
    with tempfile.TemporaryDirectory(prefix="dz-") as folder:
        with pytest.raises(ZeroDivisionError):
            async with throwaway(Path(folder), fsync=False):
                raise ZeroDivisionError
        assert list(Path(folder).iterdir()) == []


def test_the_systems_newest_comes_first_and_the_wheel_last() -> None:
    found = installations()
    assert found
    origins = [binaries.origin for binaries in found]
    assert origins == sorted(origins)
    systems = [binaries.major for binaries in found if binaries.origin == "system"]
    assert systems == sorted(systems, reverse=True)


def test_binaries_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ServerTrouble, match="DAOZHANG_POSTGRES_BIN"):
        choose_binaries(tmp_path, None)
    with pytest.raises(ServerTrouble, match="version 99"):
        choose_binaries(None, 99)
    binaries = installations()[0]
    assert choose_binaries(binaries.folder, None).major == binaries.major
    with pytest.raises(ServerTrouble, match="pg_nonsense is missing"):
        binaries.path("pg_nonsense")
