"""One report on its way to become money: what it is about, what was judged, and what is written because of it.

Nothing here touches the database: `settle.py` locks, asks and writes; `judgement.py` says which effect a report has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from daozhang.channels.port import Report
from daozhang.events import log as events
from daozhang.ledger import Line, Transfer, accounts
from daozhang.recharge import inbox, moves
from daozhang.recharge.judgement import Effect, Row
from daozhang.recharge.states import ENDED_UNPAID

_LAST_MOVE = {Effect.CREDITED: "credited", Effect.HELD: "held", Effect.MISFIT: "misfit"}
_TARGET = {Effect.CREDITED: accounts.cash, Effect.HELD: accounts.review}
_ANOMALY = {Effect.MISFIT: "amount", Effect.TWICE: "twice", Effect.UNKNOWN_ORDER: "unknown_order"}


class Arrival(msgspec.Struct, frozen=True):
    """A report at the door, with the raw message when it came as one."""

    shop_id: int
    report: Report
    raw: inbox.Raw | None = None

    def fact(self, place: int) -> tuple[object, ...]:
        """What makes two reports of a batch the same: the channel's transaction, told about the same number in the same words.

        A report that names no transaction is like no other: it answers its `place` in the batch.
        """
        report = self.report
        if not report.channel_txn:
            return (place,)
        return report.channel_id, report.channel_txn, report.subject, report.number, report.amount_fen, report.outcome


class Settled(NamedTuple):
    """What became of a report."""

    effect: Effect
    why: str
    order_id: UUID | None = None


@dataclass(slots=True)
class Settlement:
    """One report under judgement: the locked row it is about, and what follows from it."""

    arrival: Arrival
    attempt: Row | None
    effect: Effect
    why: str
    found: bool = False
    """The money stands in suspense already."""

    def is_plain(self) -> bool:
        """Whether it is credited as it was asked: an open attempt of an unpaid order, with money that is new here."""
        return self.effect is Effect.CREDITED and not self.found and self.attempt is not None and self.attempt["state"] != "paid"

    def is_for_something(self) -> bool:
        """Whether it is for something besides the wallet, or something was promised on top of it."""
        return self.attempt is not None and (self.attempt["promised"] or self.attempt["purpose"] == "purchase")

    def settled(self) -> Settled:
        """The answer to whoever brought the report."""
        return Settled(self.effect, self.why, self.attempt["order_id"] if self.attempt else None)

    def fact_key(self) -> tuple[int, str, UUID | None]:
        """The row that lets a channel's transaction become money once: channel, transaction, attempt."""
        report = self.arrival.report
        return report.channel_id, report.channel_txn, self.attempt["id"] if self.attempt else None

    def step(self) -> moves.Step | None:
        """The move of its order: paid, and at once what that means. None when its order stays where it is."""
        last = _LAST_MOVE.get(self.effect)
        if last is None or self.attempt is None:
            return None
        order_id, version, state = self.attempt["order_id"], self.attempt["order_version"], self.attempt["order_state"]
        why = "" if self.effect is Effect.CREDITED else self.why
        return moves.Step(order_id, version, state, "paid", self.arrival.report.witness, then=last, then_reason=why)

    def event(self) -> events.Event:
        """What the event log says of it."""
        report, attempt = self.arrival.report, self.attempt
        data = f'{{"amount_fen":{report.amount_fen},"channel_id":{report.channel_id},"witness":"{report.witness}"}}'
        kind = f"order.{self.effect}"
        return (
            events.Event(kind, attempt["order_id"], attempt["user_id"], data) if attempt else events.Event(kind, None, None, data)
        )

    def transfer(self, transfer_id: UUID, at: datetime) -> Transfer:
        """Its booking: from what the channel owes us, or from suspense, to wherever the money belongs."""
        report, attempt = self.arrival.report, self.attempt
        assert report.amount_fen is not None
        if attempt and self.effect in _TARGET:
            kind, source, target = "recharge", attempt["order_id"], _TARGET[self.effect](attempt["user_id"])
        else:
            kind, source, target = f"recharge.{self.effect}", transfer_id, accounts.SUSPENSE
        origin = accounts.SUSPENSE if self.found else accounts.receivable(report.channel_id)
        lines = (Line(origin, -report.amount_fen), Line(target, report.amount_fen))
        return Transfer(transfer_id, kind, source, report.happened_at or at, lines, report.channel_txn)

    def anomalies(self) -> list[moves.Anomaly]:
        """What a person should hear of: another amount, money after the end, a second payment, a number nobody knows."""
        report, attempt = self.arrival.report, self.attempt
        late = attempt is not None and attempt["order_state"] in ENDED_UNPAID and self.effect is not Effect.TWICE
        kinds = [kind] if (kind := _ANOMALY.get(self.effect)) else []
        if attempt and self.effect is Effect.TWICE and report.amount_fen != attempt["amount_fen"]:
            # It goes back as told; that it is not what this number asked for is for a person to see.
            kinds.append("amount")
        if late:
            kinds.append("late")
        order_id, attempt_id = (attempt["order_id"], attempt["id"]) if attempt else (None, None)
        if attempt and self.effect is Effect.TWICE and attempt["state"] == "paid":
            # A second transaction of the same number: the attempt itself stands for the first one, which was rightly credited. No
            # refund can name it, so it does not go back by itself: a person sends it back, and says so.
            attempt_id = None
            kinds = [kind if kind != "twice" else "unresolved" for kind in kinds]
        if not kinds:
            return []
        facts = {"channel_txn": report.channel_txn, "number": report.number[:64], "witness": report.witness, "why": self.why}
        data = msgspec.json.encode(facts).decode()
        return [moves.Anomaly(kind, order_id, attempt_id, report.channel_id, report.amount_fen, data) for kind in kinds]


def undelivered(attempts: Sequence[Row], why: Mapping[UUID, str]) -> list[moves.Anomaly]:
    """Goods that were gone when the money came: it stays in the balance."""
    return [
        moves.Anomaly(
            "undelivered", a["order_id"], a["id"], a["channel_id"], a["amount_fen"],
            msgspec.json.encode({"why": why[a["order_id"]]}).decode(),
        )
        for a in attempts if a["order_id"] in why
    ]  # fmt: skip
