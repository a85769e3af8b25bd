"""Where a cluster and its keys, socket, lock and log are, and as whom PostgreSQL runs there."""

import hashlib
import json
import os
import pwd
import secrets
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from daozhang.memory import IN_HUGE_PAGES
from daozhang.postgres import launch
from daozhang.postgres.trouble import ServerTrouble

Role = Literal["app", "owner", "superuser"]
ROLES: dict[Role, str] = {"app": "daozhang_app", "owner": "daozhang_owner", "superuser": "postgres"}

SYSTEM_USER = "daozhang"
SYSTEM_HOME = Path("/var/lib/daozhang")
_LONGEST_SOCKET = 100
"""Bytes; the kernel's own limit is 107 (unix(7))."""


@dataclass(frozen=True)
class RunAs:
    """As whom PostgreSQL runs: `me` (a normal user), `namespace` (root under another number) or `user` (the system user)."""

    how: Literal["me", "namespace", "user"]
    uid: int
    gid: int


@dataclass(frozen=True)
class Home:
    """The files of one embedded server. Everything is below `root`, except keys and lock, which stay in the data folder."""

    data: Path
    root: Path

    @property
    def cluster(self) -> Path:
        """What PostgreSQL calls its data directory."""
        return self.root / "postgres"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.data / "postgres.log"

    @property
    def lock(self) -> Path:
        """Whoever holds the lock on this file owns the server."""
        return self.data / "postgres.lock"

    @property
    def restoring(self) -> Path:
        """There while a backup is read back: what stands beside it is not whole, and was made by that restoration."""
        return self.data / "restoring"

    @property
    def sockets(self) -> Path:
        """The folder of the socket: short enough for the kernel, and only ours."""
        folder = self.root / "socket"
        if len(os.fsencode(folder / ".s.PGSQL.5432")) <= _LONGEST_SOCKET:
            return folder
        runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        short = Path(runtime) / f"daozhang-{os.getuid()}-{_digest(self.data)}"
        return short if len(os.fsencode(short / ".s.PGSQL.5432")) <= _LONGEST_SOCKET else Path("/tmp") / short.name  # noqa: S108 -- private_folder() checks owner and mode

    def major(self) -> int | None:
        """The version of the cluster that is there, or None."""
        try:
            return int((self.cluster / "PG_VERSION").read_text("ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as fault:
            raise ServerTrouble(f"PG_VERSION in {self.cluster} cannot be read: {type(fault).__name__}") from None

    def password(self, role: Role) -> str:
        """The password of a role. Raises `ServerTrouble` when it was never made."""
        try:
            return (self.data / "passwords" / ROLES[role]).read_text("ascii").strip()
        except (OSError, ValueError) as fault:
            raise ServerTrouble(f"the password file of {ROLES[role]} cannot be read: {type(fault).__name__}") from None

    def make_passwords(self) -> None:
        """Make what is missing, each in a file that only we can read."""
        private_folder(self.data / "passwords")
        for name in ROLES.values():
            file = self.data / "passwords" / name
            if not file.exists():
                fresh = file.with_suffix(".new")
                fresh.unlink(missing_ok=True)
                with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
                    out.write(secrets.token_hex(24))
                    out.flush()
                    os.fsync(out.fileno())
                fresh.rename(file)


def find_home(data: Path) -> Home:
    """The home that belongs to a data folder: below it, or below `/var/lib/daozhang` where only a system user can run it."""
    data = data.absolute()
    elsewhere = SYSTEM_HOME / _digest(data)
    if not (data / "postgres" / "PG_VERSION").exists() and (elsewhere / "postgres" / "PG_VERSION").exists():
        return Home(data, elsewhere)
    return Home(data, data)


def run_as(home: Home) -> RunAs:
    """As whom PostgreSQL is to run for this home. Raises `ServerTrouble` when the data belongs to someone we cannot be."""
    owner = home.cluster.stat().st_uid if home.cluster.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise ServerTrouble(f"{home.cluster} belongs to user {owner}; start as that user")
        return RunAs("me", os.geteuid(), os.getegid())
    if home.root != home.data:
        entry = system_user()
        return RunAs("user", entry.pw_uid, entry.pw_gid)
    if owner not in (None, 0):
        # A folder that a normal user made can be served on behalf of that user: root may become anyone.
        return RunAs("user", owner, home.cluster.stat().st_gid)
    if namespaces_work():
        return _in_namespace()
    if owner == 0:
        raise ServerTrouble(
            "this machine refuses user namespaces, in which this cluster was made; run as a normal user, or restore a backup"
        )
    entry = system_user()
    return RunAs("user", entry.pw_uid, entry.pw_gid)


def settle_home(home: Home, who: RunAs) -> Home:
    """Make the folders. Where only a system user can run the server, everything but keys and lock moves to where it may go."""
    private_folder(home.data)
    if who.how == "user" and home.major() is None:
        home = Home(home.data, SYSTEM_HOME / _digest(home.data))
        SYSTEM_HOME.mkdir(mode=0o755, exist_ok=True)
        private_folder(home.root)
    private_folder(home.sockets)
    if who.how == "user":
        for folder in (home.sockets, *([home.root] if home.root != home.data else [])):
            os.chown(folder, who.uid, who.gid)
    return home


def private_folder(folder: Path) -> None:
    """Make a folder with mode 0700, or make sure that the one that is there is ours and closed to others."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) and not (folder.is_symlink() and folder.is_dir()):
        raise ServerTrouble(f"{folder} is not a folder")
    if os.geteuid() not in (0, found.st_uid):
        raise ServerTrouble(f"{folder} belongs to user {found.st_uid}")
    if stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def namespaces_work() -> bool:
    """Whether a process of ours may enter a user namespace."""
    who = _in_namespace()
    order = launch_command([], who, signal=0)
    return subprocess.run(order, check=False, timeout=20, stderr=subprocess.DEVNULL).returncode == 0  # noqa: S603


def launch_command(argv: list[str], who: RunAs, *, signal: int, keep: tuple[str, ...] = ()) -> list[str]:
    """The command line that becomes `argv` as `who`; `signal` reaches it when the starting thread ends.

    Of the environment it keeps what `keep` names, beside what every program of PostgreSQL is given.
    """
    order = {
        "parent": os.getpid(), "signal": signal, "as": [who.how, who.uid, who.gid], "argv": argv, "tunables": IN_HUGE_PAGES,
        "keep": keep,
    }  # fmt: skip
    return [sys.executable, "-I", "-S", launch.__file__, json.dumps(order)]


def system_user() -> pwd.struct_passwd:
    """The system user `daozhang`, made when it is missing (as root)."""
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--home-dir", str(SYSTEM_HOME), "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            raise ServerTrouble(f"the system user {SYSTEM_USER} cannot be made; make it, or run as a normal user") from None
    return pwd.getpwnam(SYSTEM_USER)


def _in_namespace() -> RunAs:
    # initdb looks its own user up by number, so the number must be one that /etc/passwd knows.
    for entry in pwd.getpwall():
        if 0 < entry.pw_uid < 65534:
            return RunAs("namespace", entry.pw_uid, entry.pw_gid)
    raise ServerTrouble("/etc/passwd names no user but root")


def _digest(data: Path) -> str:
    return hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
