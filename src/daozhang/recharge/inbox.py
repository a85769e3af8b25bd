"""Raw notifications: stored under a unique key, in the commit that settles them or alone when we cannot settle yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from daozhang.postgres import Tx, statements

sql = statements("daozhang.recharge")

KEPT_HEADERS = ("wechatpay-serial", "wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-signature-type",
                "request-id", "user-agent", "content-type")  # fmt: skip
MAX_BODY = 65_536
"""Bytes of a raw message that are read and kept."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A message as it came: the channel's own key of it, the headers worth keeping as JSON, and the bytes."""

    id: UUID
    channel_id: int
    key: str
    headers: str
    body: bytes


class Stored(NamedTuple):
    """What became of a raw message."""

    raw: Raw
    state: str
    why: str
    next_try_at: datetime | None = None


def kept_headers(headers: dict[str, str]) -> str:
    """The headers that prove or explain a message, cut to 512 characters each, as JSON."""
    return msgspec.json.encode({name: headers[name][:512] for name in KEPT_HEADERS if name in headers}).decode()


async def store(tx: Tx, shop_id: int, at: datetime, messages: Sequence[Stored]) -> None:
    """Keep the messages that were not here before. One that was is counted: the answer "we have it" is a write, not a guess."""
    keyed = [m for m in messages if m.raw.key]
    fresh: set[UUID] = set()
    if keyed:
        unique = {(m.raw.channel_id, m.raw.key): m for m in keyed}
        rows = await tx.rows(
            sql.claim_notifications,
            [channel for channel, _ in unique],
            [key for _, key in unique],
            [m.raw.id for m in unique.values()],
        )
        fresh = {row["notification_id"] for row in rows}
    kept = [m for m in messages if not m.raw.key or m.raw.id in fresh]
    if kept:
        await tx.run(
            sql.store_notifications,
            shop_id,
            at,
            [m.raw.id for m in kept],
            [m.raw.channel_id for m in kept],
            [m.state for m in kept],
            [m.why[:200] for m in kept],
            [m.raw.headers for m in kept],
            [m.raw.body for m in kept],
            [m.next_try_at for m in kept],
        )
