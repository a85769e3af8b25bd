"""The driver's connection as we use it: nothing of a session to put back, and no price for what is known already."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import asyncpg
from asyncpg.protocol import protocol

FIRST_OWN_TYPE = 16_384
"""Numbers of types from here on are made by this database (FirstNormalObjectId)."""
_TYPES: dict[frozenset[int], Any] = {}
_NOTHING_ASKED = SimpleNamespace(name="none")
"""Stands for the statement that was not run: a named one, which leaves the driver's anonymous statement as it was."""
_LISTS: tuple[type, ...] = (list, tuple, set, frozenset, type({}.keys()), type({}.values()))


class Session(asyncpg.Connection):
    """A connection whose session holds nothing: no setting, lock, cursor or LISTEN of ours outlives its transaction.

    So there is nothing to put back when it returns to the pool, and a transaction saves a round trip and a walk over all settings.
    """

    def get_reset_query(self) -> str:
        """Nothing. A transaction that was left open is rolled back by the driver all the same."""
        return ""

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float) -> tuple[Any, Any]:  # noqa: ASYNC109 - the driver's own
        """What the driver asks the catalogue when a connection first meets an array: five times 10 ms amid somebody's payment.

        PostgreSQL's own types have the same numbers on every server, so one connection asks for all of the process.
        """
        wanted = frozenset(typeoids)
        if wanted in _TYPES:
            return _TYPES[wanted], _NOTHING_ASKED
        types, statement = await super()._introspect_types(typeoids, timeout)  # type: ignore[misc]
        if max(wanted) < FIRST_OWN_TYPE:
            _TYPES[wanted] = types
        return types, statement


def know_lists() -> None:
    """Let the driver know the entries of an array by their type.

    It asks two abstract classes about each entry of each array whether that is an array itself, which is half and more of what an
    array costs: 0.2 to 0.5 us an entry. What we send as arrays are Python's own lists, sets and views, and no others. A driver that
    asks in another way is left as it is.
    """
    for name in ("IterableABC", "SizedABC"):
        if hasattr(protocol, name):
            setattr(protocol, name, _LISTS)


know_lists()
