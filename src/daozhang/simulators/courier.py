"""Carrying a callback to a merchant over HTTP/1.1: one connection per message, one deadline for all of it, no redirects.

It is written out by hand because the fault dial must be able to cut a body in half or drip it byte by byte.
"""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

MOST_ANSWER = 65_536

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status (0 = nothing in time), at most 64 KiB of what followed the headers, and how long it took."""

    status: int
    body: bytes
    took_ms: float


async def carry(
    url: str,
    headers: dict[str, str],
    body: bytes,
    within_s: float,
    *,
    method: str = "POST",
    slow_s: float = 0.0,
    cut: bool = False,
) -> Answer:
    """Send once; a GET carries its message in the address and no body.

    Never raises for what the other side does: silence, a refused connection and nonsense are status 0.
    """
    started = time.perf_counter()
    status, content = 0, b""
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, EOFError):
        async with asyncio.timeout(within_s + slow_s):
            status, content = await _exchange(method, url, headers, body, slow_s, cut=cut)
    return Answer(status, content, (time.perf_counter() - started) * 1000)


async def _exchange(method: str, url: str, headers: dict[str, str], body: bytes, slow_s: float, *, cut: bool) -> tuple[int, bytes]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure or None)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
        lines += [f"Content-Length: {len(body)}"] if method != "GET" else []
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        if cut and method == "GET":
            return 0, b""
        if cut:
            writer.write(body[: len(body) // 2])
            await writer.drain()
            return 0, b""
        if slow_s:
            for at in range(len(body)):
                writer.write(body[at : at + 1])
                await writer.drain()
                await asyncio.sleep(slow_s / len(body))
        else:
            writer.write(body)
        await writer.drain()
        return await _read(reader)
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    match = _STATUS.match(head)
    if match is None:
        return 0, b""
    content = b""
    while len(content) < MOST_ANSWER:
        chunk = await reader.read(MOST_ANSWER - len(content))
        if not chunk:
            break
        content += chunk
    return int(match.group(1)), content
