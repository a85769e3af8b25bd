"""A data folder, and programs at work in it that end with the test."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.postgres.running import PATIENCE_S, Program, gone_within


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder below a folder that only its owner may enter, as a home often is."""
    folder = Path(tempfile.mkdtemp(prefix="dz-"))
    yield folder / "data"
    gone_within(folder / "data", PATIENCE_S)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def started() -> AsyncIterator[list[Program]]:
    """Programs that the test started: none survives it."""
    programs: list[Program] = []
    yield programs
    for program in programs:
        if program.process.poll() is None:
            program.kill()
