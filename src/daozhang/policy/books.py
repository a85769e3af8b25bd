"""The versions of the book: immutable rows, the newest one in force; each decision keeps the number of its version."""

import hashlib
import time

import msgspec

from daozhang import clock
from daozhang.policy.book import BadBook, Book, Parameters, canonical, checked, defaults, halved, make_book
from daozhang.postgres import Database, statements

sql = statements("daozhang.policy")

FRESH_S = 2.0
"""How long a process may go on with the version it knows."""
GATE_S = 60.0
"""How often confirmed losses are held against what was tolerated."""


class Books:
    """The books of all shops, read when needed and kept for `FRESH_S` seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made: dict[tuple[int, int], tuple[bytes, Book, Book]] = {}
        """Each version with its hash, and as it stands while losses outrun what was tolerated."""
        self._current: dict[int, tuple[float, Book]] = {}
        self._halved: dict[int, tuple[float, bool]] = {}

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
        if await self._losses_outrun(shop_id, book):
            book = self._made[shop_id, book.version][2]
        self._current[shop_id] = (time.monotonic(), book)
        return book

    def known(self, shop_id: int) -> Book | None:
        """The version that was last seen in force, for who is within a transaction and has asked for it just before."""
        seen = self._current.get(shop_id)
        return seen[1] if seen is not None else None

    async def version(self, shop_id: int, version: int) -> Book | None:
        """One version, as a stored decision names it."""
        known = self._made.get((shop_id, version))
        if known is not None:
            return known[1]
        row = await self._database.row(sql.one_book, shop_id, version)
        return None if row is None else self._read(shop_id, version, row["parameters"], row["sha256"])

    async def publish(self, shop_id: int, parameters: Parameters, *, version: int, author: str, note: str) -> bool:
        """Put a version in force; False when that number exists already (somebody was faster: look, then decide again)."""
        content = canonical(checked(parameters))
        digest = hashlib.sha256(content).digest()
        made = await self._database.transact(
            lambda tx: tx.run(sql.add_book, shop_id, version, content.decode(), digest, author, note, clock.now())
        )
        self._current.pop(shop_id, None)
        return made == 1

    async def _losses_outrun(self, shop_id: int, book: Book) -> bool:
        """The loss gate: whether losses of the last thirty days outrun what small amounts were tolerated for."""
        seen = self._halved.get(shop_id)
        if seen is None or time.monotonic() - seen[0] > GATE_S:
            outrun: bool = await self._database.value(sql.tolerance_halved, shop_id, book.tolerance.loss_permille)
            seen = self._halved[shop_id] = (time.monotonic(), outrun)
        return seen[1]

    def _read(self, shop_id: int, version: int, content: str, digest: bytes) -> Book:
        if hashlib.sha256(content.encode()).digest() != digest:
            raise BadBook(f"version {version} of shop {shop_id} is not what its hash says")
        known = self._made.get((shop_id, version))
        if known is not None and known[0] == digest:
            # What is compiled for a version is its worth: a book made anew would be compiled anew, amid somebody's order.
            return known[1]
        book = make_book(shop_id, version, checked(msgspec.json.decode(content, type=Parameters)))
        self._made[shop_id, version] = (digest, book, msgspec.structs.replace(book, tolerance=halved(book.tolerance)))
        return book
