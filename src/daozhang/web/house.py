"""What the doors need to do their work: the services of the house, handed in once when the program starts."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from daozhang.postgres import Database
from daozhang.settings import Settings

if TYPE_CHECKING:
    from daozhang.cases import Cases
    from daozhang.channels.registry import Registry
    from daozhang.diagnosis import Claims, Diagnoses
    from daozhang.events.hub import Hub
    from daozhang.goods.buy import Purchases
    from daozhang.identity import Identity, Limiter, LoggedIn, Visitor
    from daozhang.identity.by_code import ByCode
    from daozhang.identity.devices import Devices
    from daozhang.identity.enrolment import Enrolment
    from daozhang.identity.faces import Faces
    from daozhang.identity.regain import Regain
    from daozhang.identity.second_step import SecondStep
    from daozhang.identity.verify import Verifications
    from daozhang.mine import Leaving
    from daozhang.mine.outward import Outward
    from daozhang.policy.books import Books
    from daozhang.policy.regulation import InForce
    from daozhang.recharge.challenge import Challenges
    from daozhang.recharge.choice import Choice
    from daozhang.recharge.deceived import Deceived
    from daozhang.recharge.desk import Desk
    from daozhang.status import Board, History
    from daozhang.web.console.services import Console


class Situation(Protocol):
    """A situation of the demo that was just made: a session in it, and where it is met."""

    @property
    def login(self) -> "LoggedIn":
        """The session of the user who is in it."""

    @property
    def path(self) -> str:
        """Where it is met."""


class Tour(Protocol):
    """The demo's guided tour; None in a real shop."""

    def causes(self) -> Sequence[Any]:
        """The causes of failure that can be met, in order (`demo/causes.py`)."""

    async def stage(self, cause_id: str, visitor: "Visitor") -> Situation:
        """Put a fresh user into a situation. Raises KeyError for one that there is not."""


@dataclass(frozen=True)
class House:
    """The services. `closing` is set when the program is asked to stop, so that open streams end and nobody waits for them."""

    settings: Settings
    database: Database
    identity: "Identity"
    limiter: "Limiter"
    desk: "Desk"
    hub: "Hub"
    channels: "Registry"
    board: "Board"
    history: "History"
    cases: "Cases"
    diagnoses: "Diagnoses"
    claims: "Claims"
    choice: "Choice"
    verifications: "Verifications"
    deceived: "Deceived"
    challenges: "Challenges"
    by_code: "ByCode"
    devices: "Devices"
    faces: "Faces"
    regain: "Regain"
    enrolment: "Enrolment"
    second_step: "SecondStep"
    outward: "Outward"
    books: "Books"
    purchases: "Purchases"
    leaving: "Leaving"
    console: "Console | None" = None
    """What the desk of the staff needs beside; without it there is no desk."""
    shop_id: int = 1
    shop_name: str = ""
    """The shop's own name in the bar; empty = the name of the house in the reader's language."""
    phone_url: Callable[[str], str] | None = None
    """In demo and tests: the address of the simulated phone that opens a payment's payload. None in production."""
    regulated: "Callable[[], Sequence[InForce]]" = tuple
    """The rows of regulation in force, as of a second ago; they are known while the database is away."""
    tour: Tour | None = None
    """In the demo: the guided page with its situations."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
