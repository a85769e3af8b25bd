"""Callbacks of the platform: a signed query by GET, five sends, and any body with "success" in it for a yes, whatever else it says.

Source: the operators' page on notifications, and how the platform's fetcher really reads an answer.
"""

import asyncio
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
from daozhang.simulators.watch import Watch

LADDER_S = (60, 120, 960, 2160)
"""After the send at the payment itself: about 1, 3, 19 and 55 minutes after it. Then it is given up."""
AT_ONCE = 64
HELD_S = 60

_YES = re.compile(rb"success|SUCCESS|Success")
# These faults add a false message in front of the true one: somebody else made them.
_BEFORE = frozenset({"forge", "tamper", "stale", "other_key", "polluted", "extra", "unknown_order", "other_mchid"})
_WRONG = frozenset({"alter", "odd_amount", "status_word"})


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


class Notices:
    """Sends what is due and keeps every callback on its ladder until the merchant has said success."""

    def __init__(self, books: Books, watch: Watch, habits: Habits, dial: Dial, office: Office) -> None:
        self._books, self._watch, self._habits, self._dial, self._office = books, watch, habits, dial, office
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[Notice] = []
        self._slots = asyncio.Semaphore(AT_ONCE)

    def payment(self, order: Order) -> None:
        """Put the callback about a payment on its ladder."""
        self._books.add_notice(order)
        self.look()

    def look(self) -> None:
        """Something is due earlier than before: look again."""
        self._wake.set()

    def busy(self) -> bool:
        """Whether a callback still waits, is held or is being sent."""
        return bool(self._tasks or self._held) or self._books.next_due_s() is not None

    async def run(self) -> None:
        """Send what is due until cancelled."""
        try:
            while True:
                self._wake.clear()
                for notice in self._books.notices_due():
                    self._books.move_notice(notice, "sending", notice.step, None)
                    task = asyncio.create_task(self._deliver(notice))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                due_s = self._books.next_due_s()
                # The watch may be shifted, so no sleep is longer than half a second.
                wait_s = 0.5 if due_s is None else min(max(due_s - self._watch.now_s(), 0.0005), 0.5)
                alarm = asyncio.get_running_loop().call_later(wait_s, self._wake.set)
                try:
                    await self._wake.wait()
                finally:
                    alarm.cancel()
        finally:
            self._held.clear()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, notice: Notice) -> None:
        async with self._slots:
            order = self._books.by_trade_no(notice.trade_no)
            assert order is not None
            fault = self._dial.take("notice", notice.number)
            if fault is not None and self._obstructed(notice, fault):
                return
            if fault is not None and fault.kind in _BEFORE:
                await self._send(notice, order, fault.kind, fault)
            copies = fault.copies if fault is not None and fault.kind == "duplicate" else 1
            flavour = fault.kind if fault is not None and fault.kind in _WRONG | {"cut", "slow"} else "true"
            sends = await asyncio.gather(*(self._send(notice, order, flavour, fault) for _ in range(copies)))
            if fault is not None and fault.kind == "replay":
                for _ in range(fault.copies):
                    await self._send(notice, order, "true", fault)
            self._climb(notice, order, acknowledged=any(sends))
            self._release_held()

    def _obstructed(self, notice: Notice, fault: Fault) -> bool:
        """Whether the fault keeps this send from happening now."""
        if fault.kind == "drop":
            self._books.add_send(notice, "drop", 0, 0.0, acknowledged=False)
            order = self._books.by_trade_no(notice.trade_no)
            assert order is not None
            self._climb(notice, order, acknowledged=False)
        elif fault.kind == "silence":
            self._books.move_notice(notice, "silenced", notice.step, None)
        elif fault.kind == "delay":
            self._books.move_notice(notice, "waiting", notice.step, self._watch.now_s() + fault.seconds * self._habits.time_scale)
            self.look()
        elif fault.kind == "reorder":
            self._books.move_notice(notice, "held", notice.step, None)
            self._held.append(notice)
            asyncio.get_running_loop().call_later(max(HELD_S * self._habits.time_scale, 5.0), self._release_held)
        else:
            return False
        return True

    def _climb(self, notice: Notice, order: Order, *, acknowledged: bool) -> None:
        if acknowledged:
            self._books.heard(order.pid)
            self._books.move_notice(notice, "acknowledged", notice.step, None)
        elif notice.step >= len(LADDER_S):
            self._books.move_notice(notice, "given_up", notice.step, None)
            most, failures = self._office.rules.failures_off, self._books.given_up(order.pid)
            if most and failures >= most:
                self._books.switch(order.pid, on=False)
        else:
            next_s = self._watch.now_s() + LADDER_S[notice.step] * self._habits.time_scale
            self._books.move_notice(notice, "waiting", notice.step + 1, next_s)
            self.look()

    def _release_held(self) -> None:
        for notice in self._held:
            self._books.move_notice(notice, "waiting", notice.step, self._watch.now_s())
        if self._held:
            self._held.clear()
            self.look()

    async def _send(self, notice: Notice, order: Order, flavour: str, fault: Fault | None) -> bool:
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
        self._books.add_send(notice, flavour, answer.status, answer.took_ms, acknowledged=acknowledged)
        # An acknowledged forgery settles nothing here: the operator knows only what it sent itself.
        return acknowledged and flavour not in _BEFORE

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
