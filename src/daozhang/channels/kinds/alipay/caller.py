"""One signed call to Alipay's gateway and what came back, verified before it is believed.

HTTP says nothing here: every answer is 200. The gateway's own complaints (40001, isv.*, aop.*, isp.*) are not signed, so without a
signature such a complaint is taken for what it is and nothing else: an unsigned success or business answer is no answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus, urlencode

import msgspec

from daozhang import __version__, clock
from daozhang.channels.kinds.alipay.messages import clip, stamp
from daozhang.channels.kinds.alipay.signing import Signer, Verifier, escaped_otherwise, members
from daozhang.channels.native import native_codes
from daozhang.channels.port import Native, Outcome
from daozhang.channels.strict import Unclear, read_object
from daozhang.outbound import ConnectFault, Fault, Reply, Request, Subject, Transport

GATEWAY = "/gateway.do"
OK = "10000"
_GATEWAYS_OWN = frozenset({"20000", "20001", "40001", "40002", "40003", "40005", "40006"})
"""Codes of the gateway itself: it has not passed the call on, or does not know what became of it."""
_AS_HTTP = {"20000": 500, "40005": 429}
"""How sure an unmapped code is, in the words of HTTP; all others are plain refusals."""
_MOST_ANSWER_BYTES = 256 * 1024
_SERVER_FAULT = 500
_BASE64 = str.maketrans({"+": "%2B", "/": "%2F", "=": "%3D"})
_encode = msgspec.json.Encoder().encode


class NotVerified(Exception):
    """The answer carries no signature that holds."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a call ended with. `told` is the verified content of a 10000; otherwise outcome and reason say why."""

    outcome: Outcome
    told: dict[str, Any] | None = None
    reason: str | None = None
    native: Native | None = None


class Caller:
    """Signs, sends and verifies for one application."""

    def __init__(self, app: str, signer: Signer, verifiers: Sequence[Verifier], transport: Transport, hosts: Sequence[str]) -> None:
        """`hosts` in the order of preference."""
        self._app, self._signer, self._verifiers = app, signer, verifiers
        self._transport, self._hosts = transport, hosts
        self._headers = {
            "User-Agent": f"daozhang/{__version__}",
            "Content-Type": "application/x-www-form-urlencoded;charset=utf-8",
        }

    def signed(self, method: str, content: dict[str, Any], at: datetime, **addresses: str) -> tuple[str, str]:
        """The query and `biz_content` of a call; `addresses` are notify_url and return_url, left away when empty."""
        business = _encode(content).decode()
        given = tuple((name, value) for name, value in addresses.items() if value)
        fixed = {
            "app_id": self._app,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "version": "1.0",
            **dict(given),
        }
        if self._signer.app_cert_sn:
            fixed |= {"app_cert_sn": self._signer.app_cert_sn, "alipay_root_cert_sn": self._signer.root_cert_sn}
        moment = stamp(at)
        sign = self._signer.sign(fixed | {"timestamp": moment, "biz_content": business})
        return f"{_query(tuple(fixed.items()))}&timestamp={quote_plus(moment)}&sign={sign.translate(_BASE64)}", business

    async def call(self, operation: str, method: str, content: dict[str, Any], subject: Subject, notify_url: str = "") -> Heard:
        """Call and read the answer. Never raises for what the other side does."""
        query, business = self.signed(method, content, clock.now(), notify_url=notify_url)
        body = urlencode({"biz_content": business}).encode()
        request = Request("POST", f"{GATEWAY}?{query}", self._headers, body, "trace_id")
        reply: Reply | None = None
        try:
            reply = await self._send(request, subject)
            return self._heard(operation, method, reply)
        except ConnectFault as fault:
            # Nothing was sent, so a new order is plainly not placed; of what was there before nothing is known.
            outcome = Outcome.FAILURE if operation == "order" else Outcome.UNKNOWN
            return Heard(outcome, reason="channel.unreachable", native=Native("UNREACHABLE", str(fault)))
        except Fault as fault:
            return Heard(Outcome.UNKNOWN, reason="channel.checking", native=Native("NO_ANSWER", str(fault)))
        except NotVerified as fault:
            native = Native("ANSWER_NOT_VERIFIED", str(fault), reply.status if reply else None)
            return Heard(Outcome.UNKNOWN, reason="channel.unknown_answer", native=native)
        except Unclear as fault:
            native = Native("UNCLEAR", str(fault), reply.status if reply else None)
            return Heard(Outcome.UNKNOWN, reason="channel.unknown_answer", native=native)

    async def _send(self, request: Request, subject: Subject) -> Reply:
        """Send, and go over to the next host only when nothing can have arrived at the one before."""
        failed: ConnectFault | None = None
        for host in self._hosts:
            try:
                return await self._transport.send(host, request, subject)
            except ConnectFault as fault:
                failed = failed or fault
        assert failed is not None
        raise failed

    def _heard(self, operation: str, method: str, reply: Reply) -> Heard:
        if reply.status != 200:
            code = f"HTTP_{reply.status}"
            meaning = native_codes("alipay").read(operation, code, http=reply.status)
            certain = reply.status < _SERVER_FAULT or meaning.outcome is not Outcome.FAILURE
            outcome = meaning.outcome if certain else Outcome.UNKNOWN
            return Heard(outcome, reason=meaning.reason, native=Native(code, "", reply.status))
        if len(reply.body) > _MOST_ANSWER_BYTES:
            raise Unclear("answer too large")
        outer = members(reply.body)
        name = f"{method.replace('.', '_')}_response"
        raw = outer.get(name, outer.get("error_response"))
        if raw is None:
            raise Unclear("an answer to something else")
        told = read_object(raw, _MOST_ANSWER_BYTES)
        code, sub_code = clip(told.get("code"), 16), clip(told.get("sub_code"), 96)
        message = clip(told.get("sub_msg")) or clip(told.get("msg"))
        if "sign" in outer:
            self._verify(raw, outer)
        elif code not in _GATEWAYS_OWN:
            raise NotVerified("no signature")
        native = Native(sub_code or code, message, reply.status, clip(told.get("trace_id"), 128))
        if code == OK and name in outer:
            return Heard(Outcome.SUCCESS, told, native=Native("", "", reply.status))
        meaning = native_codes("alipay").read(operation, known_as(sub_code or code), message, _AS_HTTP.get(code, 400))
        outcome = meaning.outcome
        if code == "20000" and outcome is Outcome.FAILURE:
            outcome = Outcome.UNKNOWN
        return Heard(outcome, reason=meaning.reason, native=native)

    def _verify(self, raw: bytes, outer: dict[str, bytes]) -> None:
        signature, serial = _text(outer["sign"]), _text(outer.get("alipay_cert_sn", b'""'))
        fitting = [each for each in self._verifiers if each.serial == serial]
        if not fitting:
            raise NotVerified("signed with a certificate that is not known here" if serial else "signed in another mode")
        now_s = clock.now_s()
        for message in (raw, escaped_otherwise(raw)):
            if message is not None and any(each.holds(message, signature, now_s) for each in fitting):
                return
        raise NotVerified("the signature does not hold")


def known_as(code: str) -> str:
    """A business code without the prefix that the gateway puts before it when it passes one on (`aop.ACQ.SYSTEM_ERROR`)."""
    return code.removeprefix("aop.") if code.startswith("aop.ACQ.") else code


@lru_cache(maxsize=128)
def _query(fixed: tuple[tuple[str, str], ...]) -> str:
    """The part of an address that is the same for most calls: encoding it anew costs a fifth of a signature."""
    return urlencode(fixed)


def _text(raw: bytes) -> str:
    try:
        value = msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, ValueError):
        raise NotVerified("a signature that is no text") from None
    return value
