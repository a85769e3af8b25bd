"""`kill -9` of the program, of the postmaster, of both: nothing acknowledged is lost and no orphan stays. Real processes."""

import asyncio
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import asyncpg
import pytest
from tests.patience import until
from tests.postgres.running import PATIENCE_S, Program, answers, find_pid, gone_within, grows, lost, with_kill

from daozhang.postgres.home import find_home
from daozhang.postgres.predecessor import at_work

ROUNDS = 3 * int(os.environ.get("DAOZHANG_CHAOS_FACTOR", "1"))
"""A tenth of what `make chaos` runs."""


async def test_ft_02_a_killed_postmaster_comes_back_by_itself_and_loses_nothing(
    data: Path, tmp_path: Path, started: list[Program]
) -> None:
    acks = tmp_path / "acks"
    started.append(Program(data, acks))
    said = started[0].hear()
    for _ in range(ROUNDS):
        await grows(acks, 30)
        os.kill(find_pid(data), signal.SIGKILL)
        await grows(acks, 1)
    count, missing = await lost(said["dsn"], acks)
    assert count >= 30 * ROUNDS
    assert not missing
    assert started[0].end() == 0


async def test_ft_02_the_whole_tree_killed_comes_back(data: Path, tmp_path: Path, started: list[Program]) -> None:
    acks = tmp_path / "acks"
    started.append(Program(data, acks))
    said = started[0].hear()
    for _ in range(ROUNDS):
        await grows(acks, 20)
        for pid in at_work(find_home(data).cluster):
            with_kill(pid)
        await grows(acks, 1)
    assert not (await lost(said["dsn"], acks))[1]


async def test_ft_02_backends_that_outlive_the_postmaster_are_ended_before_a_new_one_starts(
    data: Path, started: list[Program]
) -> None:
    started.append(Program(data))
    said = started[0].hear()
    busy = await asyncpg.connect(said["dsn"])
    # A loop in C that never waits does not notice that its postmaster is gone.
    query = asyncio.create_task(busy.execute("select count(*) from generate_series(1, 1000000000000)"))
    await until(lambda: at_work_on(said["dsn"], "select count(*) from generate_series%"))
    backends = set(at_work(find_home(data).cluster))
    os.kill(said["postmaster"], signal.SIGKILL)
    await answers(said["dsn"], PATIENCE_S)
    assert not backends & set(at_work(find_home(data).cluster))
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await query


async def test_ft_03_a_killed_program_leaves_no_orphan_and_the_next_start_works(
    data: Path, tmp_path: Path, started: list[Program]
) -> None:
    acks = tmp_path / "acks"
    for _ in range(ROUNDS):
        program = Program(data, acks)
        started.append(program)
        program.hear()
        await grows(acks, 20)
        program.kill()
        gone_within(data, PATIENCE_S)
    last = Program(data)
    started.append(last)
    count, missing = await lost(last.hear()["dsn"], acks)
    assert count >= 20 * ROUNDS
    assert not missing


async def test_ft_03_program_and_postmaster_killed_together(data: Path, tmp_path: Path, started: list[Program]) -> None:
    acks = tmp_path / "acks"
    for _ in range(ROUNDS):
        program = Program(data, acks)
        started.append(program)
        program.hear()
        await grows(acks, 20)
        os.kill(find_pid(data), signal.SIGKILL)
        program.kill()
    last = Program(data)
    started.append(last)
    assert not (await lost(last.hear()["dsn"], acks))[1]


async def test_ft_01_killed_at_random_points_it_resumes_within_seconds(
    data: Path, tmp_path: Path, started: list[Program], seed: int
) -> None:
    acks, dice = tmp_path / "acks", random.Random(seed)
    started.append(Program(data, acks))
    started[-1].hear()
    for _ in range(ROUNDS):
        await grows(acks, 1)
        await asyncio.sleep(dice.random() / 2)
        started[-1].kill()
        # The next one starts while the server of the last still shuts down, and waits for it.
        began = time.monotonic()
        started.append(Program(data, acks))
        dsn = started[-1].hear()["dsn"]
        await grows(acks, 1)
        assert time.monotonic() - began < 60
    count, missing = await lost(dsn, acks)
    assert count >= ROUNDS
    assert not missing


@pytest.mark.parametrize("damage", ["recycled", "zombie", "empty", "noise"])
async def test_ft_03_a_stale_pid_file_does_not_stop_the_next_start(data: Path, started: list[Program], damage: str) -> None:
    started.append(Program(data))
    started[0].hear()
    pid_file = find_home(data).cluster / "postmaster.pid"
    kept = pid_file.read_text("ascii").splitlines()
    os.kill(find_pid(data), signal.SIGKILL)
    started[0].kill()
    gone_within(data, PATIENCE_S)
    stranger = start_stranger("/bin/sleep", "3600") if damage == "recycled" else start_stranger("/bin/true")
    if damage == "zombie":
        await until(lambda: Path(f"/proc/{stranger.pid}/stat").read_text("ascii").rpartition(") ")[2].startswith("Z"))
    text = {"empty": "", "noise": "not a number\n"}.get(damage, "\n".join([str(stranger.pid), *kept[1:]]) + "\n")
    pid_file.write_text(text, "ascii")
    try:
        started.append(Program(data))
        assert started[1].hear()["owned"]
        assert damage != "recycled" or stranger.poll() is None, "a stranger's process was ended"
    finally:
        stranger.kill()
        stranger.wait()


async def test_two_processes_share_a_folder_and_the_second_takes_over(data: Path, tmp_path: Path, started: list[Program]) -> None:
    acks = tmp_path / "acks"
    for _ in range(2):
        started.append(Program(data, acks))
        started[-1].hear()
    assert [program.process.poll() for program in started] == [None, None]
    started[0].kill()
    assert started[1].hear()["owned"]
    await grows(acks, 20)
    started.append(Program(data))
    third = started[2].hear()
    assert not third["owned"]
    assert started[1].end() == 0
    assert started[2].hear()["owned"]
    assert not (await lost(third["dsn"], acks))[1]


async def test_many_processes_started_at_once_make_one_cluster(data: Path, started: list[Program]) -> None:
    started.extend(Program(data) for _ in range(3))
    said = [program.hear() for program in started]
    assert sum(line["owned"] for line in said) == 1
    assert len({line["postmaster"] for line in said}) == 1


async def at_work_on(dsn: str, query: str) -> bool:
    """Whether the server is just carrying out a statement like this."""
    look = await asyncpg.connect(dsn)
    seen = await look.fetchval("select count(*) from pg_stat_activity where state = 'active' and query like $1", query)
    await look.close()
    return bool(seen)


def start_stranger(*command: str) -> subprocess.Popen[bytes]:
    """A process that has nothing to do with us."""
    return subprocess.Popen(command)
