"""Where channels knock: `/notify/<kind>/<channel id>`, by the verb of their kind; plain ASGI in front of the pages.

Nothing a stranger sends is echoed. Sizes and times are bounded, junk is kept at a bounded rate, and every answer has the form
that the channel expects.
"""

import logging
import re
from collections.abc import Callable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import Acknowledgement, Channel, Invalid
from daozhang.channels.registry import Registry
from daozhang.identity import Limiter
from daozhang.postgres import OutcomeUnknown, Unavailable
from daozhang.postgres.batch import Full
from daozhang.recharge.door import Door
from daozhang.recharge.inbox import MAX_BODY
from daozhang.settings import Settings
from daozhang.web.client import client
from daozhang.web.wire import BROKEN

log = logging.getLogger(__name__)

_PATH = re.compile(r"/notify/([a-z][a-z0-9_]{1,31})/([1-9][0-9]{0,17})", re.ASCII)
_GONE = Acknowledgement(404)
_VERBS = {"POST": ("POST",), "GET": ("GET",), "EITHER": ("GET", "POST")}


class Callbacks:
    """Routes channels' messages to the door, everything else to the pages. `changed` is called after each message taken in."""

    def __init__(
        self, pages: ASGIApp, registry: Registry, door: Door, limiter: Limiter, settings: Settings, changed: Callable[[], None]
    ) -> None:
        self._pages, self._registry, self._door = pages, registry, door
        self._limiter, self._settings, self._changed = limiter, settings, changed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != ScopeType.HTTP or not scope["path"].startswith("/notify/"):
            await self._pages(scope, receive, send)
            return
        answer = await self._answer(scope, receive)
        await send({"type": "http.response.start", "status": answer.status, "headers": _head(answer)})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def _answer(self, scope: HTTPScope, receive: Receive) -> Acknowledgement:
        match = _PATH.fullmatch(scope["path"])
        channel = self._registry.get(int(match.group(2))) if match else None
        row = self._registry.row(channel.id) if channel else None
        if match is None or channel is None or row is None or channel.kind != match.group(1):
            return _GONE
        verbs = _VERBS[KINDS[channel.kind].notified_by]
        if scope["method"] not in verbs:
            return Acknowledgement(405, content_type=", ".join(verbs))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = bytearray()
        no: Invalid
        try:
            await self._hear(scope, receive, body)
            answer = await self._door.knock(row.shop_id, channel, headers, bytes(body))
        except Invalid as invalid:
            await self._keep_junk(row.shop_id, channel, headers, bytes(body[:MAX_BODY]), invalid, scope)
            no = invalid
        except (Unavailable, OutcomeUnknown, Full) as fault:
            log.warning("a message was not taken in (%s); the channel sends it again", type(fault).__name__)
            no = Invalid("unavailable", http=503)
        except Exception:
            log.exception("a message met a fault of ours; the channel sends it again")
            no = Invalid("unavailable", http=500)
        else:
            self._changed()
            return answer
        return channel.acknowledge(no)

    async def _hear(self, scope: HTTPScope, receive: Receive, body: bytearray) -> None:
        """Fill `body` with what is said. Raises `Invalid`; what came until then is in it all the same, to be kept with why."""
        state = scope.get("state", {})
        if scope["method"] != "POST" and BROKEN not in state:
            body += scope["query_string"]
            _bounded(body)
            return
        await _read(receive, body)
        if BROKEN in state:
            # No message at all: what came in its place breaks HTTP, or its bounds (`wire.py`).
            raise Invalid(*state[BROKEN])

    async def _keep_junk(
        self, shop_id: int, channel: Channel, headers: dict[str, str], body: bytes, invalid: Invalid, scope: Scope
    ) -> None:
        """Keep what was refused, as long as this channel and this network have not sent too much of it."""
        log.info("a message for channel %d was refused: %s", channel.id, invalid.code)
        try:
            peer = scope["client"][0] if scope["client"] else None
            network = client(peer, scope["scheme"], scope["headers"], self._settings.trusted_proxies).network
            if await self._limiter.take("callback.junk.network", network) or await self._limiter.take("callback.junk", channel.id):
                return
            await self._door.refuse(shop_id, channel, headers, body, invalid)
        except (Unavailable, OutcomeUnknown) as fault:
            log.warning("a refused message was not kept: %s", type(fault).__name__)


def _head(answer: Acknowledgement) -> list[tuple[bytes, bytes]]:
    """The headers of an answer. One without content has no length to tell (RFC 9110, 8.6)."""
    return [
        *([(b"content-length", str(len(answer.body)).encode())] if answer.status != 204 else []),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *([(b"content-type", answer.content_type.encode())] if answer.body else []),
        *([(b"allow", answer.content_type.encode())] if answer.status == 405 else []),
    ]


def _bounded(body: bytearray) -> None:
    if len(body) > MAX_BODY:
        raise Invalid("oversize", f"over {MAX_BODY} bytes", 413)


async def _read(receive: Receive, body: bytearray) -> None:
    """Append the raw body. Raises `Invalid` when it is longer than any message of a channel, or ends too early."""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        _bounded(body)
        if not message.get("more_body"):
            return
    raise Invalid("cut_off", f"{len(body)} bytes", 400)
