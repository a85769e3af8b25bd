"""The three statements of an admission: facts are read, orders are written while they are judged, and what was judged is kept.

An order costs what its round trips cost, so each of the three carries everything that is known by then; many orders share them.
"""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from daozhang import ids
from daozhang.channels.port import Channel, OrderRequest
from daozhang.policy.book import Book
from daozhang.policy.enforce import Judged, columns, keep_texts
from daozhang.policy.facts import Wish, windows_of
from daozhang.postgres import Tx, statements
from daozhang.postgres.columns import narrow
from daozhang.recharge.model import PlaceRequest
from daozhang.recharge.ready import Ready
from daozhang.vault import Vault

sql = statements("daozhang.recharge")

ASKED = itemgetter("asked")
"""The place of a row's request among those that were sent, from one."""


class Fresh(NamedTuple):
    """An order that is new: what was asked for, its hash, as policy sees it, and the row of its facts."""

    request: PlaceRequest
    order_id: UUID
    hash: bytes
    wish: Wish
    row: Any


class Try(NamedTuple):
    """An attempt that is committed and not yet asked of its channel."""

    shop_id: int
    order_id: UUID
    attempt_id: UUID
    request: OrderRequest
    channel_id: int
    user_id: int


Paired = tuple[Try, PlaceRequest, Channel]
"""An attempt, what was asked for, and whom it is asked of."""


class Laid(NamedTuple):
    """New orders as they are sent to be written, and the attempts that there are if all of them are admitted."""

    wishes: Sequence[Wish]
    orders: tuple[Sequence[Any], ...]
    pairs: Sequence[Paired]
    attempts: tuple[Sequence[Any], ...]


async def begin(tx: Tx, book: Book, ready: Ready) -> list[Any]:
    """Part the requests, lock their users, look whether their keys were used before, and read the facts.

    One row per request, in order: its place among them from one (`ASKED`), whose order its key stands for and under which hash
    (neither, where it is new), and the facts as `read_wishes` has them. A request that shares its browser or its payer with an
    earlier one has no row: it is for a later transaction, when the earlier one is written. Forty accounts of one browser that
    submit at once would else each be the first. The first of all always has its row.
    """
    requests = ready.requests
    rows = await tx.rows(
        sql.begin_orders,
        book.shop_id,
        [r.user_id for r in requests],
        [r.key for r in requests],
        [r.channel_id for r in requests],
        [r.method for r in requests],
        [r.bank for r in requests],
        [r.instrument for r in requests],
        ready.devices,
        ready.payers,
        ready.provinces,
        *windows_of(book),
    )
    return sorted(rows, key=ASKED)


def order_columns(
    order_ids: Sequence[UUID], hashes: Sequence[bytes], requests: Sequence[PlaceRequest], wishes: Sequence[Wish]
) -> tuple[Sequence[Any], ...]:
    """The columns of new orders, as `write` takes them. Nothing of them has to be read first."""
    return (
        order_ids,
        [r.user_id for r in requests],
        [r.key for r in requests],
        hashes,
        narrow([r.amount_fen for r in requests]),
        narrow([r.channel_id for r in requests]),
        narrow([r.method for r in requests]),
        narrow([r.page_version for r in requests]),
        narrow([r.client_ip for r in requests]),
        narrow([r.locale for r in requests]),
        narrow(["purchase" if r.basket else "wallet" for r in requests]),
        narrow([wish.payer for wish in wishes]),
        narrow([wish.province() for wish in wishes]),
    )


def columns_of(fresh: Sequence[Fresh]) -> tuple[Sequence[Any], ...]:
    """The columns of those orders that are new, where others are not."""
    requests, order_ids, hashes, wishes, _ = map(list, zip(*fresh, strict=True))
    return order_columns(order_ids, hashes, requests, wishes)


async def write(
    tx: Tx, book: Book, at: datetime, expires: datetime, rows: Sequence[Any], orders: tuple[Sequence[Any], ...]
) -> None:
    """Claim the keys of new orders, write the orders, and mark where they came from; `rows` are the facts of each."""
    browsers = [row["browser"] for row in rows]
    await tx.value(sql.write_orders, book.shop_id, at, expires, rows[0]["at"], browsers, *orders)


async def count_again(tx: Tx, shop_id: int, again: Sequence[PlaceRequest]) -> None:
    """Count repeated idempotency keys: an answer to a repeat must rest on a committed write."""
    if again:
        await tx.run(sql.count_again, shop_id, [r.user_id for r in again], [r.key for r in again])


async def wait_for_origin(tx: Tx, wish: Wish) -> None:
    """Lock the browser and the payer of an order that goes on or is tried again, until the commit; `begin` does it for new orders.

    Orders that a question stopped, or that failed, count in no window. Without the lock, forty of one browser that go on at once
    would each be judged as if it were the only one. Call it before any other lock.
    """
    if wish.device_id is not None or wish.payer is not None:
        await tx.value(sql.wait_for_origin, wish.device_id, wish.payer)


async def plan(tx: Tx, shop_id: int, at: datetime) -> None:
    """Have the three statements planned; about nobody, and nothing is written."""
    nothing: list[Any] = []
    await tx.rows(sql.begin_orders, shop_id, *([nothing] * 9), 0, 0, 0)
    await tx.value(sql.write_orders, shop_id, at, at, at, *([nothing] * 14))
    await tx.value(sql.keep_orders, shop_id, at, 0, *([nothing] * 14), at, at, at, *([nothing] * 11))


async def keep(
    tx: Tx, book: Book, at: datetime, made: Sequence[Judged], events: Sequence[str], attempts: tuple[Sequence[Any], ...],
    expires: datetime, due: datetime, *, last: bool,
) -> None:  # fmt: skip
    """Write decisions, the one event about each, and the attempts of those that were admitted (`attempt_columns`).

    `last`: nothing more is to be written of them, and what was written is committed with this.
    """
    await keep_texts(tx, made)
    await (tx.last if last else tx.value)(
        sql.keep_orders,
        *columns(made, book),
        narrow([wish.province() for _, wish, _ in made]),
        narrow([wish.amount_fen for _, wish, _ in made]),
        ids.new_ids(len(made)),
        narrow(events),
        at,
        expires,
        due,
        *attempts,
    )


def attempt_columns(vault: Vault, pairs: Sequence[Paired]) -> tuple[Sequence[Any], ...]:
    """The columns of attempts that begin, as `keep` and `create_attempts` take them. The payer's own number is sealed."""
    return (
        [made.attempt_id for made, _, _ in pairs],
        [made.order_id for made, _, _ in pairs],
        [r.user_id for _, r, _ in pairs],
        narrow([r.channel_id for _, r, _ in pairs]),
        narrow([channel.kind for _, _, channel in pairs]),
        narrow([r.method for _, r, _ in pairs]),
        narrow([channel.merchant for _, _, channel in pairs]),
        narrow([channel.app for _, _, channel in pairs]),
        narrow([r.amount_fen for _, r, _ in pairs]),
        narrow([r.client_ip for _, r, _ in pairs]),
        narrow([_openid(vault, made.attempt_id, r) for made, r, _ in pairs]),
    )


def _openid(vault: Vault, attempt_id: UUID, request: PlaceRequest) -> bytes | None:
    return vault.seal(request.payer_openid, f"attempts:openid:{attempt_id}") if request.payer_openid else None


async def name_cards(tx: Tx, pairs: Sequence[Paired]) -> None:
    """Write the cards (bank, class) that payers named with their requests."""
    if cards := [(made.attempt_id, r.bank, r.instrument) for made, r, _ in pairs if _says_of_card(r)]:
        await tx.run(sql.name_cards, *map(list, zip(*cards, strict=True)))


def names_cards(pairs: Sequence[Paired]) -> bool:
    """Whether any request names the payer's card."""
    return any(_says_of_card(r) for _, r, _ in pairs)


def _says_of_card(request: PlaceRequest) -> bool:
    return bool(request.bank or request.instrument)
