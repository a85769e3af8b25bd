"""One HTTP/1.1 connection to a channel, on which one exchange at a time takes place.

httptools reads the answers, that is llhttp in its strict form: two lengths, a length beside chunks or a bare CR end the connection.
What comes after an answer, or without having been asked for, ends it too, because nobody knows any more which answer belongs to
which request. Source: RFC 9112, sections 2.2, 6.3 and 9.3.
"""

import asyncio

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from daozhang.outbound.message import ConnectFault, ReadFault, Reply, Request

MOST_HEAD_BYTES = 32 * 1024
_TOO_LONG = f"a head above {MOST_HEAD_BYTES} bytes"
_OURS = frozenset({"host", "accept-encoding", "content-length", "transfer-encoding", "connection"})
"""Headers that are written here and nowhere else: what frames a request is nothing that a caller may choose."""
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})


class GoneBefore(ReadFault):
    """The other side had let go of a connection that was used before: no byte of an answer came."""


class Line(asyncio.Protocol):
    """A connection. `idle_since` is the loop's time when its last exchange ended, `used` whether it had one."""

    def __init__(self, most_bytes: int) -> None:
        """At most `most_bytes` of a body are taken."""
        self._most_bytes = most_bytes
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._started = False
        self._forget()
        self.idle_since = 0.0
        self.used = False
        self.open = False

    async def exchange(self, message: bytes) -> Reply:
        """Write a request and wait for the whole answer. Raises `ReadFault`; `open` says whether there can be another."""
        if self._transport is None or not self.open:
            raise GoneBefore("the connection was closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._started = False
        self._forget()
        self._transport.write(message)
        try:
            return await self._answer
        finally:
            self._answer = None
            if not self._whole or not self._stays:
                self.end()
            self.used = True

    def end(self) -> None:
        """Close the connection at once."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvloop's is of no common class.
        """Connected, and TLS verified where there is TLS."""
        self._transport, self.open = transport, True

    def data_received(self, data: bytes) -> None:
        """A part of the answer, or something that nobody asked for."""
        if self._answer is None or self._answer.done():
            self.end()
            return
        self._started = True
        if not self._head_read:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as fault:
            self._fail(ReadFault(type(fault).__name__))
            return
        if not self._head_read and self._head_bytes > MOST_HEAD_BYTES:
            self._fail(ReadFault(_TOO_LONG))
        elif self._whole and not self._answer.done():
            self._answer.set_result(self._reply())

    def connection_lost(self, exc: Exception | None) -> None:
        """The end: of an answer without a length too, when the other side ended it in order."""
        self.open = False
        if self._answer is None or self._answer.done():
            return
        if exc is None and self._head_read and not self._bounded:
            self._stays = False
            self._whole = True
            self._answer.set_result(self._reply())
        else:
            word = type(exc).__name__ if exc is not None else "the connection was closed"
            self._answer.set_exception((GoneBefore if self.used and not self._started else ReadFault)(word))

    def on_message_begin(self) -> None:
        """A status line: of the answer, of a 1xx before it, or of one too many."""
        if self._whole:
            self._stays = False
        else:
            self._forget()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, its name in lower case; what is no UTF-8 becomes U+FFFD."""
        self._told_bytes += len(name) + len(value)
        if self._told_bytes > MOST_HEAD_BYTES:
            self._fail(ReadFault(_TOO_LONG))
        key = name.decode("latin-1").lower()
        if key == "content-encoding" and value.lower() != b"identity":
            self._encoded = True
        elif key in {"content-length", "transfer-encoding"}:
            self._bounded = True
        self._headers[key] = value.decode("utf-8", "replace")

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._status = self._parser.get_status_code()
        self._head_read = self._status >= 200
        if self._encoded and self._head_read:
            self._fail(ReadFault("encoded body"))

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._whole:
            return
        self._size += len(body)
        if self._size > self._most_bytes:
            self._fail(ReadFault(f"body above {self._most_bytes} bytes"))
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """A whole message; one of the 1xx kind comes before the answer and is passed over."""
        if self._head_read and not self._whole:
            self._whole = True
            self._stays = self._parser.should_keep_alive()

    def _forget(self) -> None:
        self._head_bytes = self._told_bytes = self._size = self._status = 0
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._head_read = self._whole = self._stays = self._bounded = self._encoded = False

    def _reply(self) -> Reply:
        return Reply(self._status, self._headers, b"".join(self._parts))

    def _fail(self, fault: ReadFault) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(fault)
        self.end()


def written(host: str, request: Request) -> bytes:
    """The bytes of a request. Raises `ConnectFault` for what would be read as another request: it is never sent."""
    given = request.headers
    names = {name.lower() for name in given}
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {host}", *(f"{name}: {given[name]}" for name in given)]
    if "accept" not in names:
        lines.append("Accept: */*")
    lines.append("Accept-Encoding: identity")
    if request.body or request.method in _WITH_LENGTH:
        lines.append(f"Content-Length: {len(request.body)}")
    head = "\r\n".join(lines)
    # One line break between two lines and none inside any, and no blank inside the target.
    strange = head.count("\r") != len(lines) - 1 or head.count("\n") != len(lines) - 1 or "\0" in head
    if strange or " " in request.target or not request.target.isascii() or not names.isdisjoint(_OURS):
        raise ConnectFault("a target or header that cannot be sent")
    return b"%s\r\n\r\n%s" % (head.encode("utf-8", "replace"), request.body)
