"""Read how chosen offers stand: for the facts of policy, and again when they are promised."""

from collections.abc import Sequence
from typing import Any, Protocol

from daozhang.offers.judge import Taken, judge
from daozhang.offers.model import Ask, Seen
from daozhang.postgres import Tx, statements

sql = statements("daozhang.offers")


class Reader(Protocol):
    """A transaction, or the database for a reading outside of one."""

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        """Every row of the answer."""


async def lock(tx: Tx, shop_id: int, asks: Sequence[Ask]) -> None:
    """Take the locks that asked-for offers rest on, sorted, in a statement of its own: what is read afterwards is exact.

    After the users' locks and before anything else of offers. Asks for nothing lock nothing.
    """
    campaigns = [ask.campaign_id for ask in asks if ask.campaign_id is not None]
    hashes = [ask.code_hash for ask in asks if ask.code_hash is not None]
    if campaigns or hashes:
        await tx.value(sql.lock_offers, shop_id, campaigns, hashes)


async def read(reader: Reader, shop_id: int, asks: Sequence[Ask], *, together: bool = False) -> list[Seen]:
    """One `Seen` per ask, in order. `together`: they are orders of one batch, each of which takes from what the next one finds."""
    chosen = [place for place, ask in enumerate(asks) if ask.campaign_id is not None or ask.code_hash is not None]
    seen = [Seen()] * len(asks)
    if not chosen:
        return seen
    rows = await reader.rows(
        sql.offers_seen,
        shop_id,
        [asks[place].user_id for place in chosen],
        [asks[place].campaign_id for place in chosen],
        [asks[place].code_hash for place in chosen],
    )
    taken = Taken() if together else None
    for place, row in zip(chosen, rows, strict=True):
        seen[place] = judge(row, asks[place], taken)
    return seen
