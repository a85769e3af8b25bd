"""The book of parameters. Its versions are immutable rows; the newest one is in force; each decision keeps its version."""

import hashlib
import time
from importlib import resources

import msgspec

from daozhang import clock
from daozhang.postgres import Database, statements

sql = statements("daozhang.policy")

FRESH_S = 2.0
"""How long a process may go on with the version it knows."""


class BadBook(ValueError):
    """Parameters that contradict each other, or a stored version whose content is not what its hash says."""


class AmountRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of one recharge and the amounts offered, all in fen."""

    min_fen: int
    max_fen: int
    presets_fen: tuple[int, ...]


class DayRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one user may recharge on one day of Shanghai, in fen."""

    max_fen: int


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of one version."""

    amount: AmountRules
    day: DayRules


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a shop's parameters."""

    shop_id: int
    version: int
    amount: AmountRules
    day: DayRules


def defaults() -> Parameters:
    """The parameters that a shop begins with. Raises `BadBook`."""
    return read_parameters(resources.files("daozhang.policy").joinpath("defaults.toml").read_bytes())


def read_parameters(content: bytes) -> Parameters:
    """Read and check parameters in TOML. Raises `BadBook` naming what is wrong."""
    try:
        return _checked(msgspec.toml.decode(content, type=Parameters))
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise BadBook(str(fault)) from None


def _checked(parameters: Parameters) -> Parameters:
    amount, day = parameters.amount, parameters.day
    rules = {
        "amount: 1 <= min_fen <= max_fen <= 9999999999": 1 <= amount.min_fen <= amount.max_fen <= 9_999_999_999,
        "amount: presets_fen rise and lie within the bounds": bool(amount.presets_fen)
        and sorted(set(amount.presets_fen)) == list(amount.presets_fen)
        and amount.min_fen <= amount.presets_fen[0]
        and amount.presets_fen[-1] <= amount.max_fen,
        "day: max_fen is at least the smallest recharge": day.max_fen >= amount.min_fen,
    }
    for rule, holds in rules.items():
        if not holds:
            raise BadBook(rule)
    return parameters


class Books:
    """The books of all shops, read when needed and kept for `FRESH_S` seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[int, int], Book] = {}
        self._current: dict[int, tuple[float, Book]] = {}

    async def current(self, shop_id: int) -> Book:
        """The version in force. A shop without one gets version 1 from the defaults. Raises `Unavailable`, `BadBook`."""
        seen = self._current.get(shop_id)
        if seen is not None and time.monotonic() - seen[0] < FRESH_S:
            return seen[1]
        row = await self._database.row(sql.newest_book, shop_id)
        if row is None:
            await self.publish(shop_id, defaults(), version=1, author="daozhang", note="the defaults of the release")
            row = await self._database.row(sql.newest_book, shop_id)
            assert row is not None, shop_id
        book = self._read(shop_id, row["version"], row["parameters"], row["sha256"])
        self._current[shop_id] = (time.monotonic(), book)
        return book

    async def version(self, shop_id: int, version: int) -> Book | None:
        """One version, as a stored decision names it."""
        known = self._known.get((shop_id, version))
        if known is not None:
            return known
        row = await self._database.row(sql.one_book, shop_id, version)
        return None if row is None else self._read(shop_id, version, row["parameters"], row["sha256"])

    async def publish(self, shop_id: int, parameters: Parameters, *, version: int, author: str, note: str) -> bool:
        """Put a version in force; False when that number exists already (somebody was faster: look, then decide again)."""
        content = msgspec.json.encode(_checked(parameters))
        digest = hashlib.sha256(content).digest()
        made = await self._database.transact(
            lambda tx: tx.run(sql.add_book, shop_id, version, content.decode(), digest, author, note, clock.now())
        )
        self._current.pop(shop_id, None)
        return made == 1

    def _read(self, shop_id: int, version: int, content: str, digest: bytes) -> Book:
        if hashlib.sha256(content.encode()).digest() != digest:
            raise BadBook(f"version {version} of shop {shop_id} is not what its hash says")
        parameters = _checked(msgspec.json.decode(content, type=Parameters))
        book = Book(shop_id=shop_id, version=version, amount=parameters.amount, day=parameters.day)
        self._known[(shop_id, version)] = book
        return book
