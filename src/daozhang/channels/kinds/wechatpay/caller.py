"""One signed call to WeChat Pay and what came back: over to the reserve host when that is safe, verified before it is believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daozhang import __version__, clock
from daozhang.channels.kinds.wechatpay.messages import clip
from daozhang.channels.kinds.wechatpay.ring import KeyRing
from daozhang.channels.kinds.wechatpay.signing import Signer, read_seal, verify
from daozhang.channels.native import native_codes
from daozhang.channels.port import Invalid, Native, Outcome
from daozhang.channels.strict import Unclear, read_object
from daozhang.outbound import ConnectFault, Fault, Reply, Request, Subject, Transport

_MOST_ANSWER_BYTES = 256 * 1024
_TRACE = "request-id"
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Heard:
    """What a call ended with. `told` is the verified body of a 2xx answer (empty for 204); otherwise outcome and reason say why."""

    outcome: Outcome
    told: dict[str, Any] | None = None
    reason: str | None = None
    native: Native | None = None


class Caller:
    """Signs, sends and verifies for one merchant. `ring` is set right after making, because fetching certificates is a call too."""

    ring: KeyRing

    def __init__(self, signer: Signer, transport: Transport, hosts: Sequence[str], public_key_id: str) -> None:
        """`hosts` in the order of preference; `public_key_id` asks for answers signed with the public key."""
        self._signer, self._transport, self._hosts = signer, transport, hosts
        self._headers = {"Accept": "application/json", "User-Agent": f"daozhang/{__version__}"}
        if public_key_id:
            self._headers["Wechatpay-Serial"] = public_key_id

    async def call(self, operation: str, method: str, target: str, body: bytes, subject: Subject) -> Heard:
        """Call and read the answer. Never raises for what the other side does."""
        try:
            reply = await self.send(method, target, body, subject)
            if 200 <= reply.status < 300:
                try:
                    await self._check(reply)
                except Invalid as invalid:
                    if invalid.code != "signtest":
                        raise
                    # A probed answer is not probed again, and every call here may be repeated.
                    reply = await self.send(method, target, body, subject)
                    if 200 <= reply.status < 300:
                        await self._check(reply)
        except ConnectFault as fault:
            # Nothing was sent, so a new order is plainly not placed; of what was there before nothing is known.
            outcome = Outcome.FAILURE if operation == "order" else Outcome.UNKNOWN
            return Heard(outcome, reason="channel.unreachable", native=Native("UNREACHABLE", str(fault)))
        except Fault as fault:
            return Heard(Outcome.UNKNOWN, reason="channel.checking", native=Native("NO_ANSWER", str(fault)))
        except Invalid as invalid:
            native = Native("ANSWER_NOT_VERIFIED", str(invalid), reply.status, _trace(reply))
            return Heard(Outcome.UNKNOWN, reason="channel.unknown_answer", native=native)
        return _heard(operation, reply)

    async def send(self, method: str, target: str, body: bytes, subject: Subject) -> Reply:
        """Send, and go over to the next host after a connect fault or a 5xx: the same bytes under a new signature."""
        failed: Fault | Reply | None = None
        for host in self._hosts:
            headers = {**self._headers, "Authorization": self._signer.authorization(method, target, body, clock.now_s())}
            if body:
                headers["Content-Type"] = "application/json"
            try:
                reply = await self._transport.send(host, Request(method, target, headers, body, _TRACE), subject)
            except ConnectFault as fault:
                # After a 5xx of the first host the call may have been processed, whatever the second one does.
                failed = failed or fault
                continue
            if reply.status < _SERVER_FAULT:
                return reply
            failed = reply
        if isinstance(failed, Reply):
            return failed
        assert failed is not None
        raise failed

    async def _check(self, reply: Reply) -> None:
        seal = read_seal(reply.headers, clock.now_s())
        verify(seal, reply.body, self.ring.known(seal.serial) or await self.ring.find(seal.serial))


def _heard(operation: str, reply: Reply) -> Heard:
    trace = _trace(reply)
    try:
        told = read_object(reply.body, _MOST_ANSWER_BYTES) if reply.body else {}
    except Unclear as fault:
        told = None
        clear = str(fault)
    if 200 <= reply.status < 300 and reply.status != 202:
        if told is None:
            return Heard(Outcome.UNKNOWN, reason="channel.unknown_answer", native=Native("UNCLEAR", clear, reply.status, trace))
        return Heard(Outcome.SUCCESS, told, native=Native("", "", reply.status, trace))
    code = clip((told or {}).get("code"), 64) or f"HTTP_{reply.status}{'' if reply.body else '_EMPTY'}"
    message = clip((told or {}).get("message"))
    meaning = native_codes("wechatpay").read(operation, code, message, reply.status)
    outcome = meaning.outcome
    if reply.status >= _SERVER_FAULT and outcome is Outcome.FAILURE and operation != "order":
        outcome = Outcome.UNKNOWN
    return Heard(outcome, reason=meaning.reason, native=Native(code, message, reply.status, trace))


def _trace(reply: Reply) -> str:
    return clip(reply.headers.get(_TRACE), 128)
