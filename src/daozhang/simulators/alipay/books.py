"""Alipay's own books: what was wished, opened, paid, refunded and told. A stranger's books, kept apart from ours in SQLite.

A trade begins when a payer comes: until then a code or page is a wish (state empty) that no query finds.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from daozhang.simulators.shelf import Shelf
from daozhang.simulators.watch import Watch, digits

KEPT_S = 15 * 86_400


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade or wish. `phone` is what the payer's phone knows and the merchant never hears."""

    app_id: str
    out_trade_no: str
    product: str
    subject: str
    total_fen: int
    notify_url: str
    return_url: str
    no_credit: int
    fingerprint: str
    created_s: float
    expires_s: float
    code: str
    trade_no: str | None
    state: str
    charged_fen: int
    paid_s: float | None
    closed_s: float | None
    way: str
    voucher_fen: int
    refunded_fen: int
    phone: str

    @property
    def qr_code(self) -> str:
        """What the code holds."""
        return f"https://qr.alipay.com/{self.code}"


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund. `due_s` is there while it is on its way."""

    app_id: str
    out_trade_no: str
    out_request_no: str
    amount_fen: int
    reason: str
    created_s: float
    due_s: float | None
    done_s: float | None
    status: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice on its ladder. `about`: payment, refund, state.

    `state`: waiting, sending, acknowledged, given_up, silenced, held.
    """

    id: str
    app_id: str
    number: str
    about: str
    url: str
    plain: str
    created_s: float
    step: int
    next_s: float | None
    state: str


class Books(Shelf[Notice]):
    """Alipay's books, see `Shelf`."""

    def __init__(self, path: str, watch: Watch) -> None:
        super().__init__(path, watch, __package__, Notice)

    def add_seller(self, app_id: str) -> None:
        """Open a balance for an application; nothing happens when it is open."""
        self._run("add_seller", app_id)

    def balance_fen(self, app_id: str) -> int:
        """What Alipay owes the seller: payments minus refunds."""
        row = self._run("balance", app_id).fetchone()
        return int(row[0]) if row else 0

    def add_trade(self, values: dict[str, Any]) -> Trade | None:
        """Write a wish; None when its number is known. The values are the fields of `Trade` that a merchant decides."""
        names = (
            "app_id",
            "out_trade_no",
            "product",
            "subject",
            "total_fen",
            "notify_url",
            "return_url",
            "no_credit",
            "fingerprint",
        )
        code = f"bax{secrets.token_hex(11)}"
        row = self._run("add_trade", *(values[name] for name in names), self._watch.now_s(), values["expires_s"], code).fetchone()
        return Trade(*row) if row else None

    def trade(self, app_id: str, out_trade_no: str) -> Trade | None:
        """By the merchant's number."""
        self.lapse()
        return self._trade("trade_by_number", app_id, out_trade_no)

    def trade_by_trade_no(self, trade_no: str) -> Trade | None:
        """By Alipay's number."""
        self.lapse()
        return self._trade("trade_by_trade_no", trade_no)

    def trade_by_code(self, code: str) -> Trade | None:
        """By what a scanned code or an opened page leads to."""
        self.lapse()
        return self._trade("trade_by_code", code)

    def open_trade(self, trade: Trade) -> Trade:
        """A payer has come: the trade begins."""
        trade_no = f"{digits(self._watch.now_s())[:8]}2200{secrets.randbelow(10**16):016d}"
        return self._trade("open_trade", trade.app_id, trade.out_trade_no, trade_no) or trade

    def close_trade(self, trade: Trade) -> Trade | None:
        """Close a trade that waits; None when it does not."""
        return self._trade("close_trade", trade.app_id, trade.out_trade_no, self._watch.now_s())

    def lapse(self) -> list[Trade]:
        """Close what was not paid in its time."""
        return [Trade(*row) for row in self._run("lapse", self._watch.now_s()).fetchall()]

    def finish_trade(self, trade: Trade) -> Trade | None:
        """End what can no longer be refunded."""
        return self._trade("finish_trade", trade.app_id, trade.out_trade_no)

    def pay(self, trade: Trade, charged_fen: int, way: str, voucher_fen: int) -> Trade | None:
        """Book a payment: the seller's balance grows by `charged_fen`. None when the trade does not wait any more."""
        with self._whole():
            key = (trade.app_id, trade.out_trade_no)
            paid = self._trade("pay_trade", *key, charged_fen, self._watch.now_s(), way, voucher_fen)
            if paid is not None:
                self._run("move_balance", trade.app_id, charged_fen)
        return paid

    def phone_saw(self, trade: Trade, what: str) -> None:
        """Note what the payer's phone did or was told."""
        self._run("phone_saw", trade.app_id, trade.out_trade_no, what).fetchall()

    def waiting(self, limit: int = 20) -> list[Trade]:
        """What can still be paid, the newest first."""
        now_s = self._watch.now_s()
        return [Trade(*row) for row in self._run("waiting_trades", now_s, now_s - KEPT_S, limit)]

    def paid(self, limit: int = 1_000_000) -> list[Trade]:
        """Paid trades (refunded ones too), the newest first."""
        return [Trade(*row) for row in self._run("paid_trades", limit)]

    def paid_between(self, from_s: float, until_s: float) -> list[Trade]:
        """Trades paid in a span of time."""
        return [Trade(*row) for row in self._run("paid_between", from_s, until_s)]

    def trade_counts(self) -> dict[str, int]:
        """Trades by state; PRECREATED are those nobody has come to."""
        return dict(self._run("trade_counts"))

    def add_refund(self, trade: Trade, number: str, amount_fen: int, reason: str, status: str, due_s: float | None) -> Trade:
        """Write a refund; unless it failed, the money leaves the seller's balance now. The trade as it is then."""
        now_s = self._watch.now_s()
        key = (trade.app_id, trade.out_trade_no)
        done_s = now_s if status == "REFUND_SUCCESS" else None
        with self._whole():
            self._run("add_refund", *key, number, amount_fen, reason, now_s, due_s, done_s, status)
            changed: Trade | None = trade
            if status != "REFUND_FAIL":
                self._run("move_balance", trade.app_id, -amount_fen)
                changed = self._trade("refunded", *key, amount_fen, now_s)
        assert changed is not None
        return changed

    def refund(self, trade: Trade, number: str) -> Refund | None:
        """A refund of a trade by the merchant's number."""
        row = self._run("refund_by_number", trade.app_id, trade.out_trade_no, number).fetchone()
        return Refund(*row) if row else None

    def refunds_of(self, trade: Trade) -> list[Refund]:
        """All refunds of a trade, the oldest first."""
        return [Refund(*row) for row in self._run("refunds_of", trade.app_id, trade.out_trade_no)]

    def refunds_between(self, from_s: float, until_s: float) -> list[Refund]:
        """Refunds done in a span of time."""
        return [Refund(*row) for row in self._run("refunds_between", from_s, until_s)]

    def refunds_due(self) -> list[Refund]:
        """Refunds whose time has come."""
        return [Refund(*row) for row in self._run("refunds_due", self._watch.now_s())]

    def finish_refund(self, refund: Refund) -> Refund | None:
        """A refund has reached the payer."""
        key = (refund.app_id, refund.out_trade_no, refund.out_request_no)
        row = self._run("finish_refund", *key, self._watch.now_s()).fetchone()
        return Refund(*row) if row else None

    def add_notice(self, notice: Notice) -> None:
        """Put a notice on its ladder."""
        self._run(
            "add_notice", notice.id, notice.app_id, notice.number, notice.about, notice.url, notice.plain, notice.created_s,
            notice.next_s,
        )  # fmt: skip

    def _trade(self, name: str, *values: Any) -> Trade | None:
        row = self._run(name, *values).fetchone()
        return Trade(*row) if row else None
