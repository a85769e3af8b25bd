"""The two statements of an admission: orders are written when their keys are claimed, and kept with all that was judged of them.

An order costs what its round trips cost, so each of the two carries everything that is known by then; many orders share them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from daozhang import ids
from daozhang.channels.port import Channel, OrderRequest
from daozhang.postgres import Tx, statements
from daozhang.postgres.columns import narrow
from daozhang.recharge.model import PlaceRequest
from daozhang.vault import Vault

sql = statements("daozhang.recharge")


class Try(NamedTuple):
    """An attempt that is committed and not yet asked of its channel."""

    shop_id: int
    order_id: UUID
    attempt_id: UUID
    request: OrderRequest
    channel_id: int


Paired = tuple[Try, PlaceRequest, Channel]
"""An attempt, what was asked for, and whom it is asked of."""


async def begin(
    tx: Tx, shop_id: int, at: datetime, expires: datetime, order_ids: Sequence[UUID], requests: Sequence[PlaceRequest],
    hashes: Sequence[bytes],
) -> list[Any]:  # fmt: skip
    """Lock the users, claim the keys and write the orders of those that are new; whose order each key stands for."""
    return await tx.rows(
        sql.begin_orders,
        shop_id,
        at,
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
        expires,
        narrow(["purchase" if r.basket else "wallet" for r in requests]),
    )


async def keep(
    tx: Tx, at: datetime, judged: tuple[Any, ...], told: Sequence[tuple[str, str]], attempts: tuple[Any, ...], expires: datetime,
    due: datetime,
) -> None:  # fmt: skip
    """Write decisions (`placed_columns`), one event (kind, data) about each, and the attempts of those that were admitted."""
    kinds, data = narrow([kind for kind, _ in told]), narrow([said for _, said in told])
    await tx.value(sql.keep_orders, *judged, ids.new_ids(len(told)), kinds, data, at, *attempts, expires, due)


def attempt_columns(vault: Vault, pairs: Sequence[Paired]) -> tuple[list[Any], ...]:
    """The columns of attempts that begin, as `create_attempts` and `keep_orders` take them. The payer's own number is sealed."""
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
        narrow(
            [vault.seal(r.payer_openid, f"attempts:openid:{made.attempt_id}") if r.payer_openid else None for made, r, _ in pairs]
        ),
    )


async def name_cards(tx: Tx, pairs: Sequence[Paired]) -> None:
    """Write what payers said of their cards."""
    cards = [(made.attempt_id, r.bank, r.instrument) for made, r, _ in pairs if r.bank or r.instrument]
    if cards:
        await tx.run(sql.name_cards, *map(list, zip(*cards, strict=True)))
