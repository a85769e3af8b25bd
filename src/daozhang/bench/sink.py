"""Something that answers as fast as anything can in this language: it counts bytes and says 204. It measures the generator."""

import asyncio
import os
import sys

import msgspec
import uvloop

_ANSWER = b"HTTP/1.1 204 No Content\r\ncache-control: no-store\r\n\r\n"
_LENGTH, _END = b"content-length: ", b"\r\n\r\n"


class Sink(asyncio.Protocol):
    """One connection. Requests come one at a time, each with its length."""

    def __init__(self) -> None:
        self._heard = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Connected."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """A request, or a part of one."""
        if self._heard:
            data = self._heard + data
        head = data.find(_END)
        at = data.find(_LENGTH)
        if head < 0 or len(data) < head + len(_END) + int(data[at + len(_LENGTH) : data.index(b"\r", at)]):
            self._heard = data
        else:
            self._heard = b""
            self._transport.write(_ANSWER)


async def _main() -> None:
    """Serve until standard input ends."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    said = {"port": server.sockets[0].getsockname()[1]}
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()
    await asyncio.to_thread(sys.stdin.buffer.read)
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(_main())
