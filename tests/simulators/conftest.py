"""A simulator, a merchant's till in front of it and a door for its callbacks."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.simulators.till import Door, Till

from daozhang.simulators.merchant import Enrolment, enrol
from daozhang.simulators.simulator import Simulator


@pytest.fixture(scope="session")
def enrolment() -> Enrolment:
    """A merchant with both key modes, made once because keys take time."""
    return enrol()


@pytest.fixture
async def sim(enrolment: Enrolment) -> AsyncIterator[Simulator]:
    """A simulator whose protocol time runs a thousand times faster."""
    async with Simulator(enrolment=enrolment) as running:
        yield running


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """Where callbacks arrive."""
    async with Door() as opened:
        yield opened


@pytest.fixture
async def till(sim: Simulator, door: Door) -> AsyncIterator[Till]:
    """A merchant's hand-written side."""
    async with aiohttp.ClientSession() as session:
        yield Till(sim.url, sim.merchant, session, door.url)
