"""Orders that wait before their payment: for their owner to confirm, or for a person to look. Each wait has an end without money.

What was asked for is kept sealed beside the order, so that it goes on as it came: with its basket, its card and its device.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from daozhang import alarms, clock
from daozhang.cases import Case, Cases
from daozhang.cases.kinds import ANSWER_IN
from daozhang.cases.model import Verdict
from daozhang.events import log as events
from daozhang.policy.model import Decision
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import moves, told
from daozhang.recharge.model import PlaceRequest
from daozhang.recharge.view import parse_shown, shown
from daozhang.vault import Vault

sql = statements("daozhang.recharge")

State = Literal["challenged", "reviewing"]
REVIEW = "review"
"""The kind of case of an order that a person looks at before its payment."""
CONFIRM_IN = timedelta(minutes=15)
"""How long a challenge waits for its owner: as long as a payment would."""
PERSON_ASKED = "risk.person_asked"
"""The reason of an order that its owner gave to a person to look at."""
LASTS: dict[State, timedelta] = {"challenged": CONFIRM_IN, "reviewing": ANSWER_IN}
LOOK_EVERY = timedelta(minutes=10)
ENDS: dict[State, tuple[str, str]] = {
    "challenged": ("abandoned", "operation.challenge_unfinished"),
    "reviewing": ("refused", "operation.review_unanswered"),
}
"""How a wait ends that nobody ended: the move and its reason."""


class Stopped(NamedTuple):
    """An order that the policy does not admit now: what was asked for, the order's version, and what was decided."""

    request: PlaceRequest
    order_id: UUID
    version: int
    decision: Decision


async def begin(tx: Tx, vault: Vault, cases: Cases | None, shop_id: int, state: State, stopped: Sequence[Stopped]) -> None:
    """Let orders wait: until when is written down, and a review has its case, in the commit that stops them."""
    at = clock.now()
    for each in stopped:
        wish = vault.seal(msgspec.json.encode(each.request), _place(each.order_id))
        ends_at = at + LASTS[state]
        look_at = min(ends_at, at + LOOK_EVERY)
        await tx.run(
            sql.begin_wait, each.order_id, shop_id, each.request.user_id, state, wish, at, ends_at, look_at
        )  # fmt: skip
        if state == "reviewing" and cases is not None:
            about = shown(each.order_id)
            facts = {"order": about, "amount_fen": each.request.amount_fen, "reason": each.decision.reason or ""}
            await cases.open(tx, shop_id, each.request.user_id, REVIEW, about, "purpose_before", facts, first="staff")


async def claim(tx: Tx, most: int) -> Sequence[Any]:
    """Claim waits that are to be looked at, and set when they are looked at next."""
    at = clock.now()
    rows = await tx.rows(sql.due_waits, at, most)
    for row in rows:
        await tx.run(sql.look_at_wait, row["id"], min(at + LOOK_EVERY, max(row["ends_at"], at + timedelta(minutes=1))))
    return rows


class Waiting:
    """Ends waits, and answers what an order waits with. `cases` holds the reviews."""

    def __init__(self, database: Database, vault: Vault, cases: Cases | None) -> None:
        self._database, self._vault, self._cases = database, vault, cases

    async def look(self, row: Any) -> None:
        """A claimed wait: over already, or over now."""
        await self._database.transact(lambda tx: self._look(tx, row["id"], row["user_id"]))

    async def request(self, tx: Tx | Database, order_id: UUID) -> PlaceRequest:
        """What an order was asked for with. Raises `operation.not_waiting` when it never waited, or its wait ended with nothing."""
        row = await tx.row(sql.one_wait, order_id)
        if row is None or not any(row["wish"]):
            raise Refusal("operation.not_waiting")
        return msgspec.json.decode(self._vault.unseal(row["wish"], _place(order_id)), type=PlaceRequest)

    async def ends_at(self, order_id: UUID) -> datetime | None:
        """When the wait of an order is over by itself; None when it never waited."""
        row = await self._database.row(sql.one_wait, order_id)
        return row["ends_at"] if row else None

    async def ask_person(self, order_id: UUID, reason: str) -> None:
        """An order that waits for its owner, for this reason, waits for a person instead, with a case.

        Raises `operation.not_waiting`.
        """
        await self._database.transact(lambda tx: self._ask_person(tx, order_id, reason))

    async def _ask_person(self, tx: Tx, order_id: UUID, reason: str) -> None:
        request = await self.request(tx, order_id)
        await tx.value(sql.lock_users, [request.user_id])
        order = await tx.row(sql.lock_order, order_id)
        if order is None or order["state"] != "challenged":
            raise Refusal("operation.not_waiting")
        at, shop_id, about, ends_at = clock.now(), order["shop_id"], shown(order_id), clock.now() + LASTS["reviewing"]
        step = moves.Step(order_id, order["version"], "challenged", "asked", reason)
        assert await moves.move_orders(tx, at, "buyer", [step]) == {order_id}, order_id
        await tx.run(sql.give_reasons, [order_id], [PERSON_ASKED], ["{}"])
        wish = self._vault.seal(msgspec.json.encode(request), _place(order_id))
        await tx.run(sql.begin_wait, order_id, shop_id, request.user_id, "reviewing", wish, at, ends_at, at + LOOK_EVERY)
        if self._cases is not None:
            facts = {"order": about, "amount_fen": request.amount_fen, "reason": reason}
            await self._cases.open(tx, shop_id, request.user_id, REVIEW, about, "explain", facts, first="user")
        await events.append(tx, shop_id, at, "buyer", [events.Event("order.asked", order_id, request.user_id, "{}")])

    async def end(
        self, tx: Tx, order_id: UUID, state: State, move: str, reason: str, actor: str, why: str = "", *, close: bool = True
    ) -> None:
        """End a wait without money, with its reason; its case ends with it unless that is what ends it.

        `why` is a word for the record, the reason what the user reads. Raises `operation.not_waiting` for any other order.
        """
        row = await tx.row(sql.one_wait, order_id)
        if row is None:
            raise Refusal("operation.not_waiting")
        await tx.value(sql.lock_users, [row["user_id"]])
        order = await tx.row(sql.lock_order, order_id)
        if order is None or order["state"] != state:
            raise Refusal("operation.not_waiting")
        at = clock.now()
        step = moves.Step(order_id, order["version"], state, move, why or reason)
        assert await moves.move_orders(tx, at, actor, [step]) == {order_id}, order_id
        await tx.run(sql.give_reasons, [order_id], [reason], ["{}"])
        await tx.run(sql.look_at_wait, order_id, None)
        await tx.run(sql.forget_wish, order_id)
        if state == "reviewing" and move == "refused":
            await told.of_review(tx, order_id)
        await events.append(tx, order["shop_id"], at, actor, [events.Event(f"order.{move}", order_id, order["user_id"], "{}")])
        if close and state == "reviewing":
            await self.close_case(tx, order["shop_id"], order_id, f"{move}: {why or reason}")

    async def close_case(self, tx: Tx, shop_id: int, order_id: UUID, why: str) -> None:
        """End the open case of a review that is over. The user's lock is held, which whoever decides a case takes first."""
        if self._cases is not None:
            await self._cases.overtake(tx, shop_id, REVIEW, shown(order_id), why)

    async def _look(self, tx: Tx, order_id: UUID, user_id: int) -> None:
        await tx.value(sql.lock_users, [user_id])
        order = await tx.row(sql.lock_order, order_id)
        row = await tx.row(sql.one_wait, order_id)
        if row is None or order is None or row["next_look_at"] is None:
            return
        if order["state"] != row["state"]:
            # It went on, or its money came by an older attempt: nobody needs to look any more.
            await tx.run(sql.look_at_wait, order_id, None)
            if row["state"] == "reviewing":
                await self.close_case(tx, order["shop_id"], order_id, f"the order is {order['state']}")
        elif clock.now() >= row["ends_at"]:
            if row["state"] == "reviewing":
                facts = {"order": shown(order_id), "amount_fen": order["amount_fen"]}
                await alarms.ring(tx, order["shop_id"], clock.now(), "order.review_unanswered", shown(order_id), facts)
            await self.end(tx, order_id, row["state"], *ENDS[row["state"]], "program")


class ReviewVerdict:
    """What a verdict about a review does: the order goes on through every check, or ends without money."""

    def __init__(self, go: Callable[..., Any], waiting: Waiting) -> None:
        """`go(tx, order_id, actor, why)` lets an order in review go on, once."""
        self._go, self._waiting = go, waiting

    async def __call__(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        """Do it. Raises `Refusal` when the order waits no more; then nothing is decided."""
        order_id = parse_shown(case.about)
        assert order_id is not None, case.about
        why = case.verdict_why or "looked at"
        if verdict == "approved":
            await self._go(tx, order_id, actor, why)
        else:
            await self._waiting.end(tx, order_id, "reviewing", "refused", "operation.review_refused", actor, why, close=False)


def _place(order_id: UUID) -> str:
    return f"order_waits:wish:{order_id}"
