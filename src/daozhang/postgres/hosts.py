"""Connecting where a DSN names several hosts: each has a time of its own, and the one that took writes last is asked first.

The driver has one time for all of them. A host that is gone without a word (no power, no route) used all of it up each time, and
the host that had taken over was never asked.
"""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from daozhang.postgres.trouble import has_several_hosts

EACH_S = 3.0
"""How long one of several hosts may take to let us in."""
SILENT_S = 5
"""A machine that has acknowledged nothing for so long is gone. One whose server only takes its time acknowledges what it is sent,
as far as its kernel holds it unread."""
_NEXT = (OSError, asyncpg.TargetServerAttributeNotMatched, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError)
_took_writes: dict[str, str] = {}


async def connect(dsn: str, **how: Any) -> Any:
    """As `asyncpg.connect`, at the host that takes writes. Raises what the last of them that answered otherwise said."""
    how["target_session_attrs"] = SessionAttribute.read_write
    if not has_several_hosts(dsn):
        return _watched(await asyncpg.connect(dsn, **how))
    faults: list[Exception] = []
    for host in sorted(_each(dsn), key=lambda one: one != _took_writes.get(dsn)):
        try:
            connection: asyncpg.Connection[Any] = await asyncpg.connect(host, **how | {"timeout": EACH_S})
        except _NEXT as fault:
            faults.append(fault)
        else:
            _took_writes[dsn] = host
            return _watched(connection)
    # A host that could not be reached may be the one that takes writes: that is the news.
    raise next((fault for fault in faults if isinstance(fault, OSError)), faults[-1])


def _watched(connection: Any) -> Any:
    """Have the kernel notice a machine without power or network: by what it does not acknowledge, and by asking while we wait."""
    wire = connection._transport.get_extra_info("socket")
    if wire.family in (socket.AF_INET, socket.AF_INET6):
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_S - 2)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_S * 1_000)
    return connection


async def still_there(connection: "asyncpg.Connection[Any]", within_s: float) -> None:
    """Ask something, so that a server that is gone without a word is noticed: then the connection is cut."""
    cutter = asyncio.get_running_loop().call_later(within_s, connection.terminate)
    try:
        await connection.fetchval("select 1")
    finally:
        cutter.cancel()


def _each(dsn: str) -> list[str]:
    parts = urlsplit(dsn)
    before, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=before + at + host)) for host in hosts.split(",")]
