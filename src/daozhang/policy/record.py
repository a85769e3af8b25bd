"""A decision as it is kept: facts, verdicts, the book's version, and a hash over all of it, so that it can be replayed."""

import hashlib
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from daozhang import ids
from daozhang.policy.book import Book
from daozhang.policy.decide import decide
from daozhang.policy.model import Decision, Facts, Outcome, Stage, Verdict
from daozhang.postgres import Tx, statements

sql = statements("daozhang.policy")
_encode = msgspec.json.Encoder(order="deterministic").encode
_facts = msgspec.json.Decoder(Facts)
_verdicts = msgspec.json.Decoder(tuple[Verdict, ...])


class Record(msgspec.Struct, frozen=True):
    """One decision ready to be stored. The JSON texts are canonical: struct fields in order, dict keys sorted."""

    id: UUID
    decision: Decision
    facts: Facts
    facts_json: str
    verdicts_json: str
    alike: bytes | None
    """The hash of the verdicts' text, where others say just the same."""
    hash: bytes
    latency_us: int


def judged(stage: Stage, facts: Facts, book: Book, record_id: UUID | None = None) -> Record:
    """Decide, encode and hash; `latency_us` is what that took."""
    began_ns = time.perf_counter_ns()
    decision = decide(stage, facts, book)
    facts_json, (verdicts_json, verdicts_text, alike) = _encode(facts), _told(decision.verdicts)
    digest = _digest(stage, decision.outcome, decision.reason, book.version, facts_json, verdicts_json)
    took_us = (time.perf_counter_ns() - began_ns) // 1000
    return Record(record_id or ids.new_id(), decision, facts, facts_json.decode(), verdicts_text, alike, digest, took_us)


_MOST_TOLD = 256


class _Text(NamedTuple):
    """Encoded verdicts: as bytes, as text, and the text's hash where several decisions share it."""

    content: bytes
    text: str
    hash: bytes | None


_told_before: dict[tuple[int, ...], tuple[tuple[Verdict, ...], _Text]] = {}


def _told(verdicts: tuple[Verdict, ...]) -> _Text:
    """Verdicts as they are kept. Most decisions are of the very objects that another was of (`plans.py`): those are encoded once.

    Objects are known by their identity, which nothing else can have while they are kept here. What nobody has said before is not
    said alike: a text of its own would cost more than it saves.
    """
    key = tuple(map(id, verdicts))
    known = _told_before.get(key)
    if known is not None:
        return known[1]
    if len(_told_before) >= _MOST_TOLD:
        _told_before.clear()
    content = _encode(verdicts)
    once = _Text(content, content.decode(), None)
    _told_before[key] = (verdicts, once._replace(hash=hashlib.sha256(content).digest()))
    return once


_COLUMNS = (
    "id", "shop_id", "user_id", "order_id", "stage", "outcome", "reason", "book_version", "facts", "verdicts", "hash", "latency_us",
    "at",
)  # fmt: skip
FEW = 16
"""Up to this many rows a prepared statement costs less than a COPY, which is parsed anew and takes two turns."""


async def store(tx: Tx, records: Sequence[tuple[UUID | None, Record]]) -> None:
    """Keep decisions, each with the order it is about, in the transaction that acts on them."""
    rows = [_row(order_id, record) for order_id, record in records]
    if len(rows) > FEW:
        await tx.copy("decisions", _COLUMNS, rows)
    elif rows:
        await tx.run(sql.keep_decisions, *map(list, zip(*rows, strict=True)))


def _row(order_id: UUID | None, record: Record) -> tuple[Any, ...]:
    decision, facts = record.decision, record.facts
    return (
        record.id, facts.shop_id, facts.user_id, order_id, decision.stage, decision.outcome, decision.reason,
        decision.book_version, record.facts_json, record.verdicts_json, record.hash, record.latency_us, facts.at,
    )  # fmt: skip


def read_facts(content: str) -> Facts:
    """The facts of a stored decision."""
    return _facts.decode(content)


def read_verdicts(content: str) -> tuple[Verdict, ...]:
    """The verdicts of a stored decision. Their facts are plain JSON: moments are texts."""
    return _verdicts.decode(content)


def replay(row: Any, book: Book) -> Decision:
    """Decide a stored decision again from its own facts; `book` is the version that it names."""
    return decide(Stage(row["stage"]), read_facts(row["facts"]), book)


def intact(row: Any) -> bool:
    """Whether a stored decision still is what its hash says. JSON comes back reordered, so it is read and written canonically."""
    facts_json, verdicts_json = _encode(read_facts(row["facts"])), _encode(read_verdicts(row["verdicts"]))
    said = _digest(Stage(row["stage"]), Outcome(row["outcome"]), row["reason"], row["book_version"], facts_json, verdicts_json)
    return said == bytes(row["hash"])


def _digest(stage: Stage, outcome: Outcome, reason: str | None, version: int, facts_json: bytes, verdicts_json: bytes) -> bytes:
    return hashlib.sha256(_head(stage, outcome, reason, version) + facts_json + b"\n" + verdicts_json).digest()


@lru_cache(256)
def _head(stage: Stage, outcome: Outcome, reason: str | None, version: int) -> bytes:
    return f"{stage.value}\n{outcome.value}\n{reason or ''}\n{version}\n".encode()
