"""A shop for each story, and the proof at its end: whatever happened, the books add up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.copies import Copies
from tests.flows.shop import Shop, open_shop

from daozhang.postgres import Database
from daozhang.postgres.supervisor import Supervisor
from daozhang.proof import prove
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol


@pytest.fixture(scope="session")
def enrolment() -> Enrolment:
    """One merchant for all stories: making its keys takes a moment."""
    return enrol()


@pytest.fixture(scope="session")
def stranger() -> Enrolment:
    """Another merchant of the same platform, with keys of its own."""
    return enrol("1900009999", "wx9999999999999999", "别家")


@pytest.fixture
async def shop(free_clock: None, database: Database, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop; after the story its books are proved."""
    async with open_shop(database, settings, enrolment=enrolment) as opened:
        yield opened
        await proved(database)


@pytest.fixture(scope="module")
async def stall(
    server: Supervisor, copies: Copies, enrolment: Enrolment, stranger: Enrolment, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """One shop for all the attacks of a file, which leave nothing behind: opening one for each takes longer than the attack."""
    settings = Settings(data=tmp_path_factory.mktemp("stall"), test_mode=True)
    async with (
        fresh_database(server, copies) as database,
        open_shop(database, settings, enrolment=enrolment, others=(stranger,)) as opened,
    ):
        yield opened
        await proved(database)


@asynccontextmanager
async def fresh_database(server: Supervisor, copies: Copies) -> AsyncIterator[Database]:
    """A database of its own, whose clock may be shifted, for whatever outlives one test."""
    async with copies.copy(free_clock=True) as name:
        opened = await Database.open(server.dsn("app", name))
        yield opened
        await opened.close()


async def let_time_pass(owner_database: Database) -> None:
    """Allow the clock of a database to be shifted."""
    await owner_database.transact(lambda tx: tx.run("update clock_offset set test_mode = true"))


async def proved(database: Database) -> None:
    """The whole book adds up."""
    proof = await prove(database)
    assert proof.ok, [check for check in proof.checks if check.wrong]


LEDGER = {"transfers_balance", "balances_are_postings", "running_balances", "floors", "books_sum_to_zero", "facts_booked_once"}


async def adds_up(database: Database) -> None:
    """The ledger alone adds up: for tests that book without an order or a payment behind it."""
    checks = {check.name: check for check in (await prove(database)).checks}
    assert [checks[name] for name in LEDGER if checks[name].wrong] == []
