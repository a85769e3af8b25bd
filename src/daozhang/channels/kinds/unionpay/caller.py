"""One signed call to UnionPay and what came back: verified and about the very same thing before it is believed."""

from dataclasses import dataclass

from daozhang import __version__, clock
from daozhang.channels.kinds.unionpay.fields import Fields, encode, read_answer
from daozhang.channels.kinds.unionpay.messages import ACCEPTED, clip
from daozhang.channels.kinds.unionpay.signing import Signer, verify
from daozhang.channels.kinds.unionpay.trust import Trust
from daozhang.channels.native import native_codes
from daozhang.channels.port import Invalid, Native, Outcome
from daozhang.channels.strict import Unclear
from daozhang.outbound import ConnectFault, Fault, Reply, Request, Subject, Transport

_ECHOED = ("merId", "orderId", "txnTime")
_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
    "Accept": "*/*",
    "User-Agent": f"daozhang/{__version__}",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What a call ended with. `told` is the verified answer that took the call; otherwise outcome and reason say why not."""

    outcome: Outcome
    told: Fields | None = None
    reason: str | None = None
    native: Native | None = None


class Caller:
    """Signs, sends and verifies for one merchant. `trusts` are those of every key version that is not retired."""

    def __init__(self, signer: Signer, trusts: tuple[Trust, ...], transport: Transport) -> None:
        self._signer, self._trusts, self._transport = signer, trusts, transport

    async def call(self, operation: str, host: str, target: str, fields: Fields, subject: Subject) -> Heard:
        """Call and read the answer. Never raises for what the other side does."""
        body = encode(self._signer.signed(fields))
        try:
            reply = await self._transport.send(host, Request("POST", target, _HEADERS, body), subject)
        except ConnectFault as fault:
            # Nothing was sent, so a new order is plainly not placed; of what was there before nothing is known.
            outcome = Outcome.FAILURE if operation == "order" else Outcome.UNKNOWN
            return Heard(outcome, reason="channel.unreachable", native=Native("UNREACHABLE", str(fault)))
        except Fault as fault:
            return Heard(Outcome.UNKNOWN, reason="channel.checking", native=Native("NO_ANSWER", str(fault)))
        if reply.status != 200:
            code = f"HTTP_{reply.status}"
            meaning = native_codes("unionpay").read(operation, code, "", reply.status)
            return Heard(meaning.outcome, reason=meaning.reason, native=Native(code, "", reply.status))
        return self._read(operation, fields, reply)

    def verify(self, fields: Fields) -> None:
        """Check a message's signature against every chain in force. Raises `Invalid`."""
        for trust in self._trusts[:-1]:
            try:
                verify(fields, trust, clock.now())
            except Invalid as invalid:
                if invalid.code != "certificate":
                    raise
            else:
                return
        verify(fields, self._trusts[-1], clock.now())

    def _read(self, operation: str, sent: Fields, reply: Reply) -> Heard:
        try:
            told = read_answer(reply.body)
            self.verify(told)
            _same(sent, told)
        except Unclear as fault:
            return Heard(Outcome.UNKNOWN, reason="channel.unknown_answer", native=Native("UNCLEAR", str(fault), reply.status))
        except Invalid as invalid:
            # Who says it is not known, so what it says is for staff only.
            said = f"{invalid}; it says {clip(told.get('respCode'), 8)} {clip(told.get('respMsg'), 128)}"
            native = Native("ANSWER_NOT_VERIFIED", said, reply.status)
            return Heard(Outcome.UNKNOWN, reason="channel.unknown_answer", native=native)
        code, message = clip(told.get("respCode"), 8), clip(told.get("respMsg"))
        native = Native(code, message, reply.status, clip(told.get("queryId") or told.get("traceNo"), 32))
        if code in ACCEPTED:
            return Heard(Outcome.SUCCESS, told, native=native)
        # A code of an answer is definite unless the table says otherwise: for an order that nobody has mapped it is a refusal.
        meaning = native_codes("unionpay").read(operation, code, message, 400 if operation == "order" else reply.status)
        return Heard(meaning.outcome, reason=meaning.reason, native=native)


def _same(sent: Fields, told: Fields) -> None:
    """An answer that is rightly signed may still be the answer to something else. Raises `Unclear`."""
    if told.get("respCode") in ACCEPTED and any(name in sent and name not in told for name in _ECHOED):
        raise Unclear("it does not say what it is about")
    if any(name in told and name in sent and told[name] != sent[name] for name in _ECHOED):
        raise Unclear("it is about something else")
