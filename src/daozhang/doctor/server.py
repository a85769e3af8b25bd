"""Readings of the database, as the running program sees it."""

import time
from typing import Any

from daozhang.channels import address
from daozhang.doctor.reading import Reading, amber, green, judged, red
from daozhang.postgres import Database, statements
from daozhang.postgres.binaries import NEWEST, OLDEST
from daozhang.postgres.migrate import MigrationTrouble, missing, read_migrations
from daozhang.postgres.trouble import has_several_hosts
from daozhang.settings import Settings
from daozhang.vault import BadMasterKey
from daozhang.vault.keys import check_master

SKEW_AMBER_S, SKEW_RED_S = 2.0, 60.0
"""How far the server's clock may be from ours: callbacks older than 300 s are refused as replays."""

sql = statements("daozhang.doctor")

_WANTED = {
    "fsync": ("on", "without it a power cut loses acknowledged money"),
    "full_page_writes": ("on", "without it a power cut tears pages"),
    "data_checksums": ("on", "without them a flipped bit goes unseen"),
    "default_transaction_isolation": ("read committed", "the program's guards are made for it"),
    "server_encoding": ("UTF8", "names and reasons are Chinese"),
}


async def examine_database(database: Database, settings: Settings) -> list[Reading]:
    """Every reading that one connection as the application's role can give."""
    found = {row["name"]: row["setting"] for row in await database.rows(sql.settings)}
    major = int(found["server_version_num"]) // 10_000
    readings = [judged("PostgreSQL", found["server_version"], well=OLDEST <= major <= NEWEST)]
    for name, (wanted, why) in _WANTED.items():
        value = found.get(name, "unknown")
        readings.append(green(name, value) if value == wanted else red(name, f"{value}, not {wanted}: {why}"))
    alone = has_several_hosts(settings.database or "") and not found["synchronous_standby_names"]
    readings.append(_synchronous(found["synchronous_commit"], alone=alone))
    method = found["wal_sync_method"]
    readings.append(
        judged("wal_sync_method", method, well=method in {"fdatasync", "fsync", "open_datasync", "open_sync", "fsync_writethrough"})
    )
    readings.append(await _role(database))
    readings.append(await _migrations(database))
    readings.append(await _partitions(database))
    readings.append(await _clock(database))
    readings.append(await _pooler(database, settings))
    readings.append(await _channels(database))
    readings.append(await _address(database, settings))
    readings.append(await _vault(database, settings))
    return readings


def _synchronous(value: str, *, alone: bool) -> Reading:
    if alone and value in {"on", "remote_apply"}:
        # A commit is then on one host when it is acknowledged, and the other one may never hear of it.
        return amber(
            "synchronous_commit", f"{value}, but synchronous_standby_names is empty: a fail-over may lose acknowledged money"
        )
    if value in {"on", "remote_apply"}:
        return green("synchronous_commit", value)
    if value in {"local", "remote_write"}:
        return amber("synchronous_commit", f"{value}: a fail-over may lose what was acknowledged")
    return red("synchronous_commit", f"{value}: acknowledged money can be lost")


async def _role(database: Database) -> Reading:
    row: Any = await database.row(sql.role)
    faults = [
        text
        for wrong, text in (
            (row["rolsuper"], "is a superuser"),
            (row["rolcreaterole"], "may make roles"),
            (row["owned"], f"owns {row['owned']} tables"),
            (row["is_owner"], "is a member of the owner"),
        )
        if wrong
    ]
    return judged("role", f"{row['name']} " + (", ".join(faults) or "owns nothing and is no superuser"), well=not faults)


async def _migrations(database: Database) -> Reading:
    name = "migrations"
    if not await database.value(sql.has_table, "migrations"):
        return red(name, "none is applied: run `daozhang migrate`")
    applied = {row["number"]: (row["name"], row["checksum"]) for row in await database.rows(sql.migrations)}
    files = read_migrations()
    try:
        rest = missing(files, applied)
    except MigrationTrouble as fault:
        return red(name, str(fault))
    if rest:
        return red(name, f"{len(rest)} to be applied, from {rest[0].number:04}_{rest[0].name}: run `daozhang migrate`")
    if max(applied, default=0) > files[-1].number:
        return amber(name, "the database is newer than this program")
    return green(name, f"at {files[-1].number:04}_{files[-1].name}")


async def _partitions(database: Database) -> Reading:
    name = "partitions"
    if not await database.value(sql.has_table, "partitioned_tables"):
        return amber(name, "unknown before the first migration")
    rows: list[Any] = await database.rows(sql.months_missing)
    # The month that has just come into view is made within hours; until then it is no fault.
    short = [row for row in rows if row["ahead"] < row["wanted"] or row["ahead"] <= 1]
    if not short:
        return green(name, "every large table has its months ahead")
    first = short[0]
    says = f"{first['name']} has no month {first['month']}" + (
        f", nor have {len(short) - 1} more tables all theirs" if short[1:] else ""
    )
    says += ": `daozhang work` makes them, and logs what keeps it from doing so"
    return red(name, says) if first["ahead"] <= 1 else amber(name, says)


async def _clock(database: Database) -> Reading:
    name = "clocks"
    if not await database.value(sql.has_table, "clock_offset"):
        return amber(name, "unknown before the first migration")
    before = time.time()
    row: Any = await database.row(sql.clock)
    skew_s = abs(row["server_s"] - (before + time.time()) / 2)
    if skew_s > SKEW_RED_S:
        return red(name, f"the server's clock is {skew_s:.0f} s away from ours")
    if row["offset_s"]:
        return amber(name, f"test mode has moved the clock by {row['offset_s']:.0f} s")
    says = f"the server's and ours differ by {skew_s:.1f} s"
    return amber(name, says) if skew_s > SKEW_AMBER_S else green(name, says)


async def _pooler(database: Database, settings: Settings) -> Reading:
    name = "pooler"
    async with database.pool.acquire() as connection:
        # A pooler invents the process number that it gives to its clients; the server's own is another.
        pooled = connection.get_server_pid() != await connection.fetchval(sql.server_pid)
    if not pooled:
        return green(name, "none: we talk to the server itself")
    if not settings.database_pooled:
        return red(name, "there is one, and prepared statements break on it: set DAOZHANG_DATABASE_POOLED=1")
    if settings.database_direct is None:
        return red(name, "there is one, and waking does not pass it: set DAOZHANG_DATABASE_DIRECT to the server itself")
    return green(name, "there is one; statements are not kept, and waking goes past it")


async def _channels(database: Database) -> Reading:
    name = "channels"
    if not await database.value(sql.has_table, "channels"):
        return amber(name, "unknown before the first migration")
    row: Any = await database.row(sql.channels)
    if row["keyless"]:
        return red(name, f"{row['keyless']} enabled without a key")
    if not row["enabled"]:
        return amber(name, f"{row['many']} configured, none enabled: nobody can recharge")
    return green(name, f"{row['enabled']} of {row['many']} enabled")


async def _address(database: Database, settings: Settings) -> Reading:
    name = "public address"
    if not await database.value(sql.has_table, "public_address"):
        return amber(name, "unknown before `daozhang migrate`")
    url = await address.public_url(database, settings)
    if url.startswith("https://") or await database.value(sql.test_mode):
        return green(name, f"channels notify us at {url}/notify")
    return amber(name, f"no channel notifies {url}/notify, which is not https: set DAOZHANG_PUBLIC_URL for the program")


async def _vault(database: Database, settings: Settings) -> Reading:
    name = "vault"
    if not await database.value(sql.has_table, "vault_wraps"):
        return amber(name, "unknown before the first migration")
    try:
        opened = await check_master(database, settings)
    except BadMasterKey as fault:
        return red(name, str(fault))
    return green(name, f"the master key opens all {opened} data keys" if opened else "nothing is sealed yet")
