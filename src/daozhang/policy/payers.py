"""Payers, known by a blind index per kind of channel and never in clear, and the flags that staff put on them."""

from datetime import datetime
from uuid import UUID

from daozhang import clock
from daozhang.events import log as events
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.policy")


def payer_index(vault: Vault, kind: str, payer: str) -> bytes | None:
    """The index of a payer as a channel kind names him; None when it names none."""
    return vault.blind("payer", f"{kind}:{payer}") if payer else None


async def flag(database: Database, order_id: UUID, *, flagged: bool, why: str, actor: str, ends_at: datetime | None = None) -> None:
    """Flag whoever paid an order, or take the flag away. Raises `operation.not_found` when no payer is known of it."""
    await database.transact(lambda tx: flag_in(tx, order_id, flagged=flagged, why=why, actor=actor, ends_at=ends_at))


async def flag_in(tx: Tx, order_id: UUID, *, flagged: bool, why: str, actor: str, ends_at: datetime | None = None) -> None:
    """The same in the caller's transaction."""
    row = await tx.row(sql.payer_of_order, order_id)
    if row is None:
        raise Refusal("operation.not_found")
    at, said = clock.now(), why.strip()[:200] or "-"
    await tx.run(sql.flag_payer, row["shop_id"], row["payer"], flagged, said, actor, ends_at, at)
    kind = "risk.payer_flagged" if flagged else "risk.payer_cleared"
    await events.append(tx, row["shop_id"], at, actor, [events.Event(kind, order_id, None, "{}")])
