"""The values of identity that other rooms may hold."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Locale = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request comes from, as the web has worked it out. Tokens are what the browser's cookies held, unverified."""

    ip: str
    network: str
    agent: str = ""
    device_token: str = ""
    session_token: str = ""
    browser_token: str = ""
    """What tells this browser from every other one before anybody has logged in with it."""


@dataclass(frozen=True, slots=True)
class Session:
    """A logged-in browser of a user. `standing` is the one that holds now: active or frozen (a closed user has no session)."""

    id: UUID
    shop_id: int
    user_id: int
    device_id: UUID | None
    locale: Locale
    standing: Literal["active", "frozen"]
    standing_why: str | None
    standing_until: datetime | None
    standing_review_at: datetime | None
    verification: str
    created_at: datetime
    ends_at: datetime
    standing_office: str | None = None
    """The office that froze the account, never a person."""
    factor_due: bool = False
    """The user has a second factor, and it was not shown in this session within ten minutes."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A fresh session with what goes into the two cookies. The tokens are known nowhere else."""

    session_id: UUID
    user_id: int
    token: str
    device_token: str


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session in the list its owner sees. `address` is the client address it began from."""

    id: UUID
    agent: str
    address: str
    created_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session lives without being used, and at most."""

    idle_s: int
    whole_s: int


BUYER = Lifetime(idle_s=7 * 86_400, whole_s=30 * 86_400)
STAFF = Lifetime(idle_s=30 * 60, whole_s=12 * 3_600)
