"""What a recharge may be for besides the wallet: a room above registers what it does when the money is there.

`recharge` asks for the goods to be set aside when the order is placed and handed over in the commit that credits it; what the room
does is set-based and calls nobody outside. A purchase that cannot be handed over any more leaves the money in the balance.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from daozhang.ledger import Transfer
from daozhang.postgres import Tx
from daozhang.recharge.model import Basket


class Errand(NamedTuple):
    """A basket whose channel part (`channel_fen`) an order pays."""

    order_id: UUID
    user_id: int
    basket: Basket
    channel_fen: int
    expires_at: datetime


class Credited(NamedTuple):
    """An order whose money is in the user's cash, in the transaction that is under way."""

    order_id: UUID
    user_id: int
    amount_fen: int
    paid_at: datetime | None = None
    """When its payer paid, as the channel said; None when nobody did."""
    purchase: bool = True
    """Whether the order is for something besides the wallet; True also when nobody has looked."""


class Finished(NamedTuple):
    """Bookings still to be posted with the others, and the orders whose goods were gone, with why."""

    transfers: list[Transfer]
    undelivered: dict[UUID, str]


class Fulfilment(Protocol):
    """What a room (goods, bonuses) implements to fulfil recharges that pay for something."""

    async def reserve(self, tx: Tx, at: datetime, errand: Errand) -> None:
        """Set aside what an order is for. Raises `Refusal` before anything was written."""

    async def renew(self, tx: Tx, at: datetime, order_id: UUID, user_id: int, expires_at: datetime) -> None:
        """Keep what an order is for aside until a new moment, or set it aside anew if it went back.

        Its user is locked. Raises `Refusal` before anything was written.
        """

    async def finish(self, tx: Tx, at: datetime, credited: Sequence[Credited]) -> Finished:
        """Hand over. Their users are locked; accounts are locked by the caller's own booking, last."""


async def finish_all(fulfilments: Sequence[Fulfilment], tx: Tx, at: datetime, credited: Sequence[Credited]) -> Finished:
    """Call `finish` of every room and merge what they return."""
    together = Finished([], {})
    for fulfilment in fulfilments if credited else ():
        finished = await fulfilment.finish(tx, at, credited)
        together.transfers.extend(finished.transfers)
        together.undelivered.update(finished.undelivered)
    return together
