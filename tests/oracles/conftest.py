"""Both oracles, started once, and a simulator to judge."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.oracles.environment import alipay_node_command, alipay_python_command, node_command, python_command
from tests.oracles.oracle import Oracle
from tests.simulators.till import Door, Till

from daozhang.simulators.merchant import Enrolment, enrol
from daozhang.simulators.simulator import Simulator


@pytest.fixture(scope="session")
def enrolment() -> Enrolment:
    """A merchant with both key modes and two platform certificates in force."""
    return enrol(certificates=2)


@pytest.fixture(scope="session")
async def wechatpayv3() -> AsyncIterator[Oracle]:
    """The Python library."""
    async with Oracle("wechatpayv3", python_command()) as oracle:
        yield oracle


@pytest.fixture(scope="session")
async def axios() -> AsyncIterator[Oracle]:
    """The JavaScript library."""
    async with Oracle("wechatpay-axios-plugin", node_command()) as oracle:
        yield oracle


@pytest.fixture(scope="session")
async def alipay_python() -> AsyncIterator[Oracle]:
    """python-alipay-sdk."""
    async with Oracle("python-alipay-sdk", alipay_python_command()) as oracle:
        yield oracle


@pytest.fixture(scope="session")
async def alipay_node() -> AsyncIterator[Oracle]:
    """alipay-sdk for Node."""
    async with Oracle("alipay-sdk", alipay_node_command()) as oracle:
        yield oracle


@pytest.fixture(params=["wechatpayv3", "axios"])
def oracle(request: pytest.FixtureRequest) -> Oracle:
    """Each of them in turn."""
    found: Oracle = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def sim(enrolment: Enrolment) -> AsyncIterator[Simulator]:
    """The simulator that is judged."""
    async with Simulator(enrolment=enrolment) as running:
        yield running


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """Where its callbacks arrive."""
    async with Door() as opened:
        yield opened


@pytest.fixture
async def till(sim: Simulator, door: Door) -> AsyncIterator[Till]:
    """A merchant's hand-written side."""
    async with aiohttp.ClientSession() as session:
        yield Till(sim.url, sim.merchant, session, door.url)
