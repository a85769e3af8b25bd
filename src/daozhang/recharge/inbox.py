"""Raw notifications: stored under a unique key, in the commit that settles them or alone when we cannot settle yet."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from daozhang import clock
from daozhang.channels.port import Report
from daozhang.events.interface_log import NUMBER
from daozhang.postgres import Tx, statements
from daozhang.postgres.columns import narrow
from daozhang.recharge import moves

log = logging.getLogger(__name__)
sql = statements("daozhang.recharge")

KEPT_HEADERS = ("wechatpay-serial", "wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-signature-type",
                "request-id", "user-agent", "content-type")  # fmt: skip
FIRST_TRY = timedelta(seconds=5)
NOT_OURS = "a number that is not ours"
"""Why a message is kept that speaks of a number which we do not know; no person is told of each."""
TOLD_AFTER = 8
"""Tries of our own, about twenty minutes, before a person is told."""
MAX_BODY = 65_536
"""Bytes of a raw message that are read and kept."""


class Raw(msgspec.Struct, frozen=True):
    """A message as it came: the channel's own key of it, the headers worth keeping as JSON, and the bytes."""

    id: UUID
    channel_id: int
    key: str
    headers: str
    body: bytes


class Stored(NamedTuple):
    """A raw message with how it ended: `settled`, or `invalid` with why."""

    raw: Raw
    state: str
    why: str


def kept_headers(headers: dict[str, str], number: str = "") -> str:
    """The headers that prove or explain a message, cut to 512 characters each, as JSON.

    With them stands the number that the message speaks of, once it was read: so the interface log finds it by its order.
    """
    kept = {name: headers[name][:512] for name in KEPT_HEADERS if name in headers}
    if number:
        kept[NUMBER] = number[:64]
    return msgspec.json.encode(kept).decode()


async def store(tx: Tx, shop_id: int, at: datetime, messages: Sequence[Stored]) -> None:
    """Keep the messages that were not here before. One that was is counted: the answer "we have it" is a write, not a guess."""
    if messages:
        await tx.value(sql.keep_notifications, shop_id, at, *columns(messages))


def columns(messages: Sequence[Stored]) -> tuple[Sequence[Any], ...]:
    """What `keep_notifications` takes of each message, some of it narrow. A message that is there twice is kept once."""
    unique = {(m.raw.channel_id, m.raw.key or m.raw.id): m for m in messages}
    kept = messages if len(unique) == len(messages) else list(unique.values())
    raws = [m.raw for m in kept]
    return (
        narrow([raw.channel_id for raw in raws]),
        [raw.id for raw in raws],
        [raw.key for raw in raws],
        narrow([m.state for m in kept]),
        narrow([m.why[:200] for m in kept]),
        [raw.headers for raw in raws],
        [raw.body for raw in raws],
    )


async def defer(tx: Tx, shop_id: int, at: datetime, raw: Raw, report: Report, why: str) -> bool:
    """Keep a valid message that a fault of ours keeps us from settling, due for our own next try. False when we hold it already."""
    rows = await tx.rows(sql.claim_notifications, [raw.channel_id], [raw.key], [raw.id])
    if rows[0]["notification_id"] != raw.id:
        return False
    content = msgspec.json.encode(report).decode()
    await tx.run(
        sql.defer_notification, raw.id, shop_id, raw.channel_id, why[:200], raw.headers, raw.body, content, at + FIRST_TRY, at
    )
    return True


async def claim(tx: Tx, most: int) -> Sequence[Any]:
    """Claim deferred messages and set when they are tried next: from 5 s, doubling, at most an hour apart.

    One that failed `TOLD_AFTER` times is told to a person, once; the tries go on.
    """
    at = clock.now()
    rows = await tx.rows(sql.due_notifications, at, most)
    for row in rows:
        if row["tries"] == TOLD_AFTER and row["why"] != NOT_OURS:
            facts = msgspec.json.encode({"notification": str(row["id"]), "why": row["why"]}).decode()
            amount_fen = read_report(row["report"]).amount_fen
            log.error("notification %s failed %d times", row["id"], TOLD_AFTER)
            anomaly = moves.Anomaly("unresolved", None, None, row["channel_id"], amount_fen, facts)
            await moves.note_anomalies(tx, row["shop_id"], at, [anomaly])
        pause = min(FIRST_TRY * 2 ** min(row["tries"] + 1, 12), timedelta(hours=1))
        await tx.run(sql.postpone_notification, row["id"], at + pause)
    return rows


async def finish(tx: Tx, notification_id: UUID, why: str) -> None:
    """A deferred message is settled."""
    await tx.run(sql.finish_notification, notification_id, why)


def read_report(content: str) -> Report:
    """The report of a deferred message."""
    return msgspec.json.decode(content, type=Report)
