"""Who pays, without knowing who: a blind index per kind of channel, and the flags that persons put on it."""

from datetime import datetime
from uuid import UUID

from daozhang import clock
from daozhang.postgres import Database, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.policy")


def payer_index(vault: Vault, kind: str, payer: str) -> bytes | None:
    """The index of a payer as a channel kind names him; None when it names none."""
    return vault.blind("payer", f"{kind}:{payer}") if payer else None


async def flag(database: Database, order_id: UUID, *, flagged: bool, why: str, actor: str, ends_at: datetime | None = None) -> None:
    """Flag whoever paid an order, or take the flag away. Raises `operation.not_found` when no payer is known of it."""
    row = await database.row(sql.payer_of_order, order_id)
    if row is None:
        raise Refusal("operation.not_found")
    await database.transact(
        lambda tx: tx.run(sql.flag_payer, row["shop_id"], row["payer"], flagged, why[:200], actor, ends_at, clock.now())
    )
