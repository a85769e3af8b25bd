"""A shop for each story, and the proof at its end: whatever happened, the books add up."""

from collections.abc import AsyncIterator

import pytest
from tests.flows.shop import Shop, open_shop

from daozhang.postgres import Database
from daozhang.proof import prove
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol


@pytest.fixture(scope="session")
def enrolment() -> Enrolment:
    """One merchant for all stories: making its keys takes a moment."""
    return enrol()


@pytest.fixture
async def shop(database: Database, owner_database: Database, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop; after the story its books are proved."""
    await owner_database.transact(lambda tx: tx.run("update clock_offset set test_mode = true"))
    async with open_shop(database, settings, enrolment=enrolment) as opened:
        yield opened
        proof = await prove(database)
        assert proof.ok, [check for check in proof.checks if check.wrong]
