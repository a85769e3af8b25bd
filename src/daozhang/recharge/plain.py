"""What is credited as asked, which is nearly everything: a batch of it is columns, and one statement writes all of them.

Decisions, moves, keys, messages, events, transfers and postings share most of their columns, so each goes to the database once.
Every round trip spared is spared to a single message, too: of the time that one takes, most is waiting in turn.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from daozhang.channels.port import Report
from daozhang.ledger import Accounts, accounts
from daozhang.policy.book import Book
from daozhang.policy.enforce import Judged, columns, keep_texts
from daozhang.postgres import Tx, statements
from daozhang.postgres.columns import narrow
from daozhang.recharge import inbox
from daozhang.recharge.judgement import Row

sql = statements("daozhang.recharge")


class Plain(NamedTuple):
    """Payments of open attempts of unpaid orders, in just their amount: the id of each credit, its locked row and its report."""

    ids: Sequence[UUID]
    rows: Sequence[Row]
    reports: Sequence[Report]
    payers: Sequence[bytes | None]
    """Who paid, sealed for the attempt's row."""


class Written(NamedTuple):
    """How a statement names what it writes: columns that are shared by several parts, and those of the credit alone."""

    orders: list[UUID]
    users: list[int]
    amounts: Sequence[int]
    txns: list[str]
    credit: tuple[Sequence[Any], ...]


def _written(plain: Plain) -> Written:
    rows, reports = plain.rows, plain.reports
    return Written(
        [row["order_id"] for row in rows],
        [row["user_id"] for row in rows],
        narrow([report.amount_fen or 0 for report in reports]),
        [report.channel_txn for report in reports],
        (
            list(plain.ids),
            [row["id"] for row in rows],
            narrow([report.channel_id for report in reports]),
            list(plain.payers),
            narrow([row["version"] for row in rows]),
            narrow([row["state"] for row in rows]),
            narrow([row["order_version"] for row in rows]),
            narrow([row["order_state"] for row in rows]),
            narrow([report.witness for report in reports]),
        ),
    )


async def credit(tx: Tx, shop_id: int, at: datetime, actor: str, plain: Plain) -> None:
    """Write everything but decisions, messages and the booking: among others that are no plain credits."""
    orders, users, amounts, txns, (new, attempts, channels, payers, *states) = _written(plain)
    await tx.value(sql.credit_orders, shop_id, at, actor, new, attempts, orders, users, channels, amounts, txns, payers, *states)


async def settle(
    tx: Tx,
    shop_id: int,
    at: datetime,
    actor: str,
    plain: Plain,
    made: Sequence[Judged],
    book: Book,
    messages: Sequence[inbox.Stored],
    known: Accounts,
) -> dict[str, int]:
    """Write all of it. `made` are the decisions about these payments in their order; `messages` may be more than they are.

    It is the last statement of its transaction. Answers the account ids that may be remembered once that is committed.
    """
    written, missing = _written(plain), dict[str, int]()
    shop, judged_at, version, ids, _, _, *decided = columns(made, book)
    assert shop == shop_id, "decisions of this shop"
    sources = [accounts.receivable(each) for each in written.credit[2]]
    await keep_texts(tx, made)
    row = await tx.last(
        sql.write_settlement,
        shop_id,
        at,
        actor,
        judged_at,
        version,
        ids,
        written.orders,
        written.users,
        written.amounts,
        written.txns,
        *decided,
        [wish.payer for _, wish, _ in made],
        *written.credit,
        *inbox.columns(messages),
        [report.happened_at or at for report in plain.reports],
        known.named(shop_id, sources, missing),
        known.named(shop_id, map(accounts.cash, written.users), missing),
        list(missing),
    )
    assert row is not None, "a statement of functions answers once"
    return dict(zip(missing, row["opened"], strict=True))


async def plan(tx: Tx, shop_id: int, at: datetime, actor: str) -> None:
    """Have the statement planned, and what it calls: nothing is written."""
    await tx.value(sql.write_settlement, shop_id, at, actor, at, 0, *([] for _ in range(33)))
