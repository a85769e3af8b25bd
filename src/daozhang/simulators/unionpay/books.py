"""UnionPay's own books: what was ordered, paid, returned and told. A stranger's books, kept apart from ours in SQLite."""

import secrets
from dataclasses import dataclass
from typing import Any

from daozhang.simulators.shelf import Shelf
from daozhang.simulators.watch import Watch, digits


@dataclass(frozen=True, slots=True)
class Order:
    """One payment. `answer` is what it came to so far: empty, 00, or why it failed; `phone` is what only the payer's phone knows.

    `known_s` is from when on the query knows that it was paid.
    """

    mer_id: str
    order_id: str
    txn_time: str
    product: str
    biz_type: str
    sub_type: str
    amount_fen: int
    back_url: str
    front_url: str
    fingerprint: str
    created_s: float
    expires_s: float
    code: str
    answer: str
    query_id: str | None
    trace_no: str
    charged_fen: int
    voucher_fen: int
    refunded_fen: int
    paid_s: float | None
    known_s: float | None
    way: str
    phone: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What UnionPay knows it by."""
        return self.mer_id, self.order_id, self.txn_time

    @property
    def qr_code(self) -> str:
        """What its QR code holds."""
        return f"https://qr.95516.com/00010000/01{self.code}"


@dataclass(frozen=True, slots=True)
class Return:
    """A refund (`kind` 04) or revoke (31). `fate` is the code it is going to have when it is due."""

    mer_id: str
    order_id: str
    txn_time: str
    kind: str
    orig_query_id: str
    amount_fen: int
    back_url: str
    query_id: str
    trace_no: str
    created_s: float
    due_s: float
    finished_s: float | None
    answer: str
    fate: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice on its ladder. `state`: waiting, sending, acknowledged, given_up, silenced, held. `plain`: its fields as JSON."""

    id: str
    mer_id: str
    number: str
    url: str
    plain: str
    created_s: float
    step: int
    next_s: float | None
    state: str


class Books(Shelf[Notice]):
    """UnionPay's books, see `Shelf`."""

    def __init__(self, path: str, watch: Watch) -> None:
        super().__init__(path, watch, __package__, Notice)

    def add_merchant(self, mer_id: str) -> None:
        """Open a balance for a merchant; nothing happens when it is open."""
        self._run("add_merchant", mer_id)

    def balance_fen(self, mer_id: str) -> int:
        """What UnionPay owes the merchant: payments minus what went back or is on its way."""
        row = self._run("balance", mer_id).fetchone()
        return int(row[0]) if row else 0

    def add_order(self, values: dict[str, Any]) -> Order | None:
        """Write a new unpaid order; None when its key is known. The values are the fields of `Order` that a merchant decides."""
        names = ("mer_id", "order_id", "txn_time", "product", "biz_type", "sub_type", "amount_fen", "back_url", "front_url")
        row = [*(values[name] for name in (*names, "fingerprint")), self._watch.now_s(), values["expires_s"]]
        row.append(f"{secrets.randbelow(10**18):018d}")
        if self._run("add_order", *row).fetchone() is None:
            return None
        return Order(*(*row, "", None, "", 0, 0, 0, None, None, "", ""))

    def order(self, mer_id: str, order_id: str, txn_time: str) -> Order | None:
        """The payment of a merchant by its number and time."""
        return self._order("order_by_key", mer_id, order_id, txn_time)

    def order_by_number(self, order_id: str) -> Order | None:
        """The newest payment with a merchant's number."""
        return self._order("order_by_number", order_id)

    def order_by_query_id(self, query_id: str) -> Order | None:
        """The payment by UnionPay's own number."""
        return self._order("order_by_query_id", query_id)

    def order_by_code(self, code: str) -> Order | None:
        """The payment that a phone is led to by a code."""
        return self._order("order_by_code", code)

    def pay(
        self, order: Order, charged_fen: int, way: str, voucher_fen: int = 0, unknown_for_s: float = 0.0, answer: str = "00"
    ) -> Order | None:
        """Book a payment: the merchant's balance grows by `charged_fen`. None when it was paid before.

        For `unknown_for_s` the query does not know it; `answer` is 00, or A6 for one with a flaw.
        """
        now_s = self._watch.now_s()
        with self._whole():
            query_id, trace_no = self._new_numbers(now_s)
            paid = self._order(
                "pay_order", *order.key, query_id, trace_no, charged_fen, now_s, now_s + unknown_for_s, way, voucher_fen, answer
            )
            if paid is not None:
                self._run("move_balance", order.mer_id, charged_fen)
        return paid

    def phone_saw(self, order: Order, what: str, answer: str | None = None) -> None:
        """Note what the payer's phone did or was told; `answer` is what the payment came to by it."""
        self._run("phone_saw", *order.key, what, answer).fetchall()

    def waiting(self, limit: int = 20) -> list[Order]:
        """Orders that can still be paid, the newest first."""
        return [Order(*row) for row in self._run("waiting_orders", self._watch.now_s(), limit)]

    def paid(self, limit: int = 1_000_000) -> list[Order]:
        """Paid orders (refunded ones too), the newest first."""
        return [Order(*row) for row in self._run("paid_orders", limit)]

    def order_counts(self) -> dict[str, int]:
        """Orders by state: waiting, refused, paid."""
        return dict(self._run("order_counts"))

    def add_return(
        self, order: Order, key: tuple[str, str, str], kind: str, amount_fen: int, back_url: str, due_s: float, fate: str
    ) -> Return:
        """Accept a refund or revoke: the money leaves the merchant's balance now and reaches the payer when it is due."""
        now_s = self._watch.now_s()
        with self._whole():
            query_id, trace_no = self._new_numbers(now_s)
            self._run(
                "add_return", *key, kind, order.query_id, amount_fen, back_url, query_id, trace_no, now_s, due_s, fate
            )  # fmt: skip
            self._run("move_balance", order.mer_id, -amount_fen)
            self._run("refunded", order.query_id, amount_fen)
        made = self.returned(*key)
        assert made is not None
        return made

    def returned(self, mer_id: str, order_id: str, txn_time: str) -> Return | None:
        """The refund or revoke of a merchant by its number and time."""
        row = self._run("return_by_key", mer_id, order_id, txn_time).fetchone()
        return Return(*row) if row else None

    def returns_of(self, order: Order) -> list[Return]:
        """All refunds and revokes of a payment, the oldest first."""
        return [Return(*row) for row in self._run("returns_of_payment", order.query_id)]

    def finish_return(self, back: Return) -> Return | None:
        """Let a refund meet its fate. One that fails gives the money back to the merchant."""
        with self._whole():
            key = (back.mer_id, back.order_id, back.txn_time)
            row = self._run("finish_return", *key, back.fate, self._watch.now_s()).fetchone()
            if row is not None and back.fate not in ("00", "04"):
                self._run("move_balance", back.mer_id, back.amount_fen)
                self._run("refunded", back.orig_query_id, -back.amount_fen)
        return Return(*row) if row else None

    def doom(self, number: str, fate: str) -> None:
        """Decide what a refund that is under way will come to."""
        self._run("doom_return", number, fate)

    def returns_due(self) -> list[Return]:
        """Refunds whose time has come."""
        return [Return(*row) for row in self._run("returns_due", self._watch.now_s())]

    def of_day(self, start_s: float, end_s: float) -> tuple[list[Order], list[Return]]:
        """What was paid and what went back between two moments."""
        orders = [Order(*row) for row in self._run("paid_between", start_s, end_s)]
        return orders, [Return(*row) for row in self._run("returned_between", start_s, end_s)]

    def add_notice(self, notice: Notice) -> None:
        """Put a callback on its ladder."""
        self._run(
            "add_notice",
            *(notice.id, notice.mer_id, notice.number, notice.url, notice.plain, notice.created_s, notice.next_s),
        )

    def _new_numbers(self, now_s: float) -> tuple[str, str]:
        """A queryId of 21 digits and the traceNo of six that is its end."""
        count = self._run("count").fetchone()[0] % 10**7
        return f"{digits(now_s)}{count:07d}", f"{count % 10**6:06d}"

    def _order(self, name: str, *values: Any) -> Order | None:
        row = self._run(name, *values).fetchone()
        return Order(*row) if row else None
