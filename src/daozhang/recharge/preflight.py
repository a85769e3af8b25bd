"""Pre-flight: would a recharge of this amount go, each way, and if not, why, until when, and what goes instead.

The same facts and the same checks as placing, with no effect: nothing is reserved, counted or used up. Checks whose criterion is
not published, and those of the law, are left out: they happen only when you pay. What was answered is kept as a decision of stage
`asked`, so that an answer can be held against what happened afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from daozhang.channels.registry import Registry
from daozhang.policy.book import Book
from daozhang.policy.decide import decide, stops
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Decision, Outcome, Stage, Verdict
from daozhang.policy.record import judged, store
from daozhang.policy.regulation import closed
from daozhang.postgres import Database
from daozhang.reasons.catalogue import Layer, catalogue
from daozhang.recharge.bonus import code_hash
from daozhang.recharge.model import Considered
from daozhang.recharge.quote import Board, standing_of
from daozhang.recharge.route import OPEN

Go = Literal["yes", "extra_step", "no"]
MOST_WAYS = 50
"""Ways to pay that one question may name."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the user with his device and address, as placing would see them."""

    shop_id: int
    user_id: int
    page_version: str
    device_id: UUID | None = None
    client_ip: str = ""
    bank: str | None = None
    instrument: str | None = None
    offer: int | None = None
    coupon: str = ""
    currency: str | None = None
    agreement: int | None = None
    """The version of the service agreement that is, or will be, ticked with the wish."""


@dataclass(frozen=True, slots=True)
class Because:
    """One cause that would stop the next try, as a reason of the catalogue with its facts."""

    reason: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One way to pay. `because` has what must be cured first at its head; `until` is when time alone cures it, if it does."""

    channel_id: int
    kind: str
    method: str
    go: Go
    because: tuple[Because, ...]
    until: datetime | None
    instead: tuple[tuple[int, str], ...]


async def consider(
    database: Database, book: Book, registry: Registry, board: Board | None, asker: Asker, amount_fen: int,
    ways: Sequence[tuple[int, str]] | None = None, besides: Sequence[UUID] = (),
) -> list[Considered]:  # fmt: skip
    """Judge some ways to pay, by default every one that is switched on, and keep nothing of it.

    `besides`: an order whose own use of the limits does not count, because it is the one to be paid another way.
    """
    asked, wishes, kinds = _wished(registry, board, asker, amount_fen, ways)
    facts = await gather(database, wishes, Stage.ASKED, book, besides=besides)
    return [
        Considered(channel_id, kinds.get((channel_id, method), "other"), method, decide(Stage.ASKED, each, book), each.at)
        for (channel_id, method), each in zip(asked, facts, strict=True)
    ]


async def preflight(
    database: Database, book: Book, registry: Registry, board: Board | None, asker: Asker, amount_fen: int,
    ways: Sequence[tuple[int, str]] | None = None,
) -> list[Answer]:  # fmt: skip
    """Answer for some ways to pay, by default for every one that is switched on. A way that is not there is answered, too."""
    # What regulation closes for this user is not among the ways; who asks about one of them by name is answered.
    shut = await closed(database, asker.shop_id, asker.user_id)
    every = [(row.id, method) for row in registry.enabled(asker.shop_id) if not shut.closes(row.kind) for method in row.methods]
    wanted = list(dict.fromkeys(every if ways is None else ways))[:MOST_WAYS]
    # Whoever asks about one way is told of the others, too, where it does not go: they are judged beside it and not kept.
    asked, wishes, kinds = _wished(registry, board, asker, amount_fen, [*wanted, *every])
    facts = await gather(database, wishes, Stage.ASKED, book)
    records = [judged(Stage.ASKED, each, book) for each in facts]
    mine = list(zip(asked, records, strict=True))[: len(wanted)]
    await database.transact(lambda tx: store(tx, [(None, record) for _, record in mine]))
    goes = [way for way, record in zip(asked, records, strict=True) if record.decision.admits]
    return [_answer(way, kinds.get(way, "other"), record.decision, record.facts.at, goes) for way, record in mine]


def answers(considered: Sequence[Considered]) -> list[Answer]:
    """Turn the judgements of `consider` into pre-flight answers."""
    goes = [(each.channel_id, each.method) for each in considered if each.decision.admits]
    return [_answer((each.channel_id, each.method), each.kind, each.decision, each.at, goes) for each in considered]


def _wished(
    registry: Registry, board: Board | None, asker: Asker, amount_fen: int, ways: Sequence[tuple[int, str]] | None
) -> tuple[list[tuple[int, str]], list[Wish], dict[tuple[int, str], str]]:
    """The ways that are asked about, a wish for each, and which kind each is of."""
    on = {(row.id, method): row for row in registry.enabled(asker.shop_id) for method in row.methods}
    asked = list(dict.fromkeys(ways if ways is not None else on))[:MOST_WAYS]
    standings = standing_of(board, asker.shop_id)
    wishes = []
    for channel_id, method in asked:
        seen = standings.get((channel_id, method), OPEN)
        wishes.append(
            Wish(
                asker.shop_id, asker.user_id, amount_fen, channel_id, method, asker.page_version, asker.page_version,
                bank=asker.bank, instrument=asker.instrument, device_id=asker.device_id, client_ip=asker.client_ip,
                channel_stop=seen.stop, channel_stop_facts=dict(seen.facts),
                offer=asker.offer, coupon=code_hash(asker.coupon), currency=asker.currency, agreement=asker.agreement,
                notify_door=seen.heard,
            )
        )  # fmt: skip
    return asked, wishes, {way: row.kind for way, row in on.items()}


def _answer(way: tuple[int, str], kind: str, decision: Decision, at: datetime, goes: Sequence[tuple[int, str]]) -> Answer:
    causes = stops(decision)
    go: Go = "yes" if decision.admits else "no" if decision.outcome is Outcome.REFUSE else "extra_step"
    because = tuple(Because(str(cause.reason), catalogue().get(str(cause.reason)).shown(cause.facts)) for cause in causes)
    # Only what lies with the way itself is cured by another one; after a stop of risk or law none is proposed.
    of_the_way = bool(causes) and all(cause.layer is Layer.CHANNEL for cause in causes)
    return Answer(way[0], kind, way[1], go, because, _until(causes, at), tuple(goes) if of_the_way else ())


def _until(causes: Sequence[Verdict], at: datetime) -> datetime | None:
    """When the last of the causes is over by itself; None when one of them never is, or nobody can say."""
    ends = []
    for cause in causes:
        until, wait_s = cause.facts.get("until_at"), cause.facts.get("wait_s")
        if isinstance(until, datetime):
            ends.append(until)
        elif isinstance(wait_s, int):
            ends.append(at + timedelta(seconds=wait_s))
        else:
            return None
    return max(ends, default=None)
