"""The yardstick of writing: PostgreSQL's own `pgbench`, TPC-B-like, prepared, 16 clients, scale 10, on the same server."""

import asyncio
import re
import shutil

import asyncpg

from daozhang.postgres.supervisor import Supervisor
from daozhang.postgres.trouble import ServerTrouble

SCALE, CLIENTS = 10, 16
_TPS = re.compile(r"tps = ([0-9.]+)", re.ASCII)


async def prepare(server: Supervisor) -> None:
    """Make and fill the database `pgbench`."""
    admin = await asyncpg.connect(server.dsn("superuser", "postgres"))
    await admin.execute("create database pgbench owner daozhang_owner")
    await admin.close()
    await _run(server, "-i", "-q", "-s", str(SCALE))


async def transactions_per_s(server: Supervisor, seconds: int) -> float:
    """Transactions per second of one run."""
    said = await _run(server, "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds))
    match = _TPS.search(said)
    if match is None:
        raise ServerTrouble("pgbench did not say its figure")
    return float(match.group(1))


async def _run(server: Supervisor, *words: str) -> str:
    beside = server.binaries.folder / "pgbench" if server.binaries else None
    program = str(beside) if beside and beside.is_file() else shutil.which("pgbench")
    if program is None:
        raise ServerTrouble("pgbench is not on this machine")
    process = await asyncio.create_subprocess_exec(
        program, *words, server.dsn("owner", "pgbench"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise ServerTrouble(f"pgbench: {said.decode(errors='replace')[-300:]}")
    return said.decode(errors="replace")
