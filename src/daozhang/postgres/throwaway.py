"""A server for a bench or a test run: its own data folder, gone at the end."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from daozhang.postgres.supervisor import Supervisor
from daozhang.settings import Settings


@asynccontextmanager
async def throwaway(
    folder: Path | None = None, *, fsync: bool = True, conf: Mapping[str, str] | None = None
) -> AsyncIterator[Supervisor]:
    """A watched server in a fresh folder below `folder` (default: the machine's temporary folder), removed with all its data.

    `fsync=False` is for tests that never crash the machine; `conf` overrides server settings such as `max_connections`.
    """
    data = Path(tempfile.mkdtemp(prefix="daozhang-", dir=folder))
    server = Supervisor(Settings(data=data), fsync=fsync, conf=conf)
    try:
        async with server:
            yield server
    finally:
        for used in {server.home.sockets, server.home.root, data}:
            shutil.rmtree(used, ignore_errors=True)
