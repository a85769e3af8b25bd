"""What the books of every channel have: a SQLite file of their own, steps that happen whole, callbacks and each time one was sent.

A kind's own statements stand in its `books.sql`; those that are used here have the same names at every kind.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any, Generic, Protocol, TypeVar

from daozhang.simulators.watch import Watch

SENDS_KEPT = 200_000


class OnLadder(Protocol):
    """A callback on its ladder. `state`: waiting, sending, acknowledged, given_up, silenced, held."""

    @property
    def id(self) -> str:
        """What tells it from every other."""

    @property
    def number(self) -> str:
        """The merchant's number of what it tells about."""

    @property
    def step(self) -> int:
        """How many rungs it has climbed."""

    @property
    def state(self) -> str:
        """Where it stands."""


N = TypeVar("N", bound=OnLadder)


@dataclass(frozen=True, slots=True)
class Send:
    """One time a callback went out. `status` 0 = no answer. `flavour`: true, or the name of what was wrong with it on purpose."""

    id: int
    notice_id: str
    number: str
    at_s: float
    flavour: str
    status: int
    took_ms: float
    acknowledged: int


@dataclass(frozen=True, slots=True)
class Totals:
    """A count and its sum in fen."""

    count: int
    sum_fen: int


class Shelf(Generic[N]):
    """Books in a SQLite file, or in memory. Every method is one short synchronous step, so no two of them interleave.

    `package` is where `books.sql` lies, `notice` what a row of its callbacks becomes.
    """

    def __init__(self, path: str, watch: Watch, package: str, notice: type[N]) -> None:
        self._watch, self._notice = watch, notice
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        # The simulated channel may forget the last moments at a power cut; a killed process loses nothing.
        self._db.execute("pragma synchronous = normal")
        self._sql = _statements(package)
        self._db.executescript(self._sql["schema"])
        self._run("revive_notices", watch.now_s())

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def paid_totals(self) -> Totals:
        """How many payments were made, and the sum that payers were charged."""
        return Totals(*self._run("paid_totals").fetchone())

    def refund_totals(self) -> Totals:
        """How many refunds reached the payer, and their sum."""
        return Totals(*self._run("refund_totals").fetchone())

    def next_due_s(self) -> float | None:
        """When the next callback or refund is due; None when nothing waits."""
        due_s: float | None = self._run("next_due").fetchone()[0]
        return due_s

    def notices_due(self) -> list[N]:
        """Callbacks whose time has come."""
        return [self._notice(*row) for row in self._run("notices_due", self._watch.now_s())]

    def move_notice(self, notice: N, state: str, step: int, next_s: float | None) -> None:
        """Put a callback on another rung of its ladder, or take it off (`next_s` None)."""
        self._run("notice_next", notice.id, step, next_s, state)

    def wake_notices(self) -> None:
        """Make every waiting callback due now."""
        self._run("wake_notices", self._watch.now_s())

    def notices(self, number: str) -> list[N]:
        """The callbacks about a number of the merchant."""
        return [self._notice(*row) for row in self._run("notices_of", number)]

    def notice_counts(self) -> dict[str, int]:
        """Callbacks by state."""
        return dict(self._run("notice_counts"))

    def add_send(self, notice: N, flavour: str, status: int, took_ms: float, *, acknowledged: bool) -> None:
        """Write down one send. Only the last 200,000 are kept."""
        now_s = self._watch.now_s()
        row = self._run("add_send", notice.id, notice.number, now_s, flavour, status, took_ms, int(acknowledged)).fetchone()
        if row[0] % 10_000 == 0:
            self._run("trim_sends", row[0] - SENDS_KEPT)

    def sends(self, number: str) -> list[Send]:
        """Every time something was sent about a number of the merchant."""
        return [Send(*row) for row in self._run("sends_of", number)]

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All steps inside, or none."""
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            self._db.execute("rollback")
            raise

    def _run(self, name: str, *values: Any) -> sqlite3.Cursor:
        return self._db.execute(self._sql[name], values)


def _statements(package: str) -> dict[str, str]:
    text = resources.files(package).joinpath("books.sql").read_text("utf-8")
    blocks = (block.partition("\n") for block in text.split("-- name: ")[1:])
    return {name.strip(): statement.strip() for name, _, statement in blocks}
