"""HTTP as it comes over the wire, within bounds: how long a head may be, how long a message may take, and what becomes of nonsense.

The server's parser has none of them: one head without an end took memory and the whole loop's time, and one that never came kept
its connection for ever. What is no HTTP at a channel's door is handed on to it, which answers in the channel's form and keeps it
with why (`callbacks.py`); anywhere else the answer is one plain line.
"""

import asyncio
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES = 65_536
"""Bytes of a head, and of anything else around a body (trailers), that more is read after."""
HEAD_WAIT_S = 15.0
MESSAGE_WAIT_S = 120.0
DOOR_WAIT_S = 5.0
"""How long a head may take to arrive, a whole message, and one at a channel's door, which waits no longer for its answer either."""
LINGER_S = 2.0
"""How long who still talks is listened to after a refusal: closing at once would take the refusal away from him again."""
BROKEN = "daozhang.broken"
"""What the state of a request is asked for by a channel's door, which is told there why what came is no message."""
_DOORS = b"/notify/"
_SAID = {400: "Invalid HTTP request received.", 408: "The request took too long.", 431: "The head of the request is too long."}


class Broken(NamedTuple):
    """Why a request is none: a word of `channels.port.Invalid`, the place, and the status that says so."""

    code: str
    detail: str
    http: int


class Wire(HttpToolsProtocol):
    """One connection of the server. What is done for every request is a few assignments: the rest is for those that do not end."""

    _heading = _owing = _came = False
    """A head has begun and is not complete; its message is not; a part of a body came with what was read last."""
    _head = b""
    _around = 0
    _hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection on which nothing is said is let go like one on which nothing more is said."""
        super().connection_made(transport)
        self._let_go_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended."""
        self._calm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as far as the bounds allow."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Another protocol is not spoken here: the request is answered as it is, and what follows it is not read.
            self.cycle.keep_alive = False
        except httptools.HttpParserError as fault:
            self._break_off(Broken("malformed", f"HTTP: {type(fault).__name__}", 400), data)
            return
        if self._owing:
            self._bound(data)
        elif self.cycle is None or self.cycle.response_complete:
            self._let_go_later()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._heading = self._owing = True

    def on_headers_complete(self) -> None:
        """A head is complete. What follows the body counts for nothing: proxies look at the head alone (RFC 9110, 6.5)."""
        self._heading = False
        self._calm()
        super().on_headers_complete()
        # Trailers are put here, where nobody looks: asking about each header would cost every request.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._came = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A message is complete."""
        self._owing = False
        self._calm()
        super().on_message_complete()

    def _bound(self, data: bytes) -> None:
        """What was read did not end a message: count it, and wait for the rest so long and no longer."""
        if self._hurry is None:
            self._hurry = self.loop.call_later(self._wait_s(), self._late)
        if self._heading:
            self._head += data
        self._around = 0 if self._came else self._around + len(data)
        self._came = False
        if self._around > HEAD_BYTES:
            self._break_off(Broken("oversize", f"HTTP: a head above {HEAD_BYTES} bytes", 431), b"")

    def _wait_s(self) -> float:
        if self._heading:
            return HEAD_WAIT_S
        # The path as doors are chosen by it: an absolute address, or one with escapes, leads to the same door.
        return DOOR_WAIT_S if self.scope["path"].startswith("/notify/") else MESSAGE_WAIT_S

    def _late(self) -> None:
        what = "head" if self._heading else "message"
        self._break_off(Broken("slow", f"HTTP: no whole {what} in {self._wait_s():.0f} s", 408), b"")

    def _break_off(self, why: Broken, data: bytes) -> None:
        """Nothing more is read here: whoever is behind the door that was asked for answers, or one line does."""
        raw = self._head + data
        self._calm()
        self._owing, parser, self.parser = False, self.parser, cast("Any", _Deaf())
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._heading and (door := self._door()):
            self._hand_on(parser.get_method().decode("ascii"), door, why, raw)
        elif idle and (self._heading or self.cycle is None):
            self._say(why.http)
        elif idle or self._heading or self.cycle.response_started:
            # An answer is under way or given, and this is no other question: there is nothing to say.
            self.transport.close()
        elif self.scope["path"].startswith("/notify/"):
            self.scope["state"][BROKEN] = why
            self.cycle.more_body, self.cycle.keep_alive, self.cycle.transport = False, False, self._lingering()
            self.cycle.message_event.set()
        else:
            self._say(why.http)

    def _door(self) -> str:
        """The channel's door that a broken head asks for, or nothing."""
        path = self.url.partition(b"?")[0]
        return unquote(path.decode("latin-1")) if path.startswith(_DOORS) else ""

    def _hand_on(self, method: str, path: str, why: Broken, raw: bytes) -> None:
        """Let the door hear what came in place of a message, as a body that is known to be none."""
        self.scope["method"], self.scope["path"], self.scope["raw_path"] = method, path, path.encode()
        self.scope["query_string"] = b""
        self.scope["state"][BROKEN] = why
        self.cycle = RequestResponseCycle(
            scope=self.scope, transport=self._lingering(), flow=self.flow, logger=self.logger,
            access_logger=self.access_logger, access_log=self.access_log, default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(), expect_100_continue=False, keep_alive=False, on_response=self.on_response_complete,
        )  # fmt: skip
        self.cycle.body += raw[:HEAD_BYTES]
        self.cycle.more_body = False
        self.cycle.message_event.set()
        self._start_asgi_task(self.cycle, self.app)

    def _say(self, status: int) -> None:
        """One line, and the end."""
        said = _SAID[status].encode("ascii")
        head = [STATUS_LINE[status], *(b"%s: %s\r\n" % header for header in self.server_state.default_headers)]
        head.append(b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(said))
        self.transport.write(b"".join(head) + said)
        self._lingering().close()

    def _lingering(self) -> asyncio.Transport:
        return cast("asyncio.Transport", _Lingering(self.transport, self.loop))

    def _let_go_later(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _calm(self) -> None:
        """What was waited for has come, or nobody waits any more."""
        self._head, self._around = b"", 0
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None


class _Lingering:
    """A transport that is closed for writing first, and a little later altogether."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self.write, self.is_closing = transport.write, transport.is_closing

    def close(self) -> None:
        """Say that this was all."""
        if not self._transport.is_closing():
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._loop.call_later(LINGER_S, self._transport.close)


class _Deaf:
    """The parser of a connection from which nothing more is read."""

    def feed_data(self, data: bytes) -> None:
        """Hear nothing."""

    def should_upgrade(self) -> bool:
        """There is nothing to change to."""
        return False

    def should_keep_alive(self) -> bool:
        """It ends with the answer under way."""
        return False
