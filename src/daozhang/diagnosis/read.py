"""Gathers evidence: what was decided, tried, answered and said about an order, and how everything stands now. Changes nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from daozhang import clock, ids
from daozhang.cases import Cases
from daozhang.diagnosis.model import Evidence, Failed, Freeze, Heard, Judged, Stopped, Tried
from daozhang.policy.model import Outcome
from daozhang.policy.record import read_verdicts
from daozhang.postgres import Database, statements
from daozhang.reasons.catalogue import catalogue
from daozhang.recharge.model import Considered, OrderView
from daozhang.recharge.view import order_view, shown

sql = statements("daozhang.diagnosis")

LATELY = timedelta(days=30)
"""How far back the list of what did not work goes."""
REFUSED = timedelta(hours=24)
"""How long a refusal of spending or of asking money back is told."""
PLAIN_FEN = 5_000
"""What is asked about where a user never recharged."""


@dataclass(frozen=True, slots=True)
class Now:
    """What asks about the present without effect: `consider(user_id, amount_fen, besides)`, and `board(shop_id)` of ways to pay."""

    consider: Callable[[int, int, Sequence[UUID]], Awaitable[Sequence[Considered]]]
    board: Callable[[int], Mapping[tuple[int, str], Any]]


class Clocks(NamedTuple):
    """The next question to a channel about a payment and about a refund, and the end of a case's turn; None = there is none.

    `yours`: the turn is the user's.
    """

    payment_at: datetime | None
    refund_at: datetime | None
    case_at: datetime | None
    yours: bool = False


class Reader:
    """Reads evidence of one shop's users."""

    def __init__(self, database: Database, cases: Cases, now: Now) -> None:
        self._database, self._cases, self._now = database, cases, now

    async def of_order(self, order: OrderView, shop_id: int) -> Evidence:
        """Everything about one order."""
        attempts = await self._attempts(order.id)
        rows = await self._database.rows(sql.verdicts_of, order.id)
        decisions = tuple(Judged(r["stage"], r["outcome"], r["reason"], read_verdicts(r["verdicts"]), r["at"]) for r in rows)
        heard = await self._database.rows(sql.phone_words_of, order.id)
        anomalies = tuple(row["kind"] for row in await self._database.rows(sql.anomalies_of, order.id))
        moves = {step.what.removeprefix("order."): step for step in order.steps}
        paid = moves.get("paid")
        witnesses = {"paid": str(paid.facts.get("why", ""))} if paid and paid.facts.get("why") else {}
        if "declined" in moves:
            witnesses["declined"] = moves["declined"].actor
        return Evidence(
            **await self._about_user(order.user_id, shop_id),
            amount_fen=order.amount_fen,
            order=order,
            decisions=decisions,
            attempts=attempts,
            anomalies=anomalies,
            now=tuple(await self._now.consider(order.user_id, order.amount_fen, (order.id,))),
            heard=tuple(Heard(r["pick"], r["reason"], r["native"], r["at"]) for r in heard),
            case=await self._case(shop_id, order),
            witnesses=witnesses,
        )

    async def in_general(self, user_id: int, shop_id: int, amount_fen: int | None = None) -> Evidence:
        """A user's recharges: would one go now, of this amount or of the last one's."""
        fen = amount_fen or await self._database.value(sql.last_amount, user_id, shop_id) or PLAIN_FEN
        now = tuple(await self._now.consider(user_id, fen, ()))
        case = await self._cases.open_about(shop_id, "unfreeze", f"user:{user_id}")
        return Evidence(
            **await self._about_user(user_id, shop_id), amount_fen=fen, now=now, case=case.shown if case else "",
            stopped=await self._stopped(user_id, shop_id),
        )  # fmt: skip

    async def order(self, order_id: UUID, user_id: int | None = None) -> OrderView | None:
        """An order, with `user_id` only that user's."""
        return await order_view(self._database, order_id, user_id)

    async def clocks(self, order: OrderView) -> Clocks:
        """When something happens by itself: for the countdown to the next automatic step."""
        row = await self._database.row(sql.next_looks, order.id, order.shown)
        assert row is not None
        return Clocks(row["payment_at"], row["refund_at"], row["case_at"], row["yours"])

    async def exchanges(self, order_id: UUID) -> list[dict[str, Any]]:
        """What was said between us and the channel about an order, without contents: for staff and the bundle of evidence."""
        attempts = [row["attempt_id"] for row in await self._database.rows(sql.attempts_of, order_id)]
        return [dict(row) for row in await self._database.rows(sql.exchanges_of, attempts)]

    async def _about_user(self, user_id: int, shop_id: int) -> dict[str, Any]:
        at = clock.now()
        standing = await self._database.row(sql.standing_of, user_id)
        freezes = [_freeze(row, at) for row in await self._database.rows(sql.freezes_of, user_id)]
        rows = await self._database.rows(sql.failures_of, user_id, shop_id, ids.first_at(at - LATELY))
        board = self._now.board(shop_id)
        return {
            "at": at,
            "shop_id": shop_id,
            "user_id": user_id,
            "standing": standing["standing"] if standing else "closed",
            "freezes": tuple(freezes),
            "failures": tuple(
                Failed(shown(r["order_id"]), r["state"], r["amount_fen"], r["kind"] or "", r["method"], r["reason"], r["moved_at"])
                for r in rows
            ),
            "states": tuple(
                (channel_id, method, str(seen.status.value), seen.why, dict(seen.facts))
                for (channel_id, method), seen in board.items()
            ),
        }

    async def _stopped(self, user_id: int, shop_id: int) -> tuple[Stopped, ...]:
        """The last spending and the last asking back of money, each if it was refused: nothing else on record tells of them."""
        since = ids.first_at(clock.now() - REFUSED)
        found = []
        for row in await self._database.rows(sql.stopped_of, user_id, shop_id, since):
            if row["reason"] is None or Outcome(row["outcome"]).rank <= Outcome.MONITOR.rank:
                continue
            told = catalogue().get(row["reason"])
            facts = next((each.facts for each in read_verdicts(row["verdicts"]) if each.reason == row["reason"]), {})
            found.append(
                Stopped(row["stage"], told.code, told.layer.value, told.cured_by.value, told.shown(facts), row["at"])
            )  # fmt: skip
        return tuple(sorted(found, key=lambda each: each.at, reverse=True))

    async def _attempts(self, order_id: UUID) -> tuple[Tried, ...]:
        rows = await self._database.rows(sql.attempts_of, order_id)
        asked = {r["attempt_id"]: r for r in await self._database.rows(sql.queries_about, [row["attempt_id"] for row in rows])}
        return tuple(
            Tried(
                r["attempt_id"], r["channel_id"], r["kind"], r["method"], r["state"], r["native_code"], r["reason"],
                r["created_at"], r["expires_at"], r["moved_at"], r["next_query_at"], r["paid_fen"],
                asked_at=asked[r["attempt_id"]]["asked_at"] if r["attempt_id"] in asked else None,
                answered_at=asked[r["attempt_id"]]["answered_at"] if r["attempt_id"] in asked else None,
            )
            for r in rows
        )  # fmt: skip

    async def _case(self, shop_id: int, order: OrderView) -> str:
        for kind in ("hold", "review", "claim", "complaint"):
            found = await self._cases.open_about(shop_id, kind, order.shown)
            if found:
                return found.shown
        frozen = await self._cases.open_about(shop_id, "unfreeze", f"user:{order.user_id}")
        return frozen.shown if frozen and (order.reason or "").startswith("account.frozen") else ""


def _freeze(row: Any, at: Any) -> Freeze:
    lapsed = row["until_at"] if row["until_at"] is not None and row["until_at"] <= at else None
    ended_at = min((each for each in (row["ended_at"], lapsed) if each is not None), default=None)
    return Freeze(row["why"], row["at"], ended_at or row["until_at"], ended=ended_at is not None, office=row["office"] or "")
