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
from daozhang.policy.enforce import Judged, columns
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


async def write(tx: Tx, book: Book, at: datetime, expires: datetime, fresh: Sequence[Fresh]) -> None:
    """Claim the keys of new orders, write the orders, and mark where they came from."""
    requests = [each.request for each in fresh]
    await tx.value(
        sql.write_orders,
        book.shop_id,
        at,
        [each.order_id for each in fresh],
        [r.user_id for r in requests],
        [r.key for r in requests],
        [each.hash for each in fresh],
        narrow([r.amount_fen for r in requests]),
        narrow([r.channel_id for r in requests]),
        narrow([r.method for r in requests]),
        narrow([r.page_version for r in requests]),
        narrow([r.client_ip for r in requests]),
        narrow([r.locale for r in requests]),
        expires,
        narrow(["purchase" if r.basket else "wallet" for r in requests]),
        fresh[0].row["at"],
        [each.row["browser"] for each in fresh],
        narrow([each.wish.payer for each in fresh]),
        narrow([each.wish.province() for each in fresh]),
    )


async def count_again(tx: Tx, shop_id: int, again: Sequence[PlaceRequest]) -> None:
    """Count that keys came again."""
    if again:
        await tx.run(sql.count_again, shop_id, [r.user_id for r in again], [r.key for r in again])


async def queue(tx: Tx, wish: Wish) -> None:
    """Come after whoever of the same browser or payer is being judged; `begin` does it for orders that are placed.

    Call it before anything is locked. Orders that a question stopped, or that failed, are in no window: forty of them that go on
    at once would else each be the first, too.
    """
    if wish.device_id is not None or wish.payer is not None:
        await tx.value(sql.wait_for_origin, wish.device_id, wish.payer)


async def plan(tx: Tx, shop_id: int, at: datetime) -> None:
    """Have the three statements planned; about nobody, and nothing is written."""
    nothing: list[Any] = []
    await tx.rows(sql.begin_orders, shop_id, *([nothing] * 9), 0, 0, 0)
    await tx.value(sql.write_orders, shop_id, at, *([nothing] * 10), at, nothing, at, *([nothing] * 3))
    await tx.value(sql.keep_orders, shop_id, at, 0, *([nothing] * 14), at, *([nothing] * 10), at, at)


class Kept(NamedTuple):
    """What becomes of an order that was judged. `event` is what others hear; no `attempt` where nothing is asked of a channel."""

    request: PlaceRequest
    event: str
    attempt: Try | None
    channel: Channel | None


async def keep(
    tx: Tx, book: Book, at: datetime, made: Sequence[Judged], kept: Sequence[Kept], vault: Vault, expires: datetime, due: datetime,
    *, last: bool,
) -> None:  # fmt: skip
    """Write decisions, one event about each, and the attempts of those that were admitted.

    `last`: nothing more is to be written of them, and what was written is committed with this.
    """
    await (tx.last if last else tx.value)(
        sql.keep_orders,
        *columns(made, book),
        narrow([wish.province() for _, wish, _ in made]),
        narrow([k.request.amount_fen for k in kept]),
        at,
        ids.new_ids(len(kept)),
        narrow([k.event for k in kept]),
        [k.attempt.attempt_id if k.attempt else None for k in kept],
        narrow([k.request.channel_id for k in kept]),
        narrow([k.channel.kind if k.channel else None for k in kept]),
        narrow([k.request.method for k in kept]),
        narrow([k.channel.merchant if k.channel else None for k in kept]),
        narrow([k.channel.app if k.channel else None for k in kept]),
        narrow([k.request.client_ip for k in kept]),
        narrow([_openid(vault, k.attempt.attempt_id, k.request) if k.attempt else None for k in kept]),
        expires,
        due,
    )


def attempt_columns(vault: Vault, pairs: Sequence[Paired]) -> tuple[Sequence[Any], ...]:
    """The columns of attempts that begin, as `create_attempts` takes them. The payer's own number is sealed."""
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
    """Write what payers said of their cards."""
    if cards := [(made.attempt_id, r.bank, r.instrument) for made, r, _ in pairs if _says_of_card(r)]:
        await tx.run(sql.name_cards, *map(list, zip(*cards, strict=True)))


def names_cards(pairs: Sequence[Paired]) -> bool:
    """Whether any payer said anything of a card."""
    return any(_says_of_card(r) for _, r, _ in pairs)


def _says_of_card(request: PlaceRequest) -> bool:
    return bool(request.bank or request.instrument)
