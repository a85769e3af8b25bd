"""Makes sure that nobody is at work in a cluster before we start a server there.

`postmaster.pid` alone does not tell: its process may be gone, may be a zombie that nobody has reaped, or its number may belong to
someone else by now. What tells is whether a live PostgreSQL process stands in that folder, which /proc knows.
"""

import asyncio
import contextlib
import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from daozhang.postgres.trouble import ServerTrouble

log = logging.getLogger(__name__)

POLITE_S = 20.0
"""How long a predecessor may take to end by itself before it is asked to (SIGINT), and again before it is made to (SIGQUIT)."""
ORPHAN_S = 3.0
"""How long backends without a postmaster may take before they are made to end: the same query could run for hours."""
POLL_S = 0.02


@dataclass(frozen=True)
class PidFile:
    """The lines of `postmaster.pid` that we use."""

    pid: int
    socket: str
    state: str


def read_pid_file(cluster: Path) -> PidFile | None:
    """What `postmaster.pid` says; None when there is none or it is damaged."""
    try:
        lines = (cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        pid = abs(int(lines[0]))
    except (OSError, ValueError, IndexError):
        return None
    lines += [""] * (8 - len(lines))
    return PidFile(pid, lines[4].strip(), lines[7].strip())


async def wait_for_predecessor(cluster: Path, sockets: Path) -> None:
    """Return when no PostgreSQL process works in the cluster, and take away lock files that name a stranger or a zombie.

    Both folders are ours alone, and the caller holds the lock on the data folder. Raises `ServerTrouble` when a process cannot
    be made to end.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    sent: set[signal.Signals] = set()
    while pids := at_work(cluster):
        waited = loop.time() - began
        found = read_pid_file(cluster)
        led = found is not None and found.pid in pids
        ladder = [(POLITE_S, signal.SIGINT), (2 * POLITE_S, signal.SIGQUIT)] if led else [(ORPHAN_S, signal.SIGQUIT)]
        ladder.append((ladder[-1][0] + 5.0, signal.SIGKILL))
        for after_s, number in ladder:
            if waited > after_s and number not in sent:
                sent.add(number)
                _signal([found.pid] if led and found and number != signal.SIGKILL else pids, number)
        if waited > ladder[-1][0] + 10.0:
            raise ServerTrouble(f"process {pids[0]} works in {cluster} and cannot be ended")
        await asyncio.sleep(POLL_S)
    stale = read_pid_file(cluster)
    if stale is None or _exists(stale.pid):
        # Nobody works here, so the number is a stranger's, or the file was cut short; PostgreSQL itself would refuse to start.
        (cluster / "postmaster.pid").unlink(missing_ok=True)
    for socket in (".s.PGSQL.5432.lock", ".s.PGSQL.5432"):
        (sockets / socket).unlink(missing_ok=True)


def at_work(cluster: Path) -> list[int]:
    """The live PostgreSQL processes that stand in this folder (zombies do nothing and count for nothing)."""
    place = cluster.resolve()
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            if Path(f"/proc/{entry.name}/cwd").readlink() == place and _is_postgres(entry.name):
                found.append(int(entry.name))
        except OSError:
            # It ended while we looked, is a zombie, or belongs to someone else, who could not open our folder.
            continue
    return found


def _is_postgres(pid: str) -> bool:
    return Path(f"/proc/{pid}/exe").readlink().name.startswith(("postgres", "postmaster"))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _signal(pids: list[int], number: signal.Signals) -> None:
    log.warning("a PostgreSQL of an earlier run is still at work: sending %s to %s", number.name, pids)
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
