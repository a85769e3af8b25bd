"""Memory in huge pages: 2 MiB at a time instead of 4 KiB (docs/decisions/0114).

Interpreter and server walk over tens of megabytes for each order, and every small page that the processor has forgotten is looked
up in the page tables, in a virtual machine in two of them. Nothing here is needed: where the kernel, the C library or the rights
of the user do not allow for it, memory is what it always was.
"""

import logging
import os
import sys
from pathlib import Path

log = logging.getLogger(__name__)

IN_HUGE_PAGES = "glibc.malloc.hugetlb=1"
"""A tunable of the C library (glibc 2.35, "Memory Allocation Tunables"): what `malloc` takes is advised to be in huge pages."""
ONE_HEAP = "glibc.malloc.arena_max=1"
"""Threads of an interpreter take turns, so they need no heap each, which would begin with a huge page of its own."""
SHARED_PAGES = 512
"""Huge pages of shared memory that may be taken on demand, 1 GiB; PostgreSQL takes eighteen for 24 MB of buffers."""

_MODE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_ON_DEMAND = Path("/proc/sys/vm/nr_overcommit_hugepages")


def begin_in_huge_pages() -> None:
    """Begin this program anew with its memory in huge pages; return where that is so already, or is not to be had.

    The interpreter's own allocator asks the kernel for its memory by itself and advises nothing, so the C library's takes its
    place: that is said before an interpreter begins, in its environment. Whoever has set PYTHONMALLOC has decided already.
    """
    if not sys.executable or why_small():
        return
    tunables = [*filter(None, [os.environ.get("GLIBC_TUNABLES")]), IN_HUGE_PAGES, ONE_HEAP]
    environment = {**os.environ, "PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": ":".join(tunables)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606 -- ourselves, with our own arguments


def why_small() -> str:
    """Why a program that begins here has its memory in small pages; empty where it has it in huge ones."""
    if "PYTHONMALLOC" in os.environ:
        return "PYTHONMALLOC is set"
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        if name != "glibc" or tuple(map(int, version.split("."))) < (2, 35):
            return "the C library is not glibc 2.35 or later"
        return "" if "[madvise]" in _MODE.read_text("ascii") else f"{_MODE} does not say [madvise]"
    except ValueError:
        return "the C library is not glibc 2.35 or later"
    except OSError:
        return f"{_MODE} cannot be read"


def has_shared(pid: int) -> bool | None:
    """Whether a server has its shared memory in huge pages; None where nobody lets us see."""
    try:
        return "/anon_hugepage" in Path(f"/proc/{pid}/maps").read_text("utf-8", "replace")
    except OSError:
        return None


def allow_shared() -> None:
    """Let shared memory be taken in huge pages on demand, as root: none are set aside, and what is given back is free at once.

    PostgreSQL asks for them and goes on without ("huge_pages = try"). The kernel forgets the allowance when the machine restarts.
    """
    try:
        if int(_ON_DEMAND.read_text("ascii")) < SHARED_PAGES:
            _ON_DEMAND.write_text(str(SHARED_PAGES), "ascii")
            log.info("up to %d huge pages may be taken on demand (vm.nr_overcommit_hugepages)", SHARED_PAGES)
    except (OSError, ValueError) as fault:
        log.debug("huge pages of shared memory stay as they are: %s", type(fault).__name__)
