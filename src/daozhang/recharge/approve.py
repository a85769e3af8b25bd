"""An order that was asked about before its payment goes on, or ends: a person looked at it, or its owner confirmed it."""

from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec.structs import replace as changed

from daozhang import clock
from daozhang.events import log as events
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish
from daozhang.policy.model import Decision, Outcome, Stage
from daozhang.policy.passes import LIFETIME as PASS_LIFETIME
from daozhang.policy.passes import grant
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import admit, moves, told
from daozhang.recharge.admit import Try
from daozhang.recharge.place import LIFETIME, Place
from daozhang.recharge.ready import wish_of
from daozhang.recharge.route import Standing
from daozhang.recharge.waiting import State, Stopped, Waiting

sql = statements("daozhang.recharge")

_MOVES: dict[State, str] = {"reviewing": "approved", "challenged": "passed"}


class Resume:
    """Lets waiting orders go on. `page_version` is the one that is served now."""

    def __init__(self, database: Database, books: Books, place: Place, waiting: Waiting, page_version: str) -> None:
        self._database, self._books, self._place, self._waiting, self._page_version = database, books, place, waiting, page_version

    async def approve(self, order_id: UUID, actor: str, why: str) -> None:
        """Let an order in review go, once: a pass for its user and amount, then every check again, then its channel is asked.

        What changed meanwhile still counts: a hard check, a limit that is used up by now, a way to pay that is closed, or goods
        that are gone stop it with their own reason. Raises `Refusal` when the order does not wait for this.
        """
        attempt = await self.go(order_id, "reviewing", actor, why)
        if attempt is not None:
            await self._place.ask(attempt)

    async def refuse(self, order_id: UUID, actor: str, why: str) -> None:
        """Refuse an order in review; nothing was paid. Raises `Refusal` when the order does not wait for this."""
        refused = ("reviewing", "refused", "operation.review_refused", actor, why)
        await self._database.transact(lambda tx: self._waiting.end(tx, order_id, *refused))  # type: ignore[arg-type]

    async def go(self, order_id: UUID, state: State, actor: str, why: str) -> Try | None:
        """Let a waiting order go on through every check; the attempt, whose channel is still to be asked.

        What its owner has answered of it, now or before, stays answered: the moves of the order say what. Raises as `approve`.
        """
        row = await self._database.row(sql.order_for_work, order_id)
        if row is None:
            raise Refusal("operation.not_found")
        book, seen = await self._ahead(order_id, row["shop_id"])
        work = partial(self._gone, book=book, seen=seen, order_id=order_id, state=state, actor=actor, why=why)
        return await self._database.transact(work)

    async def in_case(self, tx: Tx, order_id: UUID, actor: str, why: str) -> None:
        """As `approve`, in the transaction of a case's verdict, which ends the case; the chase asks the channel seconds later."""
        row = await tx.row(sql.order_for_work, order_id)
        assert row is not None, order_id
        book, seen = await self._ahead(order_id, row["shop_id"])
        await self._gone(tx, book, seen, order_id, "reviewing", actor, why, close=False)

    async def _ahead(self, order_id: UUID, shop_id: int) -> tuple[Book, Standing]:
        """Read before the transaction: the shop's rules and the live state of the order's way to pay."""
        request = await self._waiting.request(self._database, order_id)
        return await self._books.current(shop_id), await self._place.standing(request.channel_id, request.method)

    async def _gone(
        self, tx: Tx, book: Book, seen: Standing, order_id: UUID, state: State, actor: str, why: str, *, close: bool = True
    ) -> Try | None:  # fmt: skip
        """Let the order go on and tell its owner, who was not waiting at the page while staff looked at it."""
        made = await self._go(tx, book, seen, order_id, state, actor, why, close=close)
        if state == "reviewing":
            await told.of_review(tx, order_id)
        return made

    async def _go(
        self, tx: Tx, book: Book, seen: Standing, order_id: UUID, state: State, actor: str, why: str, *, close: bool = True
    ) -> Try | None:  # fmt: skip
        request = await self._waiting.request(tx, order_id)
        wanted = wish_of(request, self._page_version, seen, self._place.payer_of(request))
        if state == "challenged":
            # Its owner answered for himself alone. What a person looked at goes on whatever its browser counts.
            await admit.wait_for_origin(tx, wanted)
        await tx.value(sql.lock_users, [request.user_id])
        order = await tx.row(sql.lock_order, order_id)
        if order is None or order["state"] != state:
            raise Refusal("operation.not_waiting")
        at, version = clock.now(), order["version"]
        step = moves.Step(order_id, version, state, _MOVES[state], why)
        assert await moves.move_orders(tx, at, actor, [step]) == {order_id}, order_id
        await tx.run(sql.give_reasons, [order_id], [None], ["{}"])
        if close and state == "reviewing":
            await self._waiting.close_case(tx, book.shop_id, order_id, f"approved: {why}")
        version, expires = version + 1, at + LIFETIME
        try:
            await self._place.renew(tx, at, order_id, request.user_id, expires)
        except Refusal as refusal:
            await self._place.turn_down(tx, at, order_id, version, refusal)
            return None
        answered = await answers_of(tx, order_id)
        wanted = changed(
            wanted, page_version=self._page_version, confirmed="confirm" in answered,
            sure_fen=request.amount_fen if "amount" in answered else wanted.sure_fen,
        )  # fmt: skip
        decision = await decided(tx, book, order_id, wanted, state == "reviewing", actor, why)
        if not decision.admits:
            await self._place.stop(tx, book.shop_id, at, [Stopped(request, order_id, version, decision)])
            return None
        await events.append(tx, book.shop_id, at, actor, [events.Event(f"order.{_MOVES[state]}", order_id, request.user_id, "{}")])
        made = await self._place.create_attempts(tx, book.shop_id, at, expires, [(request, order_id)])
        if not made:
            await self._place.decline(tx, at, [(order_id, version)])
            return None
        return made[0]


async def answers_of(tx: Tx, order_id: UUID) -> set[str]:
    """What the owner of an order was asked about it and has answered: `amount`, `confirm`."""
    return {row["reason"] for row in await tx.rows(sql.answered_before, order_id)}


async def decided(tx: Tx, book: Book, order_id: UUID, wish: Wish, looked_at: bool, actor: str, why: str) -> Decision:  # noqa: FBT001
    """Every check again. What a rule only asks about is let go where a person has `looked_at` it: by a pass, used up here.

    What admits by itself takes no pass, so none is left over for another order.
    """
    (decision,) = await enforce(tx, Stage.PLACE, [(order_id, wish)], book)
    if looked_at and decision.outcome in (Outcome.CHALLENGE, Outcome.HOLD):
        assert wish.amount_fen is not None
        await grant(tx, book.shop_id, wish.user_id, wish.amount_fen, why, actor, clock.now())
        (decision,) = await enforce(tx, Stage.PLACE, [(order_id, wish)], book)
    return decision


async def lately_approved(tx: Tx, order_id: UUID, at: datetime) -> bool:
    """Whether a person let this order go within the life of a pass: then it may be tried again without being asked anew."""
    approved_at: datetime | None = await tx.value(sql.approved_at, order_id)
    return approved_at is not None and at - approved_at < PASS_LIFETIME
