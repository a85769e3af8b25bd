"""The sandbox of providers: a phone for messages and letters, a page that looks at faces, a register of names, a supplier.

JSON over HTTP. `Sandbox-Signature` is the hex HMAC-SHA256 of app, timestamp, path and body, each but the last followed by a line
feed, under the app's secret, the timestamp within five minutes; the answer carries the HMAC of its body. A number (the caller's
own) that was seen before gets the first answer again.
"""

import asyncio
import hmac
import re
import secrets
from collections import OrderedDict, deque
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from daozhang.simulators.services.supplier import Supplies
from daozhang.simulators.watch import Watch
from daozhang.simulators.wire import Answer, Receive, Scope, Send, TooLarge, read, write

CLOCK_S = 300
KEPT = 500
_NUMBER = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
_ADDRESS = re.compile(r"[!-?A-~]{1,64}@[0-9A-Za-z.-]{3,190}", re.ASCII)
_FAULTS = ("refuse", "hang", "error", "garbage", "unsigned", "lost")


class Message(NamedTuple):
    """A text message on the phone, or a letter."""

    to: str
    text: str
    at_s: float


class Look(NamedTuple):
    """A look at a face: who asked, what for, where to go back, and what came of it."""

    number: str
    operation: str
    back: str
    result: Literal["pending", "passed", "failed"]
    name: str = ""


class Sandbox:
    """`messages` are what the phone received, newest first; `looks` the faces by id; `register` names by identity number.

    `fault` (one of refuse, hang, error, garbage, unsigned, lost) meets every call while it is set. A number that nobody asked for
    before is entered into the register under the first name it comes with; a name that begins with 查无 has no record.
    """

    prefixes = ("/sms/", "/email/", "/face/", "/identity/", "/supply/")

    def __init__(self, watch: Watch, url: str, folder: Path | None = None) -> None:
        self._watch, self._url = watch, url
        self.app = "sandbox-app"
        self.secret = _kept_secret(folder)
        self.messages: deque[Message] = deque(maxlen=KEPT)
        self.looks: OrderedDict[str, Look] = OrderedDict()
        self.register: dict[str, str] = {}
        self.fault = ""
        self.supplies = Supplies(folder)
        self._answers: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    def cards(self) -> list[dict[str, str]]:
        """What an operator copies out: one account for each purpose."""
        return [{"purpose": purpose, "kind": "sandbox", "app": self.app, "host": self._url, "secret": self.secret}
                for purpose in ("sms", "email", "face", "identity", "supplier")]  # fmt: skip

    def turn(self, fault: str) -> None:
        """Set a fault, or clear it with an empty word. Raises `ValueError`."""
        if fault and fault not in _FAULTS:
            raise ValueError(fault)
        self.fault = fault

    def decide(self, look_id: str, *, passed: bool) -> str:
        """The person looked (or walked away from) the camera: where to go back. Raises `LookupError`."""
        look = self.looks[look_id]
        if look.result == "pending":
            self.looks[look_id] = look._replace(result="passed" if passed else "failed")
        return look.back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call of a merchant's program."""
        try:
            body = await read(receive)
        except TooLarge:
            await write(send, Answer(413))
            return
        except ConnectionError:
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        if scope["method"] != "POST":
            await write(send, Answer(405, headers={"Allow": "POST"}))
        elif not self._knows(headers, scope["path"], body):
            await write(send, Answer(401))
        else:
            await self._serve(scope["path"], body, send)

    async def _serve(self, path: str, body: bytes, send: Send) -> None:
        if self.fault == "hang":
            await asyncio.sleep(20)
        if self.fault == "error":
            await write(send, Answer(500))
            return
        try:
            told = self._do(path, msgspec.json.decode(body, type=dict[str, str]))
        except (msgspec.DecodeError, msgspec.ValidationError, KeyError, ValueError):
            await write(send, Answer(400))
            return
        if self.fault == "lost":
            # It was done, and nobody hears of it.
            await write(send, Answer(502))
            return
        content = b"<html>gateway</html>" if self.fault == "garbage" else msgspec.json.encode(told)
        given = {"Content-Type": "application/json"}
        if self.fault != "unsigned":
            given["Sandbox-Signature"] = hmac.new(self.secret.encode(), content, sha256).hexdigest()
        await write(send, Answer(200, content, given))

    def _knows(self, headers: dict[str, str], path: str, body: bytes) -> bool:
        timestamp = headers.get("sandbox-timestamp", "")
        if headers.get("sandbox-app") != self.app or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
            return False
        if abs(self._watch.now_s() - int(timestamp)) > CLOCK_S:
            return False
        message = f"{self.app}\n{timestamp}\n{path}\n".encode() + body
        return hmac.compare_digest(
            hmac.new(self.secret.encode(), message, sha256).hexdigest(), headers.get("sandbox-signature", "")
        )

    def _do(self, path: str, given: dict[str, str]) -> dict[str, Any]:
        number = given["number"]
        if not _NUMBER.fullmatch(number):
            raise ValueError(number)
        if path == "/face/result":
            look = next((look for look in self.looks.values() if look.number == number), None)
            return {"result": look.result if look else "unknown"}
        if path.startswith("/supply/"):
            refuses = self.fault == "refuse"
            return self.supplies.order(given, refuses=refuses) if path == "/supply/order" else self.supplies.look(number)
        known = self._answers.get((path, number))
        if known is not None:
            return known
        told = {"/sms/send": self._send, "/email/send": self._mail, "/face/begin": self._begin, "/identity/check": self._check}[
            path
        ](given)
        self._answers[path, number] = told
        while len(self._answers) > KEPT * 10:
            self._answers.popitem(last=False)
        return told

    def _send(self, given: dict[str, str]) -> dict[str, Any]:
        if (
            self.fault == "refuse"
            or not re.fullmatch(r"1[3-9][0-9]{9}", given["to"], re.ASCII)
            or not 0 < len(given["text"]) <= 500
        ):
            return {"status": "refused"}
        self.messages.appendleft(Message(given["to"], given["text"], self._watch.now_s()))
        return {"status": "accepted"}

    def _mail(self, given: dict[str, str]) -> dict[str, Any]:
        """A letter shows on the phone beside the messages, its subject first."""
        fits = _ADDRESS.fullmatch(given["to"]) and 0 < len(given["subject"]) <= 120 and 0 < len(given["text"]) <= 4_000
        if self.fault == "refuse" or not fits:
            return {"status": "refused"}
        self.messages.appendleft(Message(given["to"], f"{given['subject']}\n{given['text']}", self._watch.now_s()))
        return {"status": "accepted"}

    def _begin(self, given: dict[str, str]) -> dict[str, Any]:
        if self.fault == "refuse":
            return {}
        look_id = secrets.token_urlsafe(24)
        name, identity_number = given.get("name", "").strip(), given.get("identity_number", "").strip().upper()
        if identity_number and (name.startswith("查无") or self.register.setdefault(identity_number, name) != name):
            # There is no picture of this person to compare with.
            return {}
        self.looks[look_id] = Look(given["number"], given["operation"][:80], given["return_url"][:1024], "pending", name)
        while len(self.looks) > KEPT:
            self.looks.popitem(last=False)
        return {"id": look_id, "url": f"{self._url}/phone/face/{look_id}"}

    def _check(self, given: dict[str, str]) -> dict[str, Any]:
        name, identity_number = given["name"].strip(), given["identity_number"].strip().upper()
        if self.fault == "refuse" or name.startswith("查无"):
            return {"result": "no_record"}
        return {"result": "match" if self.register.setdefault(identity_number, name) == name else "mismatch"}


def _kept_secret(folder: Path | None) -> str:
    """The same secret as last time, so that a provider that was entered once still fits after a restart."""
    if folder is None:
        return secrets.token_hex(32)
    file = folder / "secret"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32), "ascii")
    return file.read_text("ascii")
