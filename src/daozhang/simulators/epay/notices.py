"""Callbacks of the platform: a signed query by GET, five sends, and any body with "success" in it for a yes, whatever else it says.

Source: the operators' page on notifications, and how the platform's fetcher really reads an answer.
"""

import re
import secrets
from typing import Any
from urllib.parse import urlencode

from daozhang.simulators.courier import carry
from daozhang.simulators.epay import signing
from daozhang.simulators.epay.books import Books, Notice, Order
from daozhang.simulators.epay.office import Office
from daozhang.simulators.epay.orders import float_money
from daozhang.simulators.faults import Dial, Fault
from daozhang.simulators.habits import Habits
from daozhang.simulators.ladder import Ladder
from daozhang.simulators.watch import Watch

LADDER_S = (60, 120, 960, 2160)
"""After the send at the payment itself: about 1, 3, 19 and 55 minutes after it. Then it is given up."""

_YES = re.compile(rb"success|SUCCESS|Success")
_MADE_WRONG = frozenset({"alter", "odd_amount", "status_word", "cut", "slow"})


def fields_of(order: Order, office: Office, now_s: int) -> dict[str, Any]:
    """What a callback says, before it is signed. `money` is what was ordered, as PHP writes a float."""
    fields: dict[str, Any] = {
        "pid": order.pid,
        "trade_no": order.trade_no,
        "out_trade_no": order.out_trade_no,
        "type": order.type,
        "name": order.name,
        "money": float_money(order.money_fen),
        "trade_status": office.tongue.status,
    }
    if order.version == 1:
        fields |= {"api_trade_no": order.api_trade_no, "buyer": order.buyer, "timestamp": str(now_s)}
    if order.param:
        fields["param"] = order.param
    return fields


def signed(fields: dict[str, Any], order: Order, office: Office, *, stranger: bool = False) -> str:
    """The fields as a signed query string. A stranger has keys, but not these."""
    if order.version == 1:
        key = office.stranger_key if stranger else office.platform_key
        return urlencode({**fields, "sign": signing.rsa(fields, key), "sign_type": "RSA"})
    made = signing.md5(fields, secrets.token_hex(16) if stranger else office.merchants[order.pid].key)
    return urlencode({**fields, "sign": made.upper() if office.tongue.capitals else made, "sign_type": "MD5"})


def signed_query(order: Order, office: Office, now_s: int) -> str:
    """The true message about an order."""
    return signed(fields_of(order, office, now_s), order, office)


class Notices(Ladder[Notice]):
    """Callbacks of an operator. Too many that nobody acknowledged switch the merchant off, where the operator's rules say so."""

    rungs_s = LADDER_S
    before = frozenset({"forge", "tamper", "stale", "other_key", "polluted", "extra", "unknown_order", "other_mchid"})

    def __init__(self, books: Books, watch: Watch, habits: Habits, dial: Dial, office: Office) -> None:
        super().__init__(books, watch, habits, dial)
        self._books, self._office = books, office

    def payment(self, order: Order) -> None:
        """Put the callback about a payment on its ladder."""
        self._books.add_notice(order)
        self.look()

    def _flavour(self, fault: Fault | None) -> str:
        return fault.kind if fault is not None and fault.kind in _MADE_WRONG else "true"

    async def _afterwards(self, notice: Notice, fault: Fault | None) -> None:
        if fault is not None and fault.kind == "replay":
            for _ in range(fault.copies):
                await self._send(notice, "true", fault)

    def _acknowledged(self, notice: Notice) -> None:
        self._books.heard(self._order(notice).pid)

    def _given_up(self, notice: Notice) -> None:
        pid = self._order(notice).pid
        most, failures = self._office.rules.failures_off, self._books.given_up(pid)
        if most and failures >= most:
            self._books.switch(pid, on=False)

    def _order(self, notice: Notice) -> Order:
        order = self._books.by_trade_no(notice.trade_no)
        assert order is not None
        return order

    async def _send(self, notice: Notice, flavour: str, fault: Fault | None) -> bool:
        order = self._order(notice)
        message = self._message(order, flavour, fault)
        by_post = self._office.tongue.notice == "POST" and order.version == 0
        mark = "&" if "?" in order.notify_url else "?"
        url, body = (order.notify_url, message.encode()) if by_post else (f"{order.notify_url}{mark}{message}", b"")
        headers = {"User-Agent": "Mozilla/5.0", "Accept": "*/*"}
        if by_post:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        slow_s = fault.seconds if fault is not None and flavour == "slow" and by_post else 0.0
        within_s, method = self._habits.answer_within_s, "POST" if by_post else "GET"
        answer = await carry(url, headers, body, within_s, method=method, slow_s=slow_s, cut=flavour == "cut")
        acknowledged = _YES.search(answer.body) is not None
        self._shelf.add_send(notice, flavour, answer.status, answer.took_ms, acknowledged=acknowledged)
        # An acknowledged forgery settles nothing here: the operator knows only what it sent itself.
        return acknowledged and flavour not in self.before

    def _message(self, order: Order, flavour: str, fault: Fault | None) -> str:
        now_s = int(self._watch.now_s())
        fields = fields_of(order, self._office, now_s - (600 if flavour == "stale" and order.version else 0))
        if flavour == "alter" and fault is not None:
            fields["money"] = float_money(fault.amount_fen)
        elif flavour == "odd_amount":
            fields["money"] = f"{fields['money']}元"
        elif flavour == "status_word":
            fields["trade_status"] = "支付成功"
        elif flavour == "unknown_order":
            fields["out_trade_no"] = secrets.token_hex(13).upper()
        elif flavour == "other_mchid":
            fields["pid"] = f"{fields['pid']}9"
        elif flavour == "other_key":
            other = next((each for each in self._office.merchants.values() if each.pid != order.pid), None)
            own = signing.md5(fields, other.key if other else secrets.token_hex(16))
            return urlencode({**fields, "sign": own, "sign_type": "MD5"})
        query = signed(fields, order, self._office, stranger=flavour in ("forge", "stale") and not order.version)
        if flavour == "tamper":
            return query.replace(f"money={fields['money']}", "money=9999")
        if flavour == "polluted":
            return f"{query}&money=9999"
        if flavour == "extra":
            return f"{query}&token={secrets.token_hex(8)}"
        return query
