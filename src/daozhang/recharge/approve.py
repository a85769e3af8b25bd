"""Deciding about an order that was asked about before money moved: let it go once, or refuse it with a reason."""

from functools import partial
from uuid import UUID

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.enforce import enforce
from daozhang.policy.model import Stage
from daozhang.policy.passes import grant
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import moves
from daozhang.recharge.model import PlaceRequest
from daozhang.recharge.place import LIFETIME, Place, Try, wish_of
from daozhang.recharge.route import OPEN

sql = statements("daozhang.recharge")


async def approve(database: Database, books: Books, place: Place, page_version: str, order_id: UUID, actor: str, why: str) -> None:
    """Let an order in review go: a one-time pass for its user and amount, then every check again, then its channel.

    What changed meanwhile still counts: a hard check, or a limit that is used up by now, stops it with its own reason. Raises
    `Refusal` when the order does not wait for this.
    """
    row = await database.row(sql.order_for_work, order_id)
    if row is None:
        raise Refusal("operation.not_found")
    book = await books.current(row["shop_id"])
    attempt = await database.transact(partial(_approve, place=place, book=book, page_version=page_version, order_id=order_id,
                                              user_id=row["user_id"], actor=actor, why=why))  # fmt: skip
    if attempt is not None:
        await place.ask(attempt)


async def refuse(database: Database, order_id: UUID, actor: str, why: str) -> None:
    """Refuse an order in review; nothing was paid. Raises `Refusal` when the order does not wait for this."""

    async def work(tx: Tx) -> None:
        order = await tx.row(sql.lock_order, order_id)
        if order is None:
            raise Refusal("operation.not_found")
        if order["state"] != "reviewing":
            raise Refusal("operation.not_waiting")
        at = clock.now()
        await moves.move_orders(tx, at, actor, [moves.Step(order_id, order["version"], "reviewing", "refused", why)])
        await events.append(tx, order["shop_id"], at, actor, [events.Event("order.refused", order_id, order["user_id"], "{}")])

    await database.transact(work)


async def _approve(
    tx: Tx, place: Place, book: Book, page_version: str, order_id: UUID, user_id: int, actor: str, why: str
) -> Try | None:
    await tx.value(sql.lock_users, [user_id])
    order = await tx.row(sql.lock_order, order_id)
    assert order is not None, order_id
    if order["state"] != "reviewing":
        raise Refusal("operation.not_waiting")
    full = await tx.row(sql.order_for_work, order_id)
    assert full is not None, order_id
    at, version = clock.now(), order["version"]
    await grant(tx, book.shop_id, user_id, order["amount_fen"], why, actor, at)
    step = moves.Step(order_id, version, "reviewing", "approved", why)
    assert await moves.move_orders(tx, at, actor, [step]) == {order_id}, order_id
    await tx.run(sql.give_reasons, [order_id], [None], ["{}"])
    request = PlaceRequest(
        book.shop_id, user_id, full["amount_fen"], full["channel_id"], full["method"], ids.text26(order_id), page_version,
        full["client_ip"], locale=full["locale"], for_goods=order["purpose"] == "purchase",
    )  # fmt: skip
    (decision,) = await enforce(tx, Stage.PLACE, [(order_id, wish_of(request, page_version, OPEN))], book)
    if not decision.admits:
        await place.stop(tx, at, [(order_id, version + 1, decision)])
        return None
    await events.append(tx, book.shop_id, at, actor, [events.Event("order.approved", order_id, user_id, "{}")])
    made = await place.create_attempts(tx, book.shop_id, at, at + LIFETIME, [(request, order_id)])
    if not made:
        await place.decline(tx, at, [(order_id, version + 1)])
        return None
    return made[0]
