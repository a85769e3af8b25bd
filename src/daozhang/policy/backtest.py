"""Back-test and statistics: what another version of the book would have decided about what really happened, with yuan.

Stored facts go through `decide` again, so a back-test is exact for rules over facts that were gathered then. What was stopped has
no outcome to learn from: a refused order may have been good or bad, so the figures name only confirmed losses. Windows are not
counted anew: another `large_fen`, `window_s` or `near_fen` shows its effect only once it has been in force.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from daozhang import clock, ids
from daozhang.policy.book import Book
from daozhang.policy.decide import decide, trial
from daozhang.policy.model import Outcome, Stage
from daozhang.policy.record import read_facts, read_verdicts
from daozhang.postgres import Database, statements

sql = statements("daozhang.policy")

PAGE_ROWS = 1_000
MOST = 1_000_000
"""Decisions that one back-test looks at."""
_FELT = frozenset({Stage.PLACE.value, Stage.PAID.value, Stage.SPEND.value, Stage.REFUND.value})
"""The stages whose decisions bind; who only asks beforehand moves nothing, and may ask as often as the answer changes."""


@dataclass(slots=True)
class Sum:
    """How many, and how much in fen."""

    count: int = 0
    fen: int = 0

    def add(self, amount_fen: int) -> None:
        """One more."""
        self.count += 1
        self.fen += amount_fen


@dataclass(slots=True)
class Backtest:
    """What would have changed. `losses_caught` are newly stopped orders that a person has since confirmed as fraud."""

    looked_at: int = 0
    same: int = 0
    newly_stopped: Sum = field(default_factory=Sum)
    newly_admitted: Sum = field(default_factory=Sum)
    losses_caught: Sum = field(default_factory=Sum)
    by_rule: dict[str, Sum] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


_Seen = set[tuple[str, Any]]
"""What was counted of an order already: it is judged when it is placed and when its money comes, and its yuan are there once."""


async def backtest(database: Database, candidate: Book, since: datetime) -> Backtest:
    """Judge every decision since a moment again: placings, payments, spendings and refunds, each by the rules of its stage.

    Rules on trial of the candidate are counted with the others. An order counts once under each heading, however often it was
    judged.
    """
    found, frauds = Backtest(), await _frauds(database)
    after = ids.first_at(since)
    seen: _Seen = set()
    while found.looked_at < MOST and (rows := await database.rows(sql.decisions_after, after, PAGE_ROWS)):
        for row in rows:
            if row["shop_id"] == candidate.shop_id and row["stage"] in _FELT:
                _compare(found, candidate, row, frauds, seen)
        after = rows[-1]["id"]
    return found


def _compare(found: Backtest, candidate: Book, row: Any, frauds: set[Any], seen: _Seen) -> None:
    facts, stage = read_facts(row["facts"]), Stage(row["stage"])
    again, amount_fen = decide(stage, facts, candidate), facts.amount_fen or 0
    found.looked_at += 1
    order_id = row["order_id"]

    def first(heading: str) -> bool:
        if order_id is None:
            return True
        new = (heading, order_id) not in seen
        seen.add((heading, order_id))
        return new

    hits = [
        v.check.removeprefix("rule.")
        for v in again.verdicts
        if v.check.startswith("rule.") and v.outcome not in (None, Outcome.ADMIT)
    ]
    for key in (*hits, *trial(stage, facts, candidate)):
        if first(key):
            found.by_rule.setdefault(key, Sum()).add(amount_fen)
    admitted = Outcome(row["outcome"]).rank <= Outcome.MONITOR.rank
    if admitted == again.admits:
        found.same += 1
        return
    if not first("stopped" if admitted else "admitted"):
        return
    (found.newly_stopped if admitted else found.newly_admitted).add(amount_fen)
    if admitted and order_id in frauds:
        found.losses_caught.add(amount_fen)
    if len(found.examples) < 10 and order_id:
        found.examples.append(f"RC-{ids.text26(order_id)}")


@dataclass(frozen=True, slots=True)
class RuleStatistics:
    """One rule since a moment: orders it hit and their sum, how many it stopped, how many of those a person let go, trial hits.

    An order counts once for each, however often it was judged: placed, let go, tried again, and when its money came.
    """

    key: str
    hits: int
    fen: int
    stopped: int
    overturned: int
    tried: int


async def statistics(database: Database, shop_id: int, since: datetime) -> list[RuleStatistics]:
    """Every rule that hit or was on trial, the busiest first."""
    hits, fen, stopped, overturned, tried = Counter[str](), Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    let_go = {row["order_id"] for row in await database.rows(sql.let_go_since, ids.first_at(since))}
    after = ids.first_at(since)
    hit, stops = set[tuple[str, Any]](), set[tuple[str, Any]]()
    while rows := await database.rows(sql.decisions_after, after, PAGE_ROWS):
        for row in rows:
            if row["shop_id"] != shop_id or row["stage"] not in _FELT or "rule." not in row["verdicts"]:
                continue
            amount_fen = read_facts(row["facts"]).amount_fen or 0
            for verdict in read_verdicts(row["verdicts"]):
                if not verdict.check.startswith("rule.") or verdict.outcome in (None, Outcome.ADMIT):
                    continue
                key = verdict.check.removeprefix("rule.")
                one = key, row["order_id"] or row["id"]
                if one not in hit:
                    hit.add(one)
                    hits[key] += 1
                    fen[key] += amount_fen
                if verdict.outcome is not None and verdict.outcome.rank > Outcome.MONITOR.rank and one not in stops:
                    stops.add(one)
                    stopped[key] += 1
                    overturned[key] += row["order_id"] in let_go
        after = rows[-1]["id"]
    for row in await database.rows(sql.trials_since, shop_id, since):
        tried[row["rule"]] += row["count"]
    keys = sorted({*hits, *tried}, key=lambda key: (-hits[key], -tried[key], key))
    return [RuleStatistics(key, hits[key], fen[key], stopped[key], overturned[key], tried[key]) for key in keys]


async def _frauds(database: Database) -> set[Any]:
    return {row["order_id"] for row in await database.rows(sql.frauds)}


def days_ago(days: int) -> datetime:
    """The moment that many days ago, at the earliest the one from which ids count."""
    return datetime.fromtimestamp(max(0, clock.now_s() - max(0, days) * 86_400), tz=clock.SHANGHAI)
