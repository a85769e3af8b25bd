"""What was said to and by the channels: every request and answer, redacted, bounded, and readable by order.

It is written off the caller's path in natural batches and drained at shutdown. It is for people who look into a case, so a record
that cannot be written is counted and warned about, and never holds up a payment.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from daozhang import clock, ids
from daozhang.events import redact
from daozhang.outbound import Exchange
from daozhang.postgres import Batch, Database, statements

log = logging.getLogger(__name__)

OWN_WORDS_S = 2.0
NUMBER = ":number"
"""Beside the headers that are kept of a message: the number it speaks of. No header of HTTP can be called so."""
AROUND = timedelta(minutes=1)
"""A message is looked for this long before and after each move of what it may be about."""
_MOST = 500
_COLUMNS = 15


@dataclass(frozen=True, slots=True)
class Entry:
    """One exchange as it is kept. `result` is `answered` or the fault; `status` the HTTP status if there was an answer."""

    id: UUID
    channel_id: int
    attempt_id: UUID | None
    refund_id: UUID | None
    direction: str
    operation: str
    trace: str
    status: int | None
    duration_us: int
    result: str
    request: str
    response: str
    at: datetime


class InterfaceLog:
    """The log of one process. `record` is the recorder of a `Transport`."""

    def __init__(self, database: Database, *, waiting: int = 5_000) -> None:
        """At most `waiting` records are held in memory; more are counted in `lost`."""
        self._database = database
        self._batch: Batch[tuple[Any, ...], None] = Batch(self._write, most=200, waiting=waiting)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = waiting
        self.lost = 0

    def record(self, exchange: Exchange) -> None:
        """Keep one exchange. Answers at once; never raises for the sake of the record."""
        if len(self._tasks) >= self._waiting:
            self._lose("too many wait")
            return
        task = asyncio.get_running_loop().create_task(self._put(exchange, clock.now()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait until everything recorded so far is written or lost."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def of_order(self, order_id: UUID) -> list[Entry]:
        """What was said about one order, its attempts and its refunds, oldest first (at most 500). Raises `Unavailable`.

        Who reads what this process has just said waits until it is written, for `OWN_WORDS_S` at most.
        """
        await self._written()
        rows = await self._database.rows(statements("daozhang.events").interface_of_order, order_id)
        said = [Entry(**dict(row)) for row in rows]
        return sorted(said + await self._told(order_id), key=lambda each: each.id)[:_MOST]

    async def _told(self, order_id: UUID) -> list[Entry]:
        """The messages of the channel about an order. They are kept already, as they came, in the commit that settled them.

        None is written twice for this log: they are found around the moments at which the order, an attempt or a refund moved.
        """
        sql = statements("daozhang.events")
        numbers = {ids.text26(row["id"]): row for row in await self._database.rows(sql.numbers_of_order, order_id)}
        turns = [row["at"] for row in await self._database.rows(sql.turns_of_order, order_id)]
        since, until = [ids.first_at(at - AROUND) for at in turns], [ids.first_at(at + AROUND) for at in turns]
        rows = await self._database.rows(sql.messages_around, since, until, list(numbers), NUMBER)
        return [_message(row, numbers[row["number"]]) for row in rows]

    async def of_channel(self, channel_id: int, limit: int = 100) -> list[Entry]:
        """What was last said with one channel, newest first. Raises `Unavailable`."""
        await self._written()
        rows = await self._database.rows(statements("daozhang.events").interface_of_channel, channel_id, min(limit, 500))
        return [Entry(**dict(row)) for row in rows]

    async def _written(self) -> None:
        if under_way := set(self._tasks):
            await asyncio.wait(under_way, timeout=OWN_WORDS_S)

    async def _put(self, exchange: Exchange, at: datetime) -> None:
        try:
            await self._batch.put(_row(exchange, at))
        except Exception as fault:  # noqa: BLE001 - whatever went wrong with a record must not reach the payment.
            self._lose(type(fault).__name__)

    def _lose(self, why: str) -> None:
        self.lost += 1
        if self.lost & (self.lost - 1) == 0:
            log.warning("interface log: %d records lost so far (%s)", self.lost, why)

    async def _write(self, rows: Sequence[tuple[Any, ...]]) -> list[None]:
        columns = [list(column) for column in zip(*rows, strict=True)]
        assert len(columns) == _COLUMNS
        await self._database.transact(lambda tx: tx.run(statements("daozhang.events").keep_exchanges, *columns))
        return [None] * len(rows)


def _message(row: Any, about: Any) -> Entry:
    headers = msgspec.json.decode(row["headers"], type=dict[str, str])
    headers.pop(NUMBER, None)
    request = redact.bounded(f"{redact.headers(headers)}\n\n{redact.body(row['body'])}")
    took_us = max(0, int((row["at"] - ids.made_at(row["id"])) / timedelta(microseconds=1)))
    attempt_id, refund_id = (None, about["id"]) if about["refund"] else (about["id"], None)
    trace = redact.trace(headers.get("request-id", ""))
    return Entry(
        row["id"],
        row["channel_id"],
        attempt_id,
        refund_id,
        "in",
        "notice",
        trace,
        None,
        took_us,
        row["why"],
        request,
        "",
        row["at"],
    )


def _row(exchange: Exchange, at: datetime) -> tuple[Any, ...]:
    subject, reply = exchange.subject, exchange.reply
    head = f"{exchange.method} {redact.url(exchange.url)}\n{redact.headers(exchange.request_headers)}"
    request = f"{head}\n\n{redact.body(exchange.request_body)}"
    response = f"{redact.headers(reply.headers)}\n\n{redact.body(reply.body)}" if reply is not None else ""
    return (
        ids.new_id(),
        subject.shop_id,
        subject.channel_id,
        subject.order_id,
        subject.attempt_id,
        subject.refund_id,
        exchange.direction,
        subject.operation,
        redact.trace(exchange.trace),
        reply.status if reply is not None else None,
        exchange.duration_us,
        redact.bounded(redact.text(exchange.result), 200)[:200],
        redact.bounded(request),
        redact.bounded(response),
        at,
    )
