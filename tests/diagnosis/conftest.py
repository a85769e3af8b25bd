"""A shop for each story, with channels of every kind."""

from collections.abc import AsyncIterator

import pytest
from tests.flows.shop import Shop, open_shop

from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol


@pytest.fixture(scope="session")
def enrolment() -> Enrolment:
    """One merchant for all stories: making its keys takes a moment."""
    return enrol()


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop with WeChat Pay and Alipay."""
    async with open_shop(database, settings, enrolment=enrolment, kinds=("alipay",)) as opened:
        yield opened
