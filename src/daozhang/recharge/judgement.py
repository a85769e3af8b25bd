"""What a report of a payment means for our books. Pure: it sees the report and the locked rows, and touches nothing."""

from enum import StrEnum
from typing import Any, Protocol

from daozhang.channels.port import Outcome, Report
from daozhang.recharge.states import UNPAID


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
    AGAIN = "again"
    """Settled before; nothing to do."""
    FOREIGN = "foreign"
    """Not this channel's, this merchant's, this app's or this currency's payment: nothing changes."""
    NOTED = "noted"
    """Says nothing of received money: nothing changes."""


BOOKED = frozenset({Effect.CREDITED, Effect.HELD, Effect.MISFIT, Effect.TWICE, Effect.UNKNOWN_ORDER})
"""Effects that move money."""


def differing(report: Report, attempt: Row) -> tuple[str, ...]:
    """The fields, besides the amount, in which the report is not about this attempt."""
    pairs = (
        ("channel", report.channel_id, attempt["channel_id"]),
        ("merchant", report.merchant, attempt["merchant"]),
        ("app", report.app, attempt["app"]),
        ("currency", report.currency, attempt["currency"]),
    )
    return tuple(name for name, told, asked in pairs if told != asked)


def judge(report: Report, attempt: Row | None) -> tuple[Effect, str]:  # noqa: PLR0911 - one return per effect, in their order
    """The effect of a verified report, and a word of why for the log.

    `attempt` is the locked row of the attempt joined with its order (`order_state`) and with `fact_attempt`, the attempt that this
    channel transaction was booked for before; None when we know no such number. CREDITED stands for "as asked": whether it is
    credited or held is for the policy to say.
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
    if attempt["fact_known"]:
        same = attempt["fact_attempt"] == attempt["id"]
        return (Effect.AGAIN, "settled before") if same else (Effect.FOREIGN, "transaction of another order")
    if attempt["state"] == "paid" or attempt["order_state"] not in UNPAID:
        return Effect.TWICE, "order paid before"
    if report.amount_fen != attempt["amount_fen"]:
        return Effect.MISFIT, f"asked {attempt['amount_fen']} fen, received {report.amount_fen}"
    return Effect.CREDITED, "as asked"
