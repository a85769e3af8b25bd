"""One call to an operator and what came back, read strictly: an operator may answer a page instead of JSON, or nothing at all."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from daozhang import __version__
from daozhang.channels.native import Unmapped, native_codes, unmapped
from daozhang.channels.port import Native, Outcome
from daozhang.channels.strict import Unclear, read_object
from daozhang.outbound import ConnectFault, Fault, Reply, Request, Subject, Transport

_MOST_ANSWER_BYTES = 256 * 1024
_SERVER_FAULT = 500
_BARE = frozenset({"-1", "-2"})
"""Codes that only say "no": why is in the message, so a message that nobody has mapped is an unmapped code."""
_VARIABLE = re.compile(r"[0-9A-Za-z_.|-]{3,}|[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Heard:
    """What a call ended with. `told` is the object of an answer of success; otherwise outcome and reason say why not.

    `sent` is False when the request never left. `answer` is the object as it came, whatever it said.
    """

    outcome: Outcome
    told: dict[str, Any] | None = None
    reason: str | None = None
    native: Native | None = None
    sent: bool = True
    answer: dict[str, Any] | None = None


class Caller:
    """Sends for one merchant to its operator's hosts, in the order of preference; `path` is where the operator's doors begin."""

    def __init__(self, transport: Transport, hosts: Sequence[str], path: str) -> None:
        self._transport, self._hosts, self.path = transport, hosts, path
        self._headers = {"Accept": "application/json", "User-Agent": f"daozhang/{__version__}"}

    @property
    def first(self) -> str:
        """The address that a payer's browser is sent to."""
        return self._hosts[0] + self.path

    async def get(self, operation: str, door: str, fields: dict[str, str], subject: Subject, ok: str) -> Heard:
        """Ask with everything in the address. `ok` is the code of success. Never raises for what the other side does."""
        return await self._call(operation, Request("GET", f"{self.path}{door}?{urlencode(fields)}", self._headers), subject, ok)

    async def post(self, operation: str, door: str, fields: dict[str, str], subject: Subject, ok: str) -> Heard:
        """Ask with a form. `ok` is the code of success. Never raises for what the other side does."""
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        request = Request("POST", self.path + door, headers, urlencode(fields).encode())
        return await self._call(operation, request, subject, ok)

    async def _call(self, operation: str, request: Request, subject: Subject, ok: str) -> Heard:
        try:
            return heard(operation, await self._send(request, subject), ok)
        except ConnectFault as fault:
            # Nothing was sent, so a new order is plainly not placed; of what was there before nothing is known.
            outcome = Outcome.FAILURE if operation == "order" else Outcome.UNKNOWN
            return Heard(outcome, reason="channel.unreachable", native=Native("UNREACHABLE", str(fault)), sent=False)
        except Fault as fault:
            return Heard(Outcome.UNKNOWN, reason="channel.checking", native=Native("NO_ANSWER", str(fault)))

    async def _send(self, request: Request, subject: Subject) -> Reply:
        """The next host is tried only when nothing was sent: a refund of V1 that may have been taken in is never sent again."""
        failed: ConnectFault | None = None
        for host in self._hosts:
            try:
                return await self._transport.send(host, request, subject)
            except ConnectFault as fault:
                failed = failed or fault
        assert failed is not None
        raise failed


def heard(operation: str, reply: Reply, ok: str) -> Heard:
    """Read an answer. Anything that is not one JSON object with a code leaves open what became of the request."""
    if reply.status >= _SERVER_FAULT or 300 <= reply.status < 400:
        return Heard(Outcome.UNKNOWN, reason="channel.checking", native=Native(f"HTTP_{reply.status}", "", reply.status))
    try:
        answer = read_object(reply.body.removeprefix(b"\xef\xbb\xbf").strip(), _MOST_ANSWER_BYTES)
        code = word_of(answer, "code", 16)
    except Unclear as fault:
        return Heard(Outcome.UNKNOWN, reason="channel.unknown_answer", native=Native("UNCLEAR", str(fault), reply.status))
    message = clip(answer.get("msg"))
    native = Native(code, message, reply.status)
    if code == ok:
        return Heard(Outcome.SUCCESS, answer, native=native, answer=answer)
    meaning = native_codes("epay").read(operation, code, message, reply.status)
    if message and code in _BARE and meaning.name == code:
        unmapped.append(Unmapped("epay", operation, f"{code} {_VARIABLE.sub('*', message)}"[:64]))
    return Heard(meaning.outcome, reason=meaning.reason, native=native, answer=answer)


def word_of(holder: dict[str, Any], name: str, most: int, *, optional: bool = False) -> str:
    """A short text, or a whole number as its digits: operators write `1` and `"1"`. Raises `Unclear`."""
    value = holder.get(name)
    if type(value) is int:
        value = str(value)
    if type(value) is str and 0 < len(value) <= most:
        return value
    if optional and value in (None, ""):
        return ""
    raise Unclear(f"{name} is not a text of 1 to {most} characters")


def clip(value: object, most: int = 256) -> str:
    """A foreign text for staff: cut, and empty when it is no text."""
    return value[:most].replace("\0", "") if isinstance(value, str) else ""
