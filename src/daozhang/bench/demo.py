"""`demo`: how long the demo takes to be up, in a fresh folder and again in the same one, and what it holds in memory when idle.

Memory is the proportional share (PSS) of its processes, the program, the simulated channels, PostgreSQL with its connections, and
what they share in huge pages. Pages that several of them share count once. Processor time stands beside the clock's, which other
work on the machine stretches.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from daozhang.bench import BenchTrouble
from daozhang.bench.machine import machine
from daozhang.bench.ports import free_port

GOAL_S, GOAL_MIB = 5.0, 250.0
"""What a second start may take, and what the idle demo may hold."""
IDLE_S = 10.0
PATIENCE_S = 120.0
_LAST_LINE = b"Ctrl+C"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


async def bench() -> dict[str, Any]:
    """Start it twice. Raises `BenchTrouble` when it does not come up."""
    with tempfile.TemporaryDirectory(prefix="daozhang-", ignore_cleanup_errors=True) as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DAOZHANG_")},
            "DAOZHANG_DATA": str(Path(folder) / "data"),
            "DAOZHANG_PORT": str(free_port()),
            "DAOZHANG_SIMULATOR_PORT": str(free_port()),
        }
        first_s, _, _ = await _start(environment, idle_s=0)
        second_s, second_cpu_s, idle_mib = await _start(environment, idle_s=IDLE_S)
    return {
        "name": "demo",
        "figure": round(second_s, 2),
        "unit": "s until a second start is up",
        "yardstick": GOAL_S,
        "yardstick_is": "seconds that a start may take",
        "ratio": round(second_s / GOAL_S, 3),
        "first_start_s": round(first_s, 2),
        "second_start_cpu_s": round(second_cpu_s, 2),
        "idle_pss_mib": round(sum(idle_mib.values()), 1),
        "idle_pss_mib_of": idle_mib,
        "proof_ok": True,
        "ok": second_s < GOAL_S and sum(idle_mib.values()) < GOAL_MIB,
        "machine": machine(),
    }


async def _start(environment: dict[str, str], idle_s: float) -> tuple[float, float, dict[str, float]]:
    """Start the demo, let it be idle, end it: seconds until it is up, processor time until then, MiB by program."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daozhang", "demo", env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        await asyncio.wait_for(_until_up(process), PATIENCE_S)
        took_s, cpu_s = time.perf_counter() - began, sum(_cpu_s(pid) for pid in _tree(process.pid))
        await asyncio.sleep(idle_s)
        held: dict[str, float] = {}
        for pid in _tree(process.pid):
            name = _name(pid, process.pid)
            held[name] = round(held.get(name, 0.0) + _pss_mib(pid), 1)
        held["huge_pages"] = max(map(_huge_mib, _tree(process.pid)))
    except TimeoutError:
        raise BenchTrouble("the demo did not come up") from None
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
    return took_s, cpu_s, held


async def _until_up(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if _LAST_LINE in line:
            return
    raise BenchTrouble("the demo ended before it was up")


def _tree(pid: int) -> list[int]:
    """A process and all that come from it."""
    found = [pid]
    for each in found:
        # A process may end while we look: then it has no children any more.
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += [int(child) for child in task.read_text("ascii").split()]
    return found


def _name(pid: int, demo: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return "gone"
    return "program" if pid == demo else "simulators" if b"daozhang.simulators" in command else "postgres"


def _pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def _huge_mib(pid: int) -> float:
    """Memory shared in huge pages, which the kernel counts to nobody's share. A server and its children have one."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text("ascii", "replace").splitlines()
    except OSError:
        return 0.0
    ends = [line.split()[0].split("-") for line in lines if "anon_hugepage" in line]
    return sum(int(end, 16) - int(begin, 16) for begin, end in ends) / 2**20


def _cpu_s(pid: int) -> float:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(after_name[11]) + int(after_name[12])) * _TICK_S
