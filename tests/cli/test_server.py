"""The commands of the database from outside: real processes, exit codes, one JSON line."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.cli.ready import Ready

from daozhang import ids
from daozhang.bench.ports import free_port
from daozhang.postgres.home import find_home
from daozhang.postgres.supervisor import Supervisor


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="dz-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def daozhang(data: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run the command: its exit status, what it said, and what went wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "daozhang", *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "DAOZHANG_DATA": str(data), **environment},
    )
    return done.returncode, done.stdout, done.stderr


def last_line(said: str) -> dict[str, Any]:
    """The JSON line that a command ends with."""
    return dict(json.loads(said.strip().splitlines()[-1]))


def test_from_nothing_to_a_restored_backup(place: Path) -> None:
    data = place / "data"
    status, said, _ = daozhang(data, "migrate", "--dry-run", "--json")
    assert status == 0
    planned = last_line(said)
    assert planned["dry_run"]
    status, said, _ = daozhang(data, "migrate", "--json")
    assert status == 0
    assert [each["number"] for each in last_line(said)["migrations"]] == [each["number"] for each in planned["migrations"]]

    status, said, _ = daozhang(data, "doctor", "--json")
    seen = last_line(said)
    assert (status, seen["ok"]) in {(0, True), (1, False)}
    assert {each["light"] for each in seen["readings"] if each["name"] in {"fsync", "role", "migrations"}} == {"green"}

    status, said, _ = daozhang(data, "backup", str(place / "copy.dump"))
    assert status == 0
    assert "master key is NOT in this file" in said
    status, said, wrong = daozhang(data, "restore", str(place / "copy.dump"))
    assert status == 1
    assert "is not empty" in wrong
    status, said, _ = daozhang(place / "again", "restore", str(place / "copy.dump"), "--json")
    told = last_line(said)
    assert (status, told["ok"], told["master_key_present"], told["locked"]) == (0, True, False, "")
    assert (place / "again").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("arguments", "environment", "status"),
    [
        (("doctor",), {"DAOZHANG_PORT": "many"}, 2),
        (("migrate",), {"DAOZHANG_DATABASE": "postgresql://x:hidden@127.0.0.1:1/x"}, 1),
        (
            ("migrate",),
            {"DAOZHANG_DATABASE": "x", "DAOZHANG_DATABASE_OWNER": "postgresql://x:hidden@127.0.0.1:1/x?sslmode=disable"},
            1,
        ),
        (("migrate",), {"DAOZHANG_POSTGRES_BIN": "/nowhere"}, 1),
        (("backup",), {}, 2),
        (("restore", "/nowhere/at/all"), {}, 1),
        (("nonsense",), {}, 2),
        (("channel", "add", "/dev/zero"), {}, 1),
        (("prove",), {}, 1),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_a_status(
    place: Path, arguments: tuple[str, ...], environment: dict[str, str], status: int
) -> None:
    done, said, wrong = daozhang(place / "data", *arguments, **environment)
    assert done == status
    assert said + wrong
    assert "Traceback" not in said + wrong
    assert "hidden" not in said + wrong


@pytest.mark.parametrize(
    ("arguments", "environment", "status"),
    [(("prove",), {}, 1), (("doctor",), {"DAOZHANG_PORT": "many"}, 2), (("order", "show", "RC-1"), {}, 1)],
)
def test_a_program_that_asked_for_json_reads_why_nothing_was_done(
    place: Path, arguments: tuple[str, ...], environment: dict[str, str], status: int
) -> None:
    done, said, wrong = daozhang(place / "data", *arguments, "--json", **environment)
    assert done == status
    assert last_line(said) == {"ok": False, "error": wrong.removeprefix("daozhang: ").strip()}


async def test_a_database_without_its_shape_is_a_sentence(server: Supervisor, place: Path) -> None:
    """Nobody has migrated it, and we were not told who may: whatever needs the tables says so, and does not trip over them."""
    admin = await asyncpg.connect(server.dsn("superuser", "postgres"))
    name = f"bare{os.getpid()}"
    await admin.execute(f"create database {name} owner daozhang_owner")
    try:
        for words in (("prove", "--json"), ("channel", "list"), ("order", "show", f"RC-{ids.text26(ids.new_id())}"), ("work",)):
            told = await asyncio.to_thread(daozhang, place / "data", *words, DAOZHANG_DATABASE=server.dsn("app", name))
            assert told[0] == 1, words
            assert "run `daozhang migrate`" in told[2], words
            assert "Traceback" not in told[2], words
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


@pytest.mark.parametrize("content", ["", "kind = ", 'kind = "wechatpay"\nnonsense = 1', "[" * 100_000, "\0", "{}", "\ufeff"])
def test_a_channels_file_that_is_none_is_a_sentence(ready: Ready, place: Path, content: str) -> None:
    """Neither a trace nor anything of the file, which may hold a key."""
    file = place / "channel.toml"
    file.write_text(content, "utf-8")
    status, said, wrong = ready.run(place / "data", "channel", "add", str(file))
    assert (status, said) == (1, "")
    assert wrong.startswith("daozhang: channel.malformed: ")
    assert "Traceback" not in wrong


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_served_shop_that_is_told_to_stop_finishes_and_says_nothing(place: Path, sign: signal.Signals) -> None:
    """Its server ends after it, cleanly: no connection is lost on the way, and nothing is left running."""
    port = free_port()
    environment = {**os.environ, "DAOZHANG_DATA": str(place / "data"), "DAOZHANG_PORT": str(port)}
    serving = subprocess.Popen([sys.executable, "-m", "daozhang", "serve"], stderr=subprocess.PIPE, text=True, env=environment)
    assert up(port)
    serving.send_signal(sign)
    _, said = serving.communicate(timeout=600)
    assert serving.returncode == 0
    assert [line for line in said.splitlines() if '"level": "info"' not in line] == []
    assert not (find_home(place / "data").cluster / "postmaster.pid").exists()


def up(port: int) -> bool:
    """Wait until a program answers at its port."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60) as answer:
            return bool(answer.status == 200)
        time.sleep(0.05)
    return False
