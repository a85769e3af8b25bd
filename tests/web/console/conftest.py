"""People of the shop, each with a browser of their own and a telephone that knows the codes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.web.conftest import buyer, enrolment, shop_app, stage
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang import clock
from daozhang.identity import Visitor, totp
from daozhang.identity.staff import Papers

__all__ = ["Colleague", "Hire", "buyer", "enrolment", "hire", "shop_app", "stage"]


class Colleague:
    """Somebody at the desk. `papers` are what the operator handed over."""

    def __init__(self, browser: Browser, papers: Papers) -> None:
        self.browser, self.papers = browser, papers
        self._step = 0

    @property
    def actor(self) -> str:
        """How the person stands in the books."""
        return f"staff:{self.papers.staff_id}"

    def code(self) -> str:
        """A code that was not used yet."""
        self._step = max(totp.step_at(clock.now_s()), self._step + 1)
        return totp.code_of(self.papers.secret, self._step)

    async def get(self, path: str) -> Any:
        """Open a page of the desk."""
        return await self.browser.get(path)

    async def do(self, page: str, path: str, **fields: str) -> Any:
        """Send a form that stands on a page."""
        return await self.browser.submit(page, path, **fields)


Hire = Callable[..., Awaitable[Colleague]]


@pytest.fixture
def hire(stage: Stage, shop_app: Any) -> Hire:
    """Hire somebody for some roles, logged in unless told otherwise. A session is opened without the form: hashing takes time."""
    console = stage.house.console
    assert console is not None

    async def hired(name: str, *roles: str, form: bool = False) -> Colleague:
        papers = await console.staff.add(1, name, roles, "test")
        made = Colleague(Browser(shop_app, ip="203.0.113.20"), papers)
        if form:
            return made
        visitor = Visitor("203.0.113.20", "203.0.113.0/24")
        opened = await console.staff.login(1, name, papers.password, made.code(), visitor)
        made.browser.jar["__Host-dz_desk"] = opened.token
        return made

    return hired
