"""What a report means, by its fields and the locked row alone: each line of the judgement by itself.

What the books would refuse anyway (a transaction is booked once) is refused here first, and said to be what it is.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from daozhang import ids
from daozhang.channels.port import Outcome, Report
from daozhang.recharge.judgement import Effect, judge

ATTEMPT, OTHER = ids.new_id(), ids.new_id()
TXN = "4200000000209901010000000001"
TOLD = Report("notification", "payment", 1, ids.text26(ATTEMPT), Outcome.SUCCESS, 5_000, "CNY", "1900000001", "wx1", TXN)


def row(**changes: Any) -> dict[str, Any]:
    """The locked row that the report is about: open, unpaid, its transaction new here."""
    asked = {"id": ATTEMPT, "channel_id": 1, "merchant": "1900000001", "app": "wx1", "currency": "CNY", "amount_fen": 5_000}
    stands = {"state": "open", "order_state": "awaiting_payment", "channel_txn": None, "fact_known": False, "fact_attempt": None}
    return asked | stands | changes


MEANT = {
    "as asked": (TOLD, row(), Effect.CREDITED),
    "after its end": (TOLD, row(state="closed", order_state="expired"), Effect.CREDITED),
    "a refund": (replace(TOLD, subject="refund"), row(), Effect.NOTED),
    "not paid": (replace(TOLD, outcome=Outcome.PENDING), row(), Effect.NOTED),
    "no transaction": (replace(TOLD, channel_txn=""), row(), Effect.FOREIGN),
    "no amount": (replace(TOLD, amount_fen=None), row(), Effect.FOREIGN),
    "nothing": (replace(TOLD, amount_fen=0), row(), Effect.FOREIGN),
    "less than nothing": (replace(TOLD, amount_fen=-5_000), row(amount_fen=-5_000), Effect.FOREIGN),
    "no such number": (TOLD, None, Effect.UNKNOWN_ORDER),
    "another channel": (replace(TOLD, channel_id=2), row(), Effect.FOREIGN),
    "another merchant": (replace(TOLD, merchant="1900000002"), row(), Effect.FOREIGN),
    "another app": (replace(TOLD, app="wx2"), row(), Effect.FOREIGN),
    "another currency": (replace(TOLD, currency="USD"), row(), Effect.FOREIGN),
    "booked for this attempt": (TOLD, row(fact_known=True, fact_attempt=ATTEMPT), Effect.AGAIN),
    "the attempt's own transaction": (TOLD, row(state="paid", channel_txn=TXN, order_state="credited"), Effect.AGAIN),
    "booked for nobody": (TOLD, row(fact_known=True), Effect.FOUND),
    "transaction of another order": (TOLD, row(fact_known=True, fact_attempt=OTHER), Effect.FOREIGN),
    "of another order, and this one is paid": (
        TOLD, row(state="paid", channel_txn="42", order_state="credited", fact_known=True, fact_attempt=OTHER), Effect.FOREIGN
    ),
    "of another order, in another amount": (replace(TOLD, amount_fen=1), row(fact_known=True, fact_attempt=OTHER), Effect.FOREIGN),
    "a second transaction": (TOLD, row(state="paid", channel_txn="42", order_state="credited"), Effect.TWICE),
    "a second attempt": (TOLD, row(order_state="credited"), Effect.TWICE),
    "another amount": (replace(TOLD, amount_fen=4_999), row(), Effect.MISFIT),
    "went back already": (replace(TOLD, reason="operation.refunded"), row(), Effect.HELD),
    "kept back by the channel": (replace(TOLD, reason="channel.payment_frozen"), row(), Effect.HELD),
}  # fmt: skip


@pytest.mark.parametrize("told", MEANT)
def test_am_a_report_means_this_and_nothing_else(told: str) -> None:
    report, attempt, effect = MEANT[told]
    assert judge(report, attempt)[0] is effect
