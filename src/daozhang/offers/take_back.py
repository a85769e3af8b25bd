"""A refund takes back the bonus that its money had brought.

By the rule of the field, paid / (paid + bonus): of a bonus B on a payment P a refund of R takes B * R / P, rounded down and summed
over all refunds of the order, so that the last one takes the rest (法释〔2025〕4号, art. 18, counts a bonus in this ratio). What
of the bonus is spent is not asked for in cash: spending takes cash and bonus in proportion, so the cash that is left has its bonus
beside it.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from daozhang import ids
from daozhang.ledger import Accounts, Line, Transfer, accounts
from daozhang.ledger.reserve import Hold, closing, reserve
from daozhang.postgres import Tx, statements

sql = statements("daozhang.offers")


def due_fen(bonus_fen: int, paid_fen: int, returned_fen: int, before_fen: int) -> int:
    """What a refund takes that brings an order's returned sum to `returned_fen`, when its refunds before took `before_fen`."""
    return max(0, bonus_fen * min(returned_fen, paid_fen) // paid_fen - before_fen)


async def begin_taking(
    tx: Tx, ledger_accounts: Accounts, at: datetime, actor: str, refund_id: UUID, order_id: UUID, returned_fen: int
) -> int:
    """Set the bonus aside that a refund takes; how much. The user is locked; `returned_fen` counts this refund in.

    The same call serves money that a person pays back by hand: `refund_id` is then that payout's.
    """
    taken_fen = 0
    for row in await tx.rows(sql.granted_of_order, order_id):
        wanted_fen = due_fen(row["bonus_fen"], row["paid_fen"], returned_fen, row["due_fen"])
        if wanted_fen == 0:
            continue
        there_fen = await tx.value(sql.balance_of, row["shop_id"], accounts.bonus(row["user_id"])) or 0
        take_fen, hold_id = min(wanted_fen, there_fen), None
        if take_fen:
            source, aside = accounts.bonus(row["user_id"]), accounts.reserved(row["user_id"])
            hold_id = ids.new_id()
            await reserve(tx, ledger_accounts, at, actor, Hold(hold_id, row["shop_id"], source, aside, take_fen))
        await tx.run(sql.begin_taking, at, refund_id, row["id"], hold_id, wanted_fen, take_fen)
        taken_fen += take_fen
    return taken_fen


async def end_taking(tx: Tx, at: datetime, refund_id: UUID, how: Literal["taken", "given_back"]) -> list[Transfer]:
    """The refund is done, and its bonus gone with it; or it failed, and the bonus is there again.

    The bookings, for the caller to post with the refund's own: two postings one after the other would lock accounts out of order.
    Nothing the second time.
    """
    rows = await tx.rows(sql.end_takings, at, refund_id, how)
    made = []
    for row in rows:
        if row["hold_id"]:
            booking = await closing(tx, at, row["hold_id"], "captured" if how == "taken" else "released", accounts.PROMOTION)
            assert booking is not None, "a bonus's hold ended before it"
            made.append(booking)
    return made


async def restore_taking(tx: Tx, at: datetime, payout_id: UUID) -> list[Transfer]:
    """The bank sent a payout back: the bonus that had gone with it is the user's again, beside its money.

    The bookings, for the caller to post with the payout's own. Nothing the second time.
    """
    rows = await tx.rows(sql.restore_takings, at, payout_id)
    return [
        Transfer(
            ids.new_id(), "payout.bonus_restored", row["hold_id"], at,
            (Line(accounts.PROMOTION, -row["amount_fen"]), Line(accounts.bonus(row["user_id"]), row["amount_fen"])),
        )
        for row in rows
    ]  # fmt: skip
