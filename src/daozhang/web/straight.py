"""The straight way of a channel's message: from the server's parser to the door, without a task and a conversation of its own.

What ASGI costs a message (a task, an event, four coroutines, two sends) is a third of what verifying and settling it costs. A
message whose body came with its head is given to the door at once, and its answer is written when its commit is done. Everything
else (a body that lets us wait, a request behind another one, whatever is wrong with a message) goes the way of ASGI. Both ways
share the server's own parser, limits and connections.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from litestar.types import HTTPScope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from daozhang.channels.port import Acknowledgement
from daozhang.web.callbacks import head

Take = Callable[[HTTPScope, bytes, Callable[[Acknowledgement], None], Callable[[], None]], bool]
"""`Callbacks.take`."""


class Straight(HttpToolsProtocol):
    """One connection."""

    take: Take
    _hearing = False
    _held: RequestResponseCycle | None = None

    def data_received(self, data: bytes) -> None:
        """Bytes came: when they hold a whole message for a channel's door, it is taken in here."""
        self._hearing = True
        super().data_received(data)
        self._hearing = False
        cycle, self._held = self._held, None
        if cycle is None:
            return
        otherwise = partial(super()._start_asgi_task, cycle, self.app)
        if cycle.more_body or not self.take(cycle.scope, bytes(cycle.body), partial(self._answer, cycle), otherwise):  # type: ignore[arg-type]
            otherwise()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        scope = cycle.scope
        if (
            self._hearing
            and app is self.app
            and scope["path"].startswith("/notify/")
            and scope["method"] == "POST"
            and not cycle.waiting_for_100_continue
        ):
            self._held = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def _answer(self, cycle: RequestResponseCycle, answer: Acknowledgement) -> None:
        """Write the answer and end the exchange as the server does."""
        if cycle.disconnected:
            return
        lines = [name + b": " + value for name, value in (*cycle.default_headers, *head(answer))]
        if not cycle.keep_alive:
            lines.append(b"connection: close")
        self.transport.write(STATUS_LINE[answer.status] + b"\r\n".join(lines) + b"\r\n\r\n" + answer.body)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()


def straight(take: Take) -> type[HttpToolsProtocol]:
    """The server's protocol with a straight way to a door."""
    return type("StraightToTheDoor", (Straight,), {"take": staticmethod(take)})
