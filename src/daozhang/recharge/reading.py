"""Messages of one turn of the event loop are read together, a few at a time and step by step.

Verifying a message keeps the loop for some 50 us. Two hundred at once would keep the settlement under way from hearing its database
for as long as it takes to verify them all, so both would wait for each other in turn. And one at a time each costs half as much
again: between two signatures the processor forgets the code of both the signature and the parser (docs/decisions/0094). So a few
are taken a turn, all of them are verified, then all of them are opened.
"""

import asyncio
import logging
from collections import deque
from typing import NamedTuple

from daozhang.channels.port import Channel, Invalid, Notification, Opened

log = logging.getLogger(__name__)

PER_TURN = 16


class _Message(NamedTuple):
    """A message that waits to be read, and whoever waits for it."""

    channel: Channel
    headers: dict[str, str]
    body: bytes
    read: "asyncio.Future[Opened]"


class Reading:
    """First come, first read, at most `PER_TURN` in one turn of the event loop."""

    def __init__(self) -> None:
        self._waiting: deque[_Message] = deque()

    async def read(self, channel: Channel, headers: dict[str, str], body: bytes) -> Notification:
        """Verify and read one message. Raises `Invalid`. Who gives up waiting takes nobody's turn."""
        loop = asyncio.get_running_loop()
        read: asyncio.Future[Opened] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._pass)
        self._waiting.append(_Message(channel, headers, body, read))
        heard = await read
        if heard is None:
            return await channel.read(headers, body)
        if isinstance(heard, Invalid):
            raise heard
        return heard

    def _pass(self) -> None:
        taken: list[_Message] = []
        while self._waiting and len(taken) < PER_TURN:
            message = self._waiting.popleft()
            if not message.read.done():
                taken.append(message)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._pass)
        together: dict[int, list[_Message]] = {}
        for message in taken:
            together.setdefault(id(message.channel), []).append(message)
        for group in together.values():
            for message, heard in zip(group, _heard(group), strict=True):
                message.read.set_result(heard)


def _heard(group: list[_Message]) -> list[Opened]:
    """What the channel of these messages reads without asking anybody; a fault of ours is met again by whose message it is."""
    together = getattr(group[0].channel, "read_together", None)
    if together is None:
        return [None] * len(group)
    try:
        heard: list[Opened] = together([(message.headers, message.body) for message in group])
        assert len(heard) == len(group), "as many answers as messages"
    except Exception:
        log.exception("messages could not be read together; each is read alone")
        return [None] * len(group)
    return heard
