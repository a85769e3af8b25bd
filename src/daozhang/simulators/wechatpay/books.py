"""The channel's own books: what was ordered, paid, refunded and told. A stranger's books, kept apart from ours in SQLite."""

import secrets
from dataclasses import dataclass
from typing import Any

from daozhang.simulators.shelf import Shelf
from daozhang.simulators.watch import Watch, digits

CODE_VALID_S = 2 * 3600
H5_VALID_S = 5 * 60
UNPAID_KEPT_S = 7 * 86_400

_CODE_LETTERS = 11
_PLAIN = str.maketrans("-_", "Az")


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `phone` is what the payer's phone knows and the merchant never hears: seen, left, declined, a refusal's word."""

    mchid: str
    out_trade_no: str
    appid: str
    product: str
    description: str
    attach: str
    total_fen: int
    notify_url: str
    openid: str
    client_ip: str
    fingerprint: str
    created_s: float
    expires_s: float
    code: str
    prepay_id: str
    state: str
    transaction_id: str | None
    charged_fen: int
    paid_s: float | None
    bank_type: str
    payer: str
    refunded_fen: int
    voucher_fen: int
    phone: str

    @property
    def trade_state(self) -> str:
        """The state as merchants are told: a partial refund already shows REFUND."""
        return "REFUND" if self.refunded_fen else self.state

    @property
    def code_url(self) -> str:
        """What the QR code holds; good for two hours."""
        return f"weixin://wxpay/bizpayurl?pr={self.code}"


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund. `fate` is the status it is going to take when it is due."""

    mchid: str
    out_refund_no: str
    refund_id: str
    out_trade_no: str
    amount_fen: int
    total_fen: int
    reason: str
    notify_url: str
    created_s: float
    due_s: float
    finished_s: float | None
    status: str
    fate: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A callback on its ladder. `state`: waiting, sending, acknowledged, given_up, silenced, held. `form`: v3 or v2."""

    id: str
    mchid: str
    number: str
    event_type: str
    url: str
    form: str
    plain: str
    created_s: float
    step: int
    next_s: float | None
    state: str
    probed: int


class Books(Shelf[Notice]):
    """WeChat Pay's books, see `Shelf`."""

    def __init__(self, path: str, watch: Watch) -> None:
        super().__init__(path, watch, __package__, Notice)

    def add_merchant(self, mchid: str) -> None:
        """Open a balance for a merchant; nothing happens when it is open."""
        self._run("add_merchant", mchid)

    def balance_fen(self, mchid: str) -> int:
        """What the channel owes the merchant: payments minus refunds that are under way or done."""
        row = self._run("balance", mchid).fetchone()
        return int(row[0]) if row else 0

    def add_order(self, values: dict[str, Any]) -> Order | None:
        """Write a new unpaid order; None when its number is known. The values are the fields of `Order` that a merchant decides."""
        now_s = self._watch.now_s()
        # The code is the end of the prepay id, so that one index finds an order by either.
        code = secrets.token_urlsafe(7)[:9].translate(_PLAIN) + "00"
        order: tuple[Any, ...] = (
            *(values[name] for name in ("mchid", "out_trade_no", "appid", "product", "description", "attach", "total_fen")),
            *(values[name] for name in ("notify_url", "openid", "client_ip", "fingerprint")),
            now_s,
            values["expires_s"],
            code,
            f"wx{digits(now_s)}{secrets.token_hex(5)[:9]}{code}",
        )
        if self._run("add_order", *order).fetchone() is None:
            return None
        return Order(*(*order, "NOTPAY", None, 0, None, "", "", 0, 0, ""))

    def order(self, mchid: str, out_trade_no: str) -> Order | None:
        """The order of a merchant by its own number."""
        return self._order("order_by_number", mchid, out_trade_no)

    def order_by_transaction(self, transaction_id: str) -> Order | None:
        """The order by the channel's number."""
        return self._order("order_by_transaction", transaction_id)

    def order_by_code(self, code: str) -> Order | None:
        """The order a scanned code leads to."""
        return self._order("order_by_code", code)

    def order_by_prepay(self, prepay_id: str) -> Order | None:
        """The order a prepay id stands for."""
        order = self.order_by_code(prepay_id[-_CODE_LETTERS:])
        return order if order is not None and order.prepay_id == prepay_id else None

    def close_order(self, mchid: str, out_trade_no: str) -> Order | None:
        """Close an unpaid order; None when it is not unpaid."""
        return self._order("close_order", mchid, out_trade_no)

    def pay(self, order: Order, charged_fen: int, bank_type: str, payer: str, voucher_fen: int = 0) -> Order | None:
        """Book a payment: the merchant's balance grows by `charged_fen`, of which a voucher of the channel pays `voucher_fen`.

        None when the order is not unpaid any more.
        """
        now_s = self._watch.now_s()
        transaction_id = f"42000{secrets.randbelow(10**5):05d}{digits(now_s)[:8]}{secrets.randbelow(10**10):010d}"
        with self._whole():
            key = (order.mchid, order.out_trade_no)
            paid = self._order("pay_order", *key, transaction_id, charged_fen, now_s, bank_type, payer, voucher_fen)
            if paid is not None:
                self._run("move_balance", order.mchid, charged_fen)
        return paid

    def phone_saw(self, order: Order, what: str) -> None:
        """Note what the payer's phone did or was told."""
        self._run("phone_saw", order.mchid, order.out_trade_no, what).fetchall()

    def waiting(self, limit: int = 20) -> list[Order]:
        """Unpaid orders that can still be paid, the newest first."""
        now_s = self._watch.now_s()
        self._run("close_stale", now_s - UNPAID_KEPT_S)
        return [Order(*row) for row in self._run("waiting_orders", now_s, now_s - CODE_VALID_S, limit)]

    def paid(self, limit: int = 1_000_000) -> list[Order]:
        """Paid orders (refunded ones too), the newest first."""
        return [Order(*row) for row in self._run("paid_orders", limit)]

    def order_counts(self) -> dict[str, int]:
        """Orders by state NOTPAY, SUCCESS, CLOSED."""
        return dict(self._run("order_counts"))

    def add_refund(
        self, order: Order, out_refund_no: str, amount_fen: int, reason: str, notify_url: str, due_s: float, fate: str
    ) -> Refund:
        """Accept a refund: the money leaves the merchant's balance now and reaches the payer when it is due."""
        now_s = self._watch.now_s()
        refund_id = f"50{secrets.randbelow(10**8):08d}{digits(now_s)[:8]}{secrets.randbelow(10**11):011d}"
        with self._whole():
            self._run(
                "add_refund",
                *(order.mchid, out_refund_no, refund_id, order.out_trade_no, amount_fen, order.total_fen),
                *(reason, notify_url, now_s, due_s, fate),
            )
            self._run("move_balance", order.mchid, -amount_fen)
            self._run("refunded", order.mchid, order.out_trade_no, amount_fen)
        refund = self.refund(order.mchid, out_refund_no)
        assert refund is not None
        return refund

    def refund(self, mchid: str, out_refund_no: str) -> Refund | None:
        """The refund of a merchant by its own number."""
        row = self._run("refund_by_number", mchid, out_refund_no).fetchone()
        return Refund(*row) if row else None

    def refunds_of(self, order: Order) -> list[Refund]:
        """All refunds of an order, the oldest first."""
        return [Refund(*row) for row in self._run("refunds_of_order", order.mchid, order.out_trade_no)]

    def finish_refund(self, refund: Refund) -> Refund | None:
        """Let a refund that is under way meet its fate. A closed one gives the money back to the merchant."""
        with self._whole():
            row = self._run("finish_refund", refund.mchid, refund.out_refund_no, refund.fate, self._watch.now_s()).fetchone()
            if row is not None and refund.fate == "CLOSED":
                self._run("move_balance", refund.mchid, refund.amount_fen)
                self._run("refunded", refund.mchid, refund.out_trade_no, -refund.amount_fen)
        return Refund(*row) if row else None

    def refunds_due(self) -> list[Refund]:
        """Refunds whose time has come."""
        return [Refund(*row) for row in self._run("refunds_due", self._watch.now_s())]

    def add_notice(self, notice: Notice) -> None:
        """Put a callback on its ladder."""
        self._run(
            "add_notice",
            *(notice.id, notice.mchid, notice.number, notice.event_type, notice.url, notice.form, notice.plain),
            *(notice.created_s, notice.next_s),
        )

    def mark_probed(self, notice: Notice) -> None:
        """Remember that a callback was preceded by a probe, so that it is not probed again."""
        self._run("notice_probed", notice.id)

    def _order(self, name: str, *values: Any) -> Order | None:
        row = self._run(name, *values).fetchone()
        return Order(*row) if row else None
