"""What may happen to an order, an attempt and a refund: one table of moves per machine, pure data.

The same rows stand in the database, where the move logs point at them with foreign keys; a test holds both and the diagram in the
docs together.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Money = Literal["none", "checking", "received", "credited", "returning", "returned"]


class Meaning(NamedTuple):
    """Outward meaning of a state: what happened to the money, and whether the machine rests here."""

    money: Money
    terminal: bool


ORDER_STATES: Mapping[str, Meaning] = {
    "created": Meaning("none", terminal=False),
    "challenged": Meaning("none", terminal=False),
    "reviewing": Meaning("none", terminal=False),
    "refused": Meaning("none", terminal=True),
    "abandoned": Meaning("none", terminal=True),
    "awaiting_payment": Meaning("none", terminal=False),
    "closing": Meaning("checking", terminal=False),
    "failed": Meaning("none", terminal=True),
    "expired": Meaning("none", terminal=True),
    "cancelled": Meaning("none", terminal=True),
    "paid": Meaning("received", terminal=False),
    "credited": Meaning("credited", terminal=True),
    "held": Meaning("received", terminal=False),
    "misfit": Meaning("received", terminal=False),
    "refunding": Meaning("returning", terminal=False),
    "refunded": Meaning("returned", terminal=True),
    "frozen_by_order": Meaning("received", terminal=False),
}

ORDER_MOVES: Mapping[tuple[str, str], str] = {
    ("created", "challenged"): "challenged",
    ("challenged", "passed"): "created",
    # Whoever cannot confirm it asks for a person instead.
    **{(state, "asked"): "reviewing" for state in ("created", "challenged")},
    ("reviewing", "approved"): "created",
    **{(state, "refused"): "refused" for state in ("created", "challenged", "reviewing")},
    **{(state, "abandoned"): "abandoned" for state in ("created", "challenged", "reviewing")},
    ("created", "submitted"): "awaiting_payment",
    ("created", "declined"): "failed",
    ("awaiting_payment", "declined"): "failed",
    ("awaiting_payment", "expired"): "expired",
    ("created", "expired"): "expired",
    ("awaiting_payment", "cancel_asked"): "closing",
    ("created", "cancel_asked"): "closing",
    ("closing", "closed"): "cancelled",
    # Another try of the same order: a new attempt, while the old one is closed or stays watched.
    **{(state, "retried"): "created" for state in ("failed", "expired", "cancelled", "awaiting_payment")},
    # Late money is still money: it is taken in from every state that took none.
    **{
        (state, "paid"): "paid"
        for state in (
            "created", "challenged", "reviewing", "awaiting_payment", "closing",
            "failed", "expired", "cancelled", "abandoned", "refused",
        )
    },
    ("paid", "credited"): "credited",
    ("paid", "held"): "held",
    ("paid", "misfit"): "misfit",
    ("misfit", "kept"): "credited",
    ("misfit", "rejected"): "refunding",
    ("held", "released"): "credited",
    ("held", "rejected"): "refunding",
    ("refunding", "refunded"): "refunded",
    # The channel did not return it: the money is where it was, and a person decides again.
    ("refunding", "bounced"): "held",
    ("refunding", "unfit"): "misfit",
    ("held", "ordered"): "frozen_by_order",
    ("frozen_by_order", "lifted"): "held",
}  # fmt: skip

UNPAID = frozenset(state for state, move in ORDER_MOVES if move == "paid")
"""States from which a payment is taken in."""

ENDED_UNPAID = frozenset(state for state in UNPAID if ORDER_STATES[state].terminal)
"""Ended without money: a payment that still comes is late."""

ATTEMPT_STATES: Mapping[str, bool] = {
    "prepared": False,
    "open": False,
    "unknown": False,
    "closing": False,
    "paid": True,
    "closed": True,
}
"""State -> terminal."""

CHARGED = "channel.charged_checking"
"""What a channel says of a payment that it has taken and not booked yet."""

ATTEMPT_MOVES: Mapping[tuple[str, str], str] = {
    ("prepared", "opened"): "open",
    ("prepared", "doubted"): "unknown",
    # The channel took the money and has not booked it: we check, and the payer is not asked again.
    ("open", "doubted"): "unknown",
    ("unknown", "opened"): "open",
    **{(state, "closing"): "closing" for state in ("prepared", "unknown", "open")},
    **{(state, "closed"): "closed" for state in ("prepared", "unknown", "open", "closing")},
    **{(state, "paid"): "paid" for state in ("prepared", "unknown", "open", "closing", "closed")},
}

REFUND_STATES: Mapping[str, bool] = {"reserved": False, "sent": False, "done": True, "failed": True}
"""State -> terminal."""

REFUND_MOVES: Mapping[tuple[str, str], str] = {
    ("reserved", "sent"): "sent",
    **{(state, "done"): "done" for state in ("reserved", "sent")},
    **{(state, "failed"): "failed" for state in ("reserved", "sent")},
    # The channel refused it and returned the money after all.
    ("failed", "done"): "done",
}

PAYOUT_STATES: Mapping[str, bool] = {"proposed": False, "approved": False, "rejected": True, "paid": True, "bounced": True}
"""State -> terminal. A payout is what a person pays by hand where the way back is closed."""

PAYOUT_MOVES: Mapping[tuple[str, str], str] = {
    ("proposed", "approved"): "approved",
    **{(state, "rejected"): "rejected" for state in ("proposed", "approved")},
    ("approved", "paid"): "paid",
    # The bank sent it back to the shop.
    ("paid", "bounced"): "bounced",
}
