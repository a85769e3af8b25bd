"""What each provider looks like from inside. Results reduce to few words, `unknown` among them; calls never raise for faults."""

from dataclasses import dataclass
from typing import Literal, Protocol

Purpose = Literal["sms", "email", "face", "identity", "supplier"]


@dataclass(frozen=True, slots=True)
class Sms:
    """A text message. `number` is ours, the same on every retry, so that a provider that knows it sends it once."""

    number: str
    to: str
    text: str

    def __repr__(self) -> str:
        """Never shows whom it goes to or what it says: it may hold a code."""
        return f"Sms(number={self.number!r})"


@dataclass(frozen=True, slots=True)
class Email:
    """A letter of plain text. `number` is ours, the same on every retry."""

    number: str
    to: str
    subject: str
    text: str

    def __repr__(self) -> str:
        """Never shows whom it goes to or what it says."""
        return f"Email(number={self.number!r})"


@dataclass(frozen=True, slots=True)
class FaceRequest:
    """Ask for a look at a face. The picture stays with the provider: we get a word, never an image."""

    number: str
    operation: str
    return_url: str
    name: str = ""
    identity_number: str = ""
    """With both the face is compared with the register's picture of this person; without, only that it is a living one."""

    def __repr__(self) -> str:
        """Never shows whose face."""
        return f"FaceRequest(number={self.number!r})"


@dataclass(frozen=True, slots=True)
class FaceSession:
    """Where the person is led for the look. `url` is empty unless the outcome is `success`."""

    outcome: Literal["success", "failure", "unknown"]
    url: str = ""
    provider_number: str = ""


class SmsProvider(Protocol):
    """Sends text messages."""

    async def send(self, message: Sms) -> Literal["success", "failure", "unknown"]:
        """`success` = taken on; whether it arrives nobody promises."""


class EmailProvider(Protocol):
    """Sends letters."""

    async def mail(self, letter: Email) -> Literal["success", "failure", "unknown"]:
        """`success` = taken on; whether it arrives nobody promises."""


class FaceProvider(Protocol):
    """Looks at faces."""

    async def begin(self, request: FaceRequest) -> FaceSession:
        """Begin a look."""

    async def result(self, number: str) -> Literal["passed", "failed", "pending", "unknown"]:
        """The outcome of a look at the face, by our number."""


@dataclass(frozen=True, slots=True)
class SupplyRequest:
    """Order `count` of `sku` for the account `target`. `number` is ours, the same on every retry."""

    number: str
    sku: str
    target: str
    count: int

    def __repr__(self) -> str:
        """Never shows whose account it is."""
        return f"SupplyRequest(number={self.number!r}, sku={self.sku!r}, count={self.count})"


@dataclass(frozen=True, slots=True)
class SupplyAnswer:
    """How an order stands. `absent`: the supplier never heard of the number. `serial` is its own number, `said` its word."""

    outcome: Literal["success", "failure", "pending", "unknown", "absent"]
    serial: str = ""
    said: str = ""


class SupplierProvider(Protocol):
    """Delivers direct top-ups."""

    async def supply(self, request: SupplyRequest) -> SupplyAnswer:
        """Order. The same number again is the same order; `failure` = it will not be delivered."""

    async def supplied(self, number: str) -> SupplyAnswer:
        """The outcome of an order, by our number."""


class IdentityProvider(Protocol):
    """Knows whether a name belongs to an identity number."""

    async def check(self, number: str, name: str, identity_number: str) -> Literal["match", "mismatch", "no_record", "unknown"]:
        """Compare. `number` is ours. Nothing of the two is kept by us for having asked."""
