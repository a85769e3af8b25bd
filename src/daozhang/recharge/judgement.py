"""What a report of a payment means for our books. Pure: it sees the report and the locked rows, and touches nothing."""

from enum import StrEnum
from typing import Any, Protocol

from daozhang.channels.port import Outcome, Report
from daozhang.recharge.states import UNPAID

RETURNED = "operation.refunded"
"""The reason of a report that money came and part or all of it has gone back already, by hand at the channel: a person looks."""


FROZEN = "channel.payment_frozen"
"""The reason of a report that money came and the channel keeps it back from us for now."""


class Row(Protocol):
    """A row by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any:
        """One column."""


class Effect(StrEnum):
    """The outcomes of a settlement, each with its own consequence in the books."""

    CREDITED = "credited"
    """Booked to the user's cash."""
    HELD = "held"
    """Received, booked to the user's review account, to be looked at."""
    MISFIT = "misfit"
    """The amount is not the order's: booked to suspense."""
    TWICE = "twice"
    """The order was paid before: booked to suspense and sent back."""
    UNKNOWN_ORDER = "unknown_order"
    """We know no such number: booked to suspense."""
    FOUND = "found"
    """Stands in suspense under a number that we did not know; now we know whose it is."""
    AGAIN = "again"
    """Settled before; nothing to do."""
    FOREIGN = "foreign"
    """Not this channel's, this merchant's, this app's or this currency's payment: nothing changes."""
    NOTED = "noted"
    """Says nothing of received money: nothing changes."""


BOOKED = frozenset({Effect.CREDITED, Effect.HELD, Effect.MISFIT, Effect.TWICE, Effect.UNKNOWN_ORDER})
"""Effects that move money."""


_COMPARED = ("channel", "merchant", "app", "currency")


def differing(report: Report, attempt: Row) -> tuple[str, ...]:
    """The fields, besides the amount, in which the report is not about this attempt."""
    told = (report.channel_id, report.merchant, report.app, report.currency)
    asked = (attempt["channel_id"], attempt["merchant"], attempt["app"], attempt["currency"])
    if told == asked:
        return ()
    return tuple(name for name, one, other in zip(_COMPARED, told, asked, strict=True) if one != other)


def is_unpaid(attempt: Row) -> bool:
    """Whether a payment of this attempt is the first of its order."""
    return bool(attempt["state"] != "paid" and attempt["order_state"] in UNPAID)


def judge(report: Report, attempt: Row | None) -> tuple[Effect, str]:  # noqa: PLR0911 - one return per effect, in their order
    """The effect of a verified report, and a word of why for the log.

    `attempt` is the locked row of the attempt joined with its order (`order_state`) and with `fact_attempt`, the attempt that this
    channel transaction was booked for before; None when we know no such number. CREDITED stands for "as asked": whether it is
    credited or held is for the policy to say. Whether what is FOUND can be taken out of suspense is for the books;
    whether it is then as asked follows from its amount, and whether its order was paid before from `is_unpaid`.
    """
    if report.subject != "payment" or report.outcome is not Outcome.SUCCESS:
        return Effect.NOTED, f"{report.subject} {report.outcome}"
    if not report.channel_txn or report.amount_fen is None or report.amount_fen <= 0:
        return Effect.FOREIGN, "no transaction or amount"
    if attempt is None:
        return Effect.UNKNOWN_ORDER, "no such number"
    wrong = differing(report, attempt)
    if wrong:
        return Effect.FOREIGN, "differs: " + ", ".join(wrong)
    if attempt["fact_attempt"] == attempt["id"] or attempt["channel_txn"] == report.channel_txn:
        return Effect.AGAIN, "settled before"
    fits = report.amount_fen == attempt["amount_fen"]
    if attempt["fact_known"]:
        nobodys = attempt["fact_attempt"] is None
        return (Effect.FOUND, "stood in suspense") if nobodys else (Effect.FOREIGN, "transaction of another order")
    if not is_unpaid(attempt):
        return Effect.TWICE, "order paid before"
    if not fits:
        return Effect.MISFIT, f"asked {attempt['amount_fen']} fen, received {report.amount_fen}"
    if report.reason in (RETURNED, FROZEN):
        return Effect.HELD, report.reason
    return Effect.CREDITED, "as asked"
