"""Leadership: one row per name, held for a while by one process, with a number that grows each time it changes hands."""

import os
import secrets
from datetime import timedelta

from daozhang.postgres import Database, statements

sql = statements("daozhang.jobs")

HELD = timedelta(seconds=30)
"""How long a lease lasts without being renewed: how long a dead leader is waited for."""


class Lease:
    """This process's claim to one name."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name
        self.holder = f"{os.getpid()}-{secrets.token_hex(6)}"

    async def take(self) -> int | None:
        """Take or renew it; the fencing number, or None while another holds it."""
        fence: int | None = await self._database.transact(lambda tx: tx.value(sql.take_lease, self._name, self.holder, HELD))
        return fence
