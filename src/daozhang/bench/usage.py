"""Processor time of processes, told by the kernel: it is steadier than the clock on a machine with other work."""

import os
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Seconds of processor time of a process, its living children and those that ended. 0 where `/proc` is not there."""
    own = _times(pid)
    return sum(own) + sum(sum(_times(each)) for each in _children(pid)) if own else 0.0


def _times(pid: int) -> tuple[float, ...]:
    """User and system time, then both of the children that were waited for."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ()
    return tuple(int(field) * _TICK_S for field in after_name[11:15])


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text("ascii").split()]
        except OSError:
            continue
    return found
