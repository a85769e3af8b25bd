"""What goes out and what comes back, and the three ways in which nothing usable does."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class Fault(Exception):
    """No usable answer came. The text is a word for staff."""

    sent = True


class ConnectFault(Fault):
    """The connection or its TLS failed: the request was never sent."""

    sent = False


class TimeoutFault(Fault):
    """No whole answer within the deadline: the request may have been processed."""


class ReadFault(Fault):
    """The answer broke off, was too large, or was encoded in a way nobody asked for: the request may have been processed."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `target` is the path with its query, already encoded: it goes out as it is.

    `trace_header` (lower case) names the header of the answer that carries the other side's own number of this exchange.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    trace_header: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
