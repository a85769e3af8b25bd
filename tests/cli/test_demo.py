"""The demo as a person starts it, stops it and starts it again: every simulated channel is registered once, with the same keys."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daozhang.bench.ports import free_port
from daozhang.simulators.stations import KNOWN


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="dz-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


async def run(data: Path, ports: tuple[int, int], told: str) -> list[str]:
    """Start the demo, wait until it says `told`, stop it in peace; what it said."""
    ours = {"DAOZHANG_DATA": str(data), "DAOZHANG_PORT": str(ports[0]), "DAOZHANG_SIMULATOR_PORT": str(ports[1])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daozhang", "demo", env=os.environ | ours, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines: list[str] = []
    while not any(told in line for line in lines):
        line = await process.stdout.readline()
        assert line, lines
        lines.append(line.decode())
    process.terminate()
    await process.wait()
    return lines


async def listed(data: Path, what: str) -> list[dict[str, Any]]:
    """The rows that `daozhang WHAT list` reports."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daozhang", what, "list", "--json",
        env=os.environ | {"DAOZHANG_DATA": str(data)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    found: list[dict[str, Any]] = json.loads(said.splitlines()[-1])[f"{what}s"]
    return found


async def test_a_demo_that_is_started_again_finds_its_channels(place: Path) -> None:
    first = (free_port(), free_port())
    said = "".join(await run(place, first, "Ctrl+C"))
    assert f"http://127.0.0.1:{first[0]}" in said
    assert f"http://127.0.0.1:{first[1]}/phone" in said
    before = await listed(place, "channel")
    assert sorted(row["kind"] for row in before if row["enabled"]) == sorted(KNOWN)
    assert await listed(place, "alarm") == []
    keys = json.loads((place / "simulator" / "card.json").read_text("utf-8"))["channels"]
    second = (first[0], free_port())
    await run(place, second, "Ctrl+C")
    after = await listed(place, "channel")
    assert [row["id"] for row in after] == [row["id"] for row in before]
    assert all(row["enabled"] and row["hosts"] == [f"http://127.0.0.1:{second[1]}"] for row in after)
    again = json.loads((place / "simulator" / "card.json").read_text("utf-8"))["channels"]
    assert [card["keys"] for card in again] == [card["keys"] for card in keys]
