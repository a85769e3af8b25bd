"""Notices of ACP 5.1.0: a signed form to backUrl when something is done, five sends at most, and every way they can go wrong.

Source: the notice chapter of the specification: HTTP 200 within ten seconds is a yes, else it is sent again after 1, 2, 4 and 5
minutes. Nothing is ever told of a failure.
"""

import asyncio
import json
import uuid
from typing import Any
from urllib.parse import urlencode

from daozhang.simulators.courier import carry
from daozhang.simulators.faults import Dial, Fault
from daozhang.simulators.habits import Habits
from daozhang.simulators.unionpay import told
from daozhang.simulators.unionpay.books import Books, Notice, Order, Return
from daozhang.simulators.unionpay.signing import Keyring
from daozhang.simulators.watch import Watch

LADDER_S = (60, 120, 240, 300)
AT_ONCE = 64
HELD_S = 60

# These faults add a false message in front of the true one: someone on the road, not the channel, made them.
_BEFORE = frozenset({"forge", "tamper", "stale", "unknown_serial", "probe"})
_SIGNED_WRONGLY = _BEFORE - {"tamper"}


class Notices:
    """Sends what is due and keeps every notice on its ladder until the merchant has answered 200."""

    def __init__(self, books: Books, watch: Watch, habits: Habits, dial: Dial, keyring: Keyring) -> None:
        self._books, self._watch, self._habits, self._dial, self._keyring = books, watch, habits, dial, keyring
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[Notice] = []
        self._slots = asyncio.Semaphore(AT_ONCE)

    def payment(self, order: Order) -> None:
        """Put the notice about a payment on its ladder; it is due when the query knows the payment too."""
        self._add(
            order.mer_id, order.order_id, order.back_url, told.notice(told.of_order(order), order.answer), order.known_s or 0.0
        )

    def returned(self, back: Return) -> None:
        """Put the notice about a refund or revoke that is done on its ladder."""
        self._add(back.mer_id, back.order_id, back.back_url, told.notice(told.of_return(back)))

    def look(self) -> None:
        """Something is due earlier than before: look again."""
        self._wake.set()

    def busy(self) -> bool:
        """Whether a notice or refund still waits, is held or is being sent."""
        return bool(self._tasks or self._held) or self._books.next_due_s() is not None

    async def run(self) -> None:
        """Send what is due until cancelled."""
        try:
            while True:
                self._wake.clear()
                for back in self._books.returns_due():
                    finished = self._books.finish_return(back)
                    if finished is not None and finished.answer == "00":
                        self.returned(finished)
                for notice in self._books.notices_due():
                    self._books.move_notice(notice, "sending", notice.step, None)
                    task = asyncio.create_task(self._deliver(notice))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                due_s = self._books.next_due_s()
                # The watch may be shifted, so no sleep is longer than half a second.
                wait_s = 0.5 if due_s is None else min(max(due_s - self._watch.now_s(), 0.0005), 0.5)
                # An alarm instead of `wait_for`, which on Python 3.11 can swallow a cancellation that meets the end of its wait.
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

    def _add(self, mer_id: str, number: str, url: str, fields: dict[str, str], from_s: float = 0.0) -> None:
        now_s = self._watch.now_s()
        plain = json.dumps(fields, ensure_ascii=False)
        self._books.add_notice(Notice(str(uuid.uuid4()), mer_id, number, url, plain, now_s, 0, max(now_s, from_s), "waiting"))
        self.look()

    async def _deliver(self, notice: Notice) -> None:
        async with self._slots:
            fault = self._dial.take("notice", notice.number)
            if fault is not None and self._obstructed(notice, fault):
                return
            if fault is not None and fault.kind in _BEFORE:
                await self._send(notice, fault.kind, fault)
            copies = fault.copies if fault is not None and fault.kind == "duplicate" else 1
            flavour = fault.kind if fault is not None and fault.kind not in _BEFORE | {"duplicate"} else "true"
            sends = await asyncio.gather(*(self._send(notice, flavour, fault) for _ in range(copies)))
            self._climb(notice, acknowledged=any(sends))
            self._release_held()

    def _obstructed(self, notice: Notice, fault: Fault) -> bool:
        """Whether the fault keeps this send from happening now."""
        if fault.kind == "drop":
            self._books.add_send(notice, "drop", 0, 0.0, acknowledged=False)
            self._climb(notice, acknowledged=False)
        elif fault.kind == "silence":
            self._books.move_notice(notice, "silenced", notice.step, None)
        elif fault.kind == "delay":
            self._books.move_notice(notice, "waiting", notice.step, self._watch.now_s() + fault.seconds * self._habits.time_scale)
            self.look()
        elif fault.kind == "reorder":
            self._books.move_notice(notice, "held", notice.step, None)
            self._held.append(notice)
            # Where no other notice ever comes, it is late and not lost.
            asyncio.get_running_loop().call_later(max(HELD_S * self._habits.time_scale, 5.0), self._release_held)
        else:
            return False
        return True

    def _climb(self, notice: Notice, *, acknowledged: bool) -> None:
        if acknowledged or notice.step >= len(LADDER_S):
            self._books.move_notice(notice, "acknowledged" if acknowledged else "given_up", notice.step, None)
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

    async def _send(self, notice: Notice, flavour: str, fault: Fault | None) -> bool:
        fields: dict[str, Any] = json.loads(notice.plain)
        if fault is not None:
            _change(fields, flavour, fault)
        signed = self._keyring.sign(fields, flavour if flavour in _SIGNED_WRONGLY else "")
        if flavour == "tamper":
            signed["txnAmt"] = str(int(signed["txnAmt"]) + 1)
        slow_s = fault.seconds if fault is not None and flavour == "slow" else 0.0
        headers = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8", "User-Agent": "Java/1.8"}
        # Ten seconds where WeChat Pay waits five.
        within_s = self._habits.answer_within_s * 2
        answer = await carry(notice.url, headers, urlencode(signed).encode(), within_s, slow_s=slow_s, cut=flavour == "cut")
        acknowledged = answer.status == 200
        self._books.add_send(notice, flavour, answer.status, answer.took_ms, acknowledged=acknowledged)
        # An acknowledged forgery settles nothing here: the channel knows only what it sent itself.
        return acknowledged and flavour not in _BEFORE


def _change(fields: dict[str, str], flavour: str, fault: Fault) -> None:
    if flavour == "alter":
        fields |= {"txnAmt": str(fault.amount_fen), "settleAmt": str(fault.amount_fen)}
    elif flavour == "other_mchid":
        fields["merId"] = "777290058999999"
    elif flavour == "other_currency":
        fields["currencyCode"] = "840"
    elif flavour == "unknown_order":
        fields["orderId"] = uuid.uuid4().hex.upper()[:26]
