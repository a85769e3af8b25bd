"""Becomes `initdb`, `postgres` or `pg_dump`: a small program that prepares its own process and then replaces itself.

It runs alone in a fresh interpreter (`python -I -S launch.py JSON`), so that nothing has to happen between fork and exec of a
process with threads. It asks the kernel to be told when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG), and, since
PostgreSQL refuses to run as root, it first enters a user namespace in which root has another number (user_namespaces(7)), or
becomes another user. Changing credentials clears the parent-death signal, so that is asked for last.
"""

import ctypes
import json
import os
import sys

NO_NAMESPACE = 71
"""Exit status: the machine refuses user namespaces."""
NO_PARENT = 72
"""Exit status: the parent was gone before we began."""
NO_EXEC = 73
"""Exit status: the binary cannot be started."""

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def main() -> None:
    """Read the order from the command line.

    `parent` pid, `signal`, `argv`, `as` (`me`, `namespace` or `user`, uid, gid), `tunables`,
    and of the environment the names to `keep`.
    """
    order = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    who, uid, gid = order["as"]
    if who == "namespace":
        _enter_namespace(libc, uid, gid)
    elif who == "user":
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    libc.prctl(_PR_SET_PDEATHSIG, order["signal"], 0, 0, 0)
    if os.getppid() != order["parent"]:
        sys.exit(NO_PARENT)
    os.umask(0o077)
    argv = order["argv"]
    if not argv:
        return
    try:
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "GLIBC_TUNABLES": order["tunables"]}
        environment.update({name: os.environ[name] for name in order["keep"]})
        os.execve(argv[0], argv, environment)  # noqa: S606 - this is what we are for
    except OSError as fault:
        sys.stderr.write(f"{argv[0]}: {fault.strerror}\n")
        sys.exit(NO_EXEC)


def _enter_namespace(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER) != 0:
        sys.exit(NO_NAMESPACE)
    try:
        for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {outer_uid} 1"), ("gid_map", f"{gid} {outer_gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 -- pathlib would double our start time
                file.write(line)
    except OSError:
        sys.exit(NO_NAMESPACE)


if __name__ == "__main__":
    main()
