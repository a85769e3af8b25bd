"""The operator's own books: what was ordered, paid, returned and told. A stranger's books, kept apart from ours in SQLite."""

import secrets
from dataclasses import dataclass
from typing import Any

from daozhang.simulators.shelf import Shelf
from daozhang.simulators.watch import Watch, digits

PAYABLE_S = 2 * 3600

_PLAIN = str.maketrans("-_", "Az")


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `status` as the platform has it: 0 unpaid, 1 paid, 2 money went back, 3 frozen, 4 authorised.

    Until `hidden_until_s` a paid order is told as unpaid: the callback was faster than the books. `phone` is what the phone knows.
    """

    trade_no: str
    out_trade_no: str
    pid: str
    version: int
    type: str
    name: str
    money_fen: int
    notify_url: str
    return_url: str
    param: str
    client_ip: str
    created_s: float
    code: str
    status: int
    charged_fen: int
    paid_s: float | None
    api_trade_no: str
    buyer: str
    way: str
    refund_fen: int
    closed: int
    phone: str
    hidden_until_s: float


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that went back. `out_refund_no` is the merchant's where it gave one (V2), else the operator's own."""

    refund_no: str
    out_refund_no: str
    trade_no: str
    pid: str
    amount_fen: int
    created_s: float


@dataclass(frozen=True, slots=True)
class Notice:
    """A callback on its ladder. `state`: waiting, sending, acknowledged, given_up, silenced, held."""

    trade_no: str
    number: str
    created_s: float
    step: int
    next_s: float | None
    state: str

    @property
    def id(self) -> str:
        """An order has one callback, so its number stands for it."""
        return self.trade_no


class Books(Shelf[Notice]):
    """The operator's books, see `Shelf`."""

    def __init__(self, path: str, watch: Watch) -> None:
        super().__init__(path, watch, __package__, Notice)

    def add_merchant(self, pid: str) -> None:
        """Know a merchant."""
        self._run("add_merchant", pid)

    def balance_fen(self, pid: str = "") -> int:
        """What the operator owes a merchant, or all of them."""
        row = self._run("merchant", pid).fetchone() if pid else self._run("balances").fetchone()
        return int(row[0]) if row else 0

    def is_open(self, pid: str) -> bool:
        """Whether the merchant may still take payments."""
        return bool(self._run("merchant", pid).fetchone()[1])

    def switch(self, pid: str, *, on: bool) -> None:
        """Let a merchant take payments, or not."""
        self._run("switch", pid, int(on))

    def given_up(self, pid: str) -> int:
        """Another callback that nobody acknowledged; how many in a row."""
        return int(self._run("failed", pid).fetchone()[0])

    def heard(self, pid: str) -> None:
        """The merchant acknowledged a callback."""
        self._run("heard", pid)

    def add_order(self, values: dict[str, Any]) -> Order:
        """Enter an order; `values` are its fields as they came."""
        now_s = self._watch.now_s()
        trade_no = f"{digits(now_s)}{secrets.randbelow(90_000_000) + 10_000_000}"
        code = "EP" + secrets.token_urlsafe(12).translate(_PLAIN)
        names = ("out_trade_no", "pid", "version", "type", "name", "money_fen", "notify_url", "return_url", "param", "client_ip")
        self._run("add_order", trade_no, *(values[name] for name in names), now_s, code)
        order = self.by_trade_no(trade_no)
        assert order is not None
        return order

    def order(self, pid: str, out_trade_no: str) -> Order | None:
        """The newest order of a merchant with its number."""
        return self._order("order_by_number", pid, out_trade_no)

    def by_trade_no(self, trade_no: str) -> Order | None:
        """An order by the operator's number."""
        return self._order("order_by_trade_no", trade_no)

    def find(self, text: str) -> Order | None:
        """An order by its code, the operator's number or the merchant's."""
        return self._order("order_by_any", text)

    def orders_of(self, pid: str, limit: int, offset: int) -> list[Order]:
        """A merchant's orders, the newest first."""
        return [Order(*row) for row in self._run("orders_of", pid, limit, offset)]

    def pay(self, order: Order, charged_fen: int, way: str, hidden_s: float) -> Order | None:
        """The payer pays. None when it cannot be paid (any more)."""
        now_s = self._watch.now_s()
        api_trade_no = f"4200{digits(now_s)[:8]}{secrets.randbelow(10**14):014d}"
        buyer = f"2088{secrets.randbelow(10**12):012d}"
        with self._whole():
            values = (order.trade_no, charged_fen, charged_fen, now_s, api_trade_no, buyer, way, now_s + hidden_s)
            row = self._run("pay_order", *values).fetchone()
            if row is not None:
                self._run("move_balance", order.pid, charged_fen)
        return Order(*row) if row else None

    def close_order(self, trade_no: str) -> None:
        """The wallet takes no payment of it any more. Its status stays: the platform does not write it down."""
        self._run("close_order", trade_no)

    def set_status(self, trade_no: str, status: int) -> None:
        """What a person at the operator does: freeze (3), unfreeze (1)."""
        self._run("set_status", trade_no, status)

    def phone_saw(self, order: Order, what: str) -> None:
        """Note what the payer's phone did or was told."""
        self._run("phone_saw", order.trade_no, what)

    def refund(self, order: Order, out_refund_no: str, amount_fen: int) -> Refund:
        """Money goes back at once. Any refund, of a part too, makes the status 2."""
        refund_no = f"{digits(self._watch.now_s())}{secrets.randbelow(90_000_000) + 10_000_000}"
        made = Refund(refund_no, out_refund_no or refund_no, order.trade_no, order.pid, amount_fen, self._watch.now_s())
        with self._whole():
            self._run("add_refund", made.refund_no, made.out_refund_no, made.trade_no, made.pid, amount_fen, made.created_s)
            self._run("refunded", order.trade_no, amount_fen)
            self._run("move_balance", order.pid, -amount_fen)
        return made

    def refund_by_number(self, pid: str, out_refund_no: str) -> Refund | None:
        """A refund by the merchant's number."""
        row = self._run("refund_by_number", pid, out_refund_no).fetchone()
        return Refund(*row) if row else None

    def refunds_of(self, order: Order) -> list[Refund]:
        """What went back of an order, the oldest first."""
        return [Refund(*row) for row in self._run("refunds_of_order", order.trade_no)]

    def waiting(self, limit: int) -> list[Order]:
        """What can still be paid, the newest first."""
        return [Order(*row) for row in self._run("waiting_orders", self._watch.now_s() - PAYABLE_S, limit)]

    def paid(self, limit: int) -> list[Order]:
        """What was paid, the newest first."""
        return [Order(*row) for row in self._run("paid_orders", limit)]

    def order_counts(self) -> dict[str, int]:
        """Orders by status."""
        return {str(status): count for status, count in self._run("order_counts")}

    def add_notice(self, order: Order) -> None:
        """Put the callback about an order on its ladder."""
        now_s = self._watch.now_s()
        self._run("add_notice", order.trade_no, order.out_trade_no, now_s, now_s)

    def notice_of(self, order: Order) -> Notice | None:
        """The callback about an order."""
        row = self._run("notice_of", order.trade_no).fetchone()
        return Notice(*row) if row else None

    def _order(self, name: str, *values: Any) -> Order | None:
        row = self._run(name, *values).fetchone()
        return Order(*row) if row else None
