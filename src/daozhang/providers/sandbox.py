"""The sandbox's protocol: JSON over HTTP, signed with HMAC-SHA256, spoken by the simulators that ship with the product.

A real provider gets an adapter of its own beside this one. `Sandbox-Signature` is the hex HMAC over app, timestamp, path and body,
each but the last followed by a line feed; an answer carries the HMAC of its body.
"""

import hmac
from hashlib import sha256
from typing import Any, Literal, cast

import msgspec

from daozhang import clock
from daozhang.outbound import Fault, Request, Subject, Transport
from daozhang.providers.port import Email, FaceRequest, FaceSession, Sms, SupplyAnswer, SupplyRequest

KIND = "sandbox"
LEAST_SECRET = 32


class Sandbox:
    """One account at the sandbox: sends messages, looks at faces, compares names."""

    def __init__(self, shop_id: int, app: str, secret: str, host: str, transport: Transport) -> None:
        self._shop_id, self._app, self._secret, self._host, self._transport = shop_id, app, secret.encode(), host, transport

    async def send(self, message: Sms) -> Literal["success", "failure", "unknown"]:
        """Send a text message."""
        told = await self._call("/sms/send", {"number": message.number, "to": message.to, "text": message.text}, "sms")
        return _word(told, "status", {"accepted": "success", "refused": "failure"})  # type: ignore[return-value]

    async def mail(self, letter: Email) -> Literal["success", "failure", "unknown"]:
        """Send a letter."""
        given = {"number": letter.number, "to": letter.to, "subject": letter.subject, "text": letter.text}
        told = await self._call("/email/send", given, "email")
        return _word(told, "status", {"accepted": "success", "refused": "failure"})  # type: ignore[return-value]

    async def begin(self, request: FaceRequest) -> FaceSession:
        """Begin a look at a face."""
        given = {"number": request.number, "operation": request.operation, "return_url": request.return_url}
        if request.identity_number:
            given |= {"name": request.name, "identity_number": request.identity_number}
        told = await self._call("/face/begin", given, "face")
        url = told.get("url") if told else None
        if told is None:
            return FaceSession("unknown")
        if not isinstance(url, str) or not url.startswith(f"{self._host}/"):
            return FaceSession("failure")
        return FaceSession("success", url, str(told.get("id", ""))[:128])

    async def result(self, number: str) -> Literal["passed", "failed", "pending", "unknown"]:
        """What came of a look."""
        told = await self._call("/face/result", {"number": number}, "face")
        word = _word(told, "result", {"passed": "passed", "failed": "failed", "pending": "pending"})
        return cast("Literal['passed', 'failed', 'pending', 'unknown']", word)

    async def check(self, number: str, name: str, identity_number: str) -> Literal["match", "mismatch", "no_record", "unknown"]:
        """Compare a name with its number."""
        told = await self._call("/identity/check", {"number": number, "name": name, "identity_number": identity_number}, "identity")
        word = _word(told, "result", {"match": "match", "mismatch": "mismatch", "no_record": "no_record"})
        return cast("Literal['match', 'mismatch', 'no_record', 'unknown']", word)

    async def supply(self, request: SupplyRequest) -> SupplyAnswer:
        """Order a direct top-up."""
        given = {"number": request.number, "sku": request.sku, "target": request.target, "count": str(request.count)}
        return _supplied(await self._call("/supply/order", given, "supply"))

    async def supplied(self, number: str) -> SupplyAnswer:
        """How an order stands."""
        return _supplied(await self._call("/supply/look", {"number": number}, "supply"))

    async def close_connections(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _call(self, path: str, content: dict[str, str], operation: str) -> dict[str, Any] | None:
        """The answer's object, or None when nobody knows what became of the call."""
        body = msgspec.json.encode(content)
        timestamp = str(int(clock.now_s()))
        message = f"{self._app}\n{timestamp}\n{path}\n".encode() + body
        headers = {
            "Content-Type": "application/json",
            "Sandbox-App": self._app,
            "Sandbox-Timestamp": timestamp,
            "Sandbox-Signature": hmac.digest(self._secret, message, "sha256").hex(),
        }
        try:
            reply = await self._transport.send(
                self._host, Request("POST", path, headers, body), Subject(self._shop_id, 0, operation)
            )
        except Fault:
            return None
        good = hmac.new(self._secret, reply.body, sha256).hexdigest()
        if reply.status != 200 or not hmac.compare_digest(reply.headers.get("sandbox-signature", ""), good):
            return None
        try:
            told = msgspec.json.decode(reply.body)
        except msgspec.DecodeError:
            return None
        return told if isinstance(told, dict) else None


def _supplied(told: dict[str, Any] | None) -> SupplyAnswer:
    words = {"delivered": "success", "refused": "failure", "pending": "pending", "absent": "absent"}
    outcome = cast("Literal['success', 'failure', 'pending', 'unknown', 'absent']", _word(told, "status", words))
    serial, why = str((told or {}).get("serial", ""))[:128], str((told or {}).get("why", ""))[:64]
    return SupplyAnswer(outcome, serial if serial.isprintable() else "", why if why.isprintable() else "")


def _word(told: dict[str, Any] | None, field: str, words: dict[str, str]) -> str:
    return words.get(str(told.get(field)), "unknown") if told else "unknown"
