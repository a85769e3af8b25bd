"""Callbacks of WeChat Pay v3: what they say, the ladder of fifteen re-sends, and every way they can go wrong on the way.

Source: "payment notice" and "refund notice" of the v3 documents. A callback tells of money that moved, never of a failure.
"""

import re
import uuid
from dataclasses import replace
from typing import Any

import msgspec

from daozhang.simulators.courier import carry
from daozhang.simulators.faults import Dial, Fault
from daozhang.simulators.habits import Habits, Probes
from daozhang.simulators.ladder import Ladder
from daozhang.simulators.watch import Watch, rfc3339
from daozhang.simulators.wechatpay import orders
from daozhang.simulators.wechatpay.books import Books, Notice, Order, Refund
from daozhang.simulators.wechatpay.messages import envelope, refund_plain, v2_refund
from daozhang.simulators.wechatpay.refunds import received_account
from daozhang.simulators.wechatpay.signing import Keyring

LADDER_S = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)

_V2_YES = re.compile(rb"<return_code>\s*(<!\[CDATA\[)?\s*SUCCESS")


class Notices(Ladder[Notice]):
    """Callbacks of WeChat Pay; a yes is 200 or 204, in v2 its own XML."""

    rungs_s = LADDER_S

    def __init__(self, books: Books, watch: Watch, habits: Habits, dial: Dial, keyrings: dict[str, Keyring]) -> None:
        super().__init__(books, watch, habits, dial)
        self._books, self._keyrings = books, keyrings
        self._probes = Probes(habits)
        self._sealed: dict[str, bytes] = {}

    def payment(self, order: Order) -> None:
        """Put the callback about a payment on its ladder."""
        plain = msgspec.json.encode(orders.told(order)).decode()
        self._add(order.mchid, order.out_trade_no, "TRANSACTION.SUCCESS", order.notify_url, "v3", plain)

    def refund(self, refund: Refund, order: Order) -> None:
        """Put the callback about a finished refund on its ladder: v3 to its notify_url, else v2 XML to the platform's address."""
        event = f"REFUND.{refund.status}"
        if refund.notify_url:
            self._add(refund.mchid, refund.out_refund_no, event, refund.notify_url, "v3", refund_plain(refund, order))
        elif self._habits.refund_callback_url:
            plain = v2_refund(self._keyrings[refund.mchid], refund, order, received_account(order))
            self._add(refund.mchid, refund.out_refund_no, event, self._habits.refund_callback_url, "v2", plain)

    def _settle(self) -> None:
        for refund in self._books.refunds_due():
            finished = self._books.finish_refund(refund)
            order = self._books.order(refund.mchid, refund.out_trade_no)
            if finished is not None and order is not None:
                self.refund(finished, order)

    def _fault(self, notice: Notice) -> Fault | None:
        fault = super()._fault(notice)
        probed = fault is None and notice.form == "v3" and not notice.probed and self._probes.due(notice.id)
        return Fault(point="notice", kind="probe") if probed else fault

    def _acknowledged(self, notice: Notice) -> None:
        self._sealed.pop(notice.id, None)

    def _given_up(self, notice: Notice) -> None:
        self._sealed.pop(notice.id, None)

    def _add(self, mchid: str, number: str, event: str, url: str, form: str, plain: str) -> None:
        now_s = self._watch.now_s()
        self._books.add_notice(Notice(str(uuid.uuid4()), mchid, number, event, url, form, plain, now_s, 0, now_s, "waiting", 0))
        self.look()

    async def _send(self, notice: Notice, flavour: str, fault: Fault | None) -> bool:
        if flavour in self.before:
            self._books.mark_probed(notice)
        keyring = self._keyrings[notice.mchid]
        body, headers = self._message(notice, keyring, flavour, fault)
        slow_s = fault.seconds if fault is not None and flavour == "slow" else 0.0
        answer = await carry(notice.url, headers, body, self._habits.answer_within_s, slow_s=slow_s, cut=flavour == "cut")
        acknowledged = answer.status in (200, 204)
        if notice.form == "v2":
            acknowledged = answer.status == 200 and _V2_YES.search(answer.body) is not None
        self._shelf.add_send(notice, flavour, answer.status, answer.took_ms, acknowledged=acknowledged)
        # An acknowledged forgery settles nothing here: the channel knows only what it sent itself.
        return acknowledged and flavour not in self.before

    def _message(self, notice: Notice, keyring: Keyring, flavour: str, fault: Fault | None) -> tuple[bytes, dict[str, str]]:
        if notice.form == "v2":
            return notice.plain.encode(), {"Content-Type": "text/xml"}
        if flavour in ("alter", "other_mchid", "other_appid", "other_currency", "unknown_order") and fault is not None:
            body = envelope(keyring, replace(notice, plain=_changed(notice.plain, flavour, fault)), rfc3339(notice.created_s))
        elif notice.id in self._sealed:
            body = self._sealed[notice.id]
        else:
            body = self._sealed[notice.id] = envelope(keyring, notice, rfc3339(notice.created_s))
        timestamp = int(self._watch.now_s()) - (600 if flavour == "stale" else 0)
        headers = keyring.headers(body, self._serial(keyring), timestamp, probe=flavour == "probe", forged=flavour == "forge")
        if flavour == "tamper":
            body = _tampered(body)
        elif flavour == "unknown_serial":
            headers["Wechatpay-Serial"] = uuid.uuid4().hex.upper() + "00C0FFEE"
        return body, {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "Mozilla/4.0", **headers}

    def _serial(self, keyring: Keyring) -> str:
        if keyring.merchant.mode == "both" and self._dial.chance() < self._habits.public_key_share:
            return keyring.merchant.public_key_id
        return keyring.default_serial()


def _changed(plain: str, flavour: str, fault: Fault) -> str:
    content: dict[str, Any] = msgspec.json.decode(plain)
    if flavour == "alter":
        content["amount"] |= {"total": fault.amount_fen, "payer_total": fault.amount_fen}
    elif flavour == "other_mchid":
        content["mchid"] = "1900000109"
    elif flavour == "other_appid":
        content["appid"] = "wxd678efh567hg6787"
    elif flavour == "other_currency":
        content["amount"] |= {"currency": "USD", "payer_currency": "USD"}
    else:
        content["out_trade_no"] = uuid.uuid4().hex.upper()[:26]
    return msgspec.json.encode(content).decode()


def _tampered(body: bytes) -> bytes:
    """The same message with one letter of the ciphertext changed."""
    at = body.index(b'"ciphertext":"') + 20
    return body[:at] + (b"A" if body[at : at + 1] != b"A" else b"B") + body[at + 1 :]
