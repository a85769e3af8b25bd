"""One PostgreSQL per test session and worker; each test that asks gets a database of its own, cloned from a migrated template."""

import functools
import gc
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
from tests.copies import Copies, open_copies
from tests.daytime import within_one_day

from daozhang import clock
from daozhang.channels.catalogue import KINDS
from daozhang.identity.hashing import Hasher
from daozhang.postgres import Database
from daozhang.postgres.cluster import SETTINGS
from daozhang.postgres.migrate import migrate
from daozhang.postgres.supervisor import Supervisor
from daozhang.postgres.throwaway import throwaway
from daozhang.reasons import catalogue
from daozhang.settings import Settings

MEMORY, MEMORY_BYTES = Path("/dev/shm"), 2 * 1024**3
"""Where what a test throws away waits for no disk, if it has room for some servers of 100 MB side by side."""

FEW = ("daozhang.months_ahead", "1")
"""Partitions of the last month, this one and the next: a shop that moves its clock makes those that it comes to."""

# The suite is the same for everybody, so that its red is its own change's; the long counts of `make chaos` draw new stories.
LONG = bool(os.environ.get("DAOZHANG_LONG"))
SEED = int(os.environ.setdefault("DAOZHANG_SEED", str(secrets.randbelow(2**31)) if LONG else "20260521"))

hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("new", deadline=None)
hypothesis.settings.load_profile("new" if LONG else "same")


_REAL_HASHES = dict(Hasher.__init__.__kwdefaults__ or {})


gc.disable()


def pytest_collection_finish() -> None:
    """Seven thousand tests stay until the end: neither while they are made nor later are they looked through for waste.

    What stories leave behind is looked for rarely: it was a tenth of what they cost, and they leave little.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


def pytest_report_header() -> str:
    """The seed of everything random in this run, so that a failure can be run again."""
    return f"daozhang seed: {SEED}"


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed printed at the head of the run."""
    return SEED


@pytest.fixture(scope="session", autouse=True)
def _each_key_is_read_once() -> Iterator[None]:
    """Reading a private key proves its primes, 36 ms each time: of opening a shop, which reads four to six, that is most.

    What is not a key, or is refused, is read every time.
    """
    with pytest.MonkeyPatch.context() as patched:
        for kind in KINDS:
            module = sys.modules[f"daozhang.channels.kinds.{kind}.keys"]
            for name in ("load_pem_private_key", "load_der_private_key"):
                if hasattr(module, name):
                    patched.setattr(module, name, functools.cache(getattr(module, name)))
        yield


@pytest.fixture(scope="session", autouse=True)
def _passwords_are_hashed_lightly() -> Iterator[None]:
    """27 ms for each password of each story, and again with each log-in. Who asks for `real_hashes` has what production has."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Hasher.__init__, "__kwdefaults__", _REAL_HASHES | {"memory_kib": 64, "passes": 1})
        yield


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords as in production."""
    monkeypatch.setattr(Hasher.__init__, "__kwdefaults__", _REAL_HASHES)


@pytest.fixture(scope="session", autouse=True)
def _what_is_thrown_away_is_in_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Temporary folders of the tests and of the processes they start: what is killed in them is a process, never the machine.

    What pytest keeps of the last runs (`tmp_path`) stays on the disk.
    """
    tmp_path_factory.getbasetemp()
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES):
        yield
        return
    folder = tempfile.mkdtemp(prefix="dz-", dir=MEMORY)
    Path(folder).chmod(0o1777)  # as /tmp is: some programs run as another user
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", folder)
        patched.setattr(tempfile, "tempdir", folder)
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def few_months() -> Iterator[None]:
    """What begins a server in the test's own process has partitions of three months, not of fourteen, as the worker's has.

    Making them, and planning over them, was nearly half of what a small bench or the demo's tour cost.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(SETTINGS, *FEW)
        yield


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[Supervisor]:
    """A PostgreSQL of this worker's own, with a migrated template database."""
    async with throwaway(fsync=False, conf=dict([FEW])) as running:
        await migrate(running.dsn("owner"))
        yield running


@pytest.fixture(scope="session")
async def copies(server: Supervisor) -> AsyncIterator[Copies]:
    """Who makes copies of the template, over one connection for all of them."""
    async with open_copies(server) as made:
        yield made


@pytest.fixture
async def fresh(copies: Copies, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The name of a fresh, migrated database. Its clock may be shifted where `free_clock` is asked for."""
    async with copies.copy(free_clock="free_clock" in request.fixturenames) as name:
        yield name


@pytest.fixture
def free_clock() -> None:
    """Allow the clock of the fresh database to be shifted: it is a copy of a template that allows it."""


@pytest.fixture
async def database(server: Supervisor, fresh: str) -> AsyncIterator[Database]:
    """A fresh database as the running program sees it (role `daozhang_app`)."""
    opened = await Database.open(server.dsn("app", fresh))
    yield opened
    await opened.close()


@pytest.fixture
async def one_day(database: Database, free_clock: None) -> AsyncIterator[None]:
    """What the story counts by the day falls on one: a run that begins before midnight in Shanghai has it tomorrow."""
    await within_one_day(database)
    yield
    clock.shift(0)


@pytest.fixture
async def owner_database(server: Supervisor, fresh: str) -> AsyncIterator[Database]:
    """The same database as the role that owns it."""
    opened = await Database.open(server.dsn("owner", fresh), size=3)
    yield opened
    await opened.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a program under test: its own data folder, test mode on."""
    return Settings(data=tmp_path / "data", test_mode=True)


@pytest.fixture(autouse=True)
def _reasons_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason given without its facts, or one that nobody wrote, is our own bug: here it fails, in production it is logged."""

    def fail(bug: str) -> None:
        raise AssertionError(bug)

    monkeypatch.setattr(sys.modules[catalogue.__module__], "our_bug", fail)
