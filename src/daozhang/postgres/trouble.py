"""What can go wrong with a server, in words for the operator."""

import socket

import asyncpg

DSN = (
    "the DSN cannot be read: it is postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE, more hosts parted by commas;"
    " within the password @ is written %40, : %3A and / %2F"
)
_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (asyncpg.TargetServerAttributeNotMatched, "no host of its DSN takes writes: each is a standby or read-only"),
    (asyncpg.InvalidCatalogNameError, "the server has no database of that name"),
    (asyncpg.InvalidAuthorizationSpecificationError, "the server refuses the role or its password"),
    (asyncpg.CannotConnectNowError, "the server is starting or stopping"),
    (asyncpg.TooManyConnectionsError, "the server has no connection left"),
    (socket.gaierror, "its host has no address"),
    (ConnectionRefusedError, "nobody listens there"),
    (TimeoutError, "it does not answer in time"),
    # Last: what the driver says of a text that is no DSN is any `ValueError`, and may repeat a part of the password;
    # a port that is none overflows.
    (ValueError, DSN),
    (OverflowError, DSN),
)


class ServerTrouble(Exception):
    """The embedded server cannot be made or started; the message is for the operator and holds no secret."""


def told(fault: BaseException, dsn: str) -> str:
    """Why a database could not be reached. Holds no secret: neither a DSN nor the driver's words about one."""
    said = next((words for kind, words in _WORDS if isinstance(fault, kind)), type(fault).__name__)
    if has_several_hosts(dsn) and isinstance(fault, OSError):
        # The driver tells of one host alone; another one may have answered and be a standby.
        return f"no host of its DSN takes writes (of one of them: {said})"
    return said


def has_several_hosts(dsn: str) -> bool:
    """Whether a DSN names more than one host."""
    return "," in dsn.rpartition("@")[2].partition("/")[0]
