"""The thin layer between ASGI and the simulators: reading a body within bounds, writing an answer."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_BODY = 65_536


@dataclass(slots=True)
class Answer:
    """An answer that is not on its way yet."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    truncated: bool = False


class TooLarge(Exception):
    """The body is larger than 64 KiB."""


async def read(receive: Receive) -> bytes:
    """The whole body. Raises `TooLarge`, or `ConnectionError` when the other side has gone."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if len(body) > MOST_BODY:
        raise TooLarge
    if not message.get("more_body"):
        return body
    chunks, size = [body], len(body)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MOST_BODY:
            raise TooLarge
        if not message.get("more_body"):
            return b"".join(chunks)


async def write(send: Send, answer: Answer) -> None:
    """Send an answer. A truncated one promises its whole length, sends half and ends, so that the server cuts the line."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.truncated:
        await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        return
    await send({"type": "http.response.body", "body": answer.body})


def safe_back(address: str) -> str:
    """An address to lead back to, or nothing: only http(s), so that no script hides in it."""
    parts = urlsplit(address) if len(address) <= 1024 else urlsplit("")
    return address if parts.scheme in ("http", "https") and parts.netloc else ""


def lead_to(address: str) -> Answer:
    """Send the browser on, with a GET."""
    return Answer(303, headers={"Location": address, "Cache-Control": "no-store"})


def lead_to_payment(code: str, back: str = "") -> Answer:
    """Send the browser to the phone's page of a payment; `back` is where it goes afterwards (forgotten unless http or https)."""
    back = safe_back(back)
    return lead_to(f"/phone/pay/{quote(code)}" + (f"?{urlencode({'back': back})}" if back else ""))
