"""The shop behind the page tests."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.web.stage import Stage, open_stage
from tests.web.test_sessions import Browser

from daozhang.postgres import Database
from daozhang.providers import rows
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol
from daozhang.web.doors import make_app


@pytest.fixture(scope="session")
def enrolment() -> Enrolment:
    """Merchant keys, made once: it takes a third of a second."""
    return enrol()


@pytest.fixture
async def stage(database: Database, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Stage]:
    """A shop with one user and one channel at a simulator of its own."""
    async with open_stage(database, settings, enrolment=enrolment) as made:
        yield made


@pytest.fixture
def shop_app(stage: Stage) -> Any:
    """The pages of that shop."""
    return make_app(stage.house)


@pytest.fixture
async def buyer(shop_app: Any) -> Browser:
    """The user, logged in, reading English."""
    browser = Browser(shop_app)
    await browser.login()
    return browser


@pytest.fixture
async def services(stage: Stage) -> None:
    """The simulated messenger, face service and register of names, as an operator enters them."""
    program = stage.shop.program
    for card in stage.shop.sim.services.cards():
        await rows.add(program.database, program.vault, stage.house.settings, 1, rows.ProviderSettings(**card))  # type: ignore[arg-type]
