"""Databases of tests: copies of a migrated template, each gone when its test has ended."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from daozhang.postgres import Database
from daozhang.postgres.cluster import DATABASE
from daozhang.postgres.supervisor import Supervisor

FREE = "free_clock"
"""The template of databases whose clock may be shifted."""


class Copies:
    """Makes and drops copies of the templates over one connection, which is opened again when somebody cut it."""

    def __init__(self, server: Supervisor) -> None:
        self._server = server
        self._connection: asyncpg.Connection[Any] | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def copy(self, *, free_clock: bool) -> AsyncIterator[str]:
        """The name of a database of its own, whose clock may be shifted or not."""
        name = f"t{secrets.token_hex(6)}"
        await self._make(name, FREE if free_clock else DATABASE)
        try:
            yield name
        finally:
            await self.run(f'drop database "{name}" with (force)')

    async def make_templates(self) -> None:
        """Make the template whose clock is free, of the migrated one."""
        await self._make(FREE, DATABASE)
        owner = await Database.open(self._server.dsn("owner", FREE), size=1)
        await owner.transact(lambda tx: tx.run("update clock_offset set test_mode = true"))
        await owner.close()

    async def run(self, statement: str) -> None:
        """One statement as the superuser."""
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._server.dsn("superuser", "postgres"))
            await self._connection.execute(statement)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _make(self, name: str, template: str) -> None:
        await self.run(f'create database "{name}" template {template} owner daozhang_owner strategy file_copy')


@asynccontextmanager
async def open_copies(server: Supervisor) -> AsyncIterator[Copies]:
    """With both templates."""
    copies = Copies(server)
    await copies.make_templates()
    yield copies
    await copies.close()
