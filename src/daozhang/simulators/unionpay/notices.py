"""Notices of ACP 5.1.0: a signed form to backUrl when something is done, five sends at most, and every way they can go wrong.

Source: the notice chapter of the specification: HTTP 200 within ten seconds is a yes, else it is sent again after 1, 2, 4 and 5
minutes. Nothing is ever told of a failure.
"""

import json
import uuid
from typing import Any
from urllib.parse import urlencode

from daozhang.simulators.courier import carry
from daozhang.simulators.faults import Dial, Fault
from daozhang.simulators.habits import Habits
from daozhang.simulators.ladder import Ladder
from daozhang.simulators.unionpay import told
from daozhang.simulators.unionpay.books import Books, Notice, Order, Return
from daozhang.simulators.unionpay.signing import Keyring
from daozhang.simulators.watch import Watch

LADDER_S = (60, 120, 240, 300)

_SIGNED_WRONGLY = Ladder.before - {"tamper"}


class Notices(Ladder[Notice]):
    """Notices of UnionPay; a yes is the status 200."""

    rungs_s = LADDER_S

    def __init__(self, books: Books, watch: Watch, habits: Habits, dial: Dial, keyring: Keyring) -> None:
        super().__init__(books, watch, habits, dial)
        self._books, self._keyring = books, keyring

    def payment(self, order: Order) -> None:
        """Put the notice about a payment on its ladder; it is due when the query knows the payment too."""
        self._add(
            order.mer_id, order.order_id, order.back_url, told.notice(told.of_order(order), order.answer), order.known_s or 0.0
        )

    def returned(self, back: Return) -> None:
        """Put the notice about a refund or revoke that is done on its ladder."""
        self._add(back.mer_id, back.order_id, back.back_url, told.notice(told.of_return(back)))

    def _settle(self) -> None:
        for back in self._books.returns_due():
            finished = self._books.finish_return(back)
            if finished is not None and finished.answer == "00":
                self.returned(finished)

    def _add(self, mer_id: str, number: str, url: str, fields: dict[str, str], from_s: float = 0.0) -> None:
        now_s = self._watch.now_s()
        plain = json.dumps(fields, ensure_ascii=False)
        self._books.add_notice(Notice(str(uuid.uuid4()), mer_id, number, url, plain, now_s, 0, max(now_s, from_s), "waiting"))
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
        self._shelf.add_send(notice, flavour, answer.status, answer.took_ms, acknowledged=acknowledged)
        # An acknowledged forgery settles nothing here: the channel knows only what it sent itself.
        return acknowledged and flavour not in self.before


def _change(fields: dict[str, str], flavour: str, fault: Fault) -> None:
    if flavour == "alter":
        fields |= {"txnAmt": str(fault.amount_fen), "settleAmt": str(fault.amount_fen)}
    elif flavour == "other_mchid":
        fields["merId"] = "777290058999999"
    elif flavour == "other_currency":
        fields["currencyCode"] = "840"
    elif flavour == "unknown_order":
        fields["orderId"] = uuid.uuid4().hex.upper()[:26]
