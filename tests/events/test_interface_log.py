"""What was said is kept redacted and bounded, is found by order, and never holds up the caller."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.patience import MOST_S

from daozhang import ids
from daozhang.events import interface_log
from daozhang.events.interface_log import InterfaceLog
from daozhang.outbound import Exchange, Reply, Subject
from daozhang.postgres import Database


def exchange(body: bytes = b'{"code":"OK"}', reply: Reply | None = None, **about: object) -> Exchange:
    subject = Subject(1, 7, "query", **about)  # type: ignore[arg-type]
    headers = {"Authorization": "WECHATPAY2-SHA256-RSA2048 signature=canary", "Accept": "application/json"}
    answer = (
        reply
        if reply is not None
        else Reply(200, {"request-id": "R1", "wechatpay-signature": "canary"}, b'{"payer":{"openid":"canary"}}')
    )
    return Exchange(
        subject, "out", "POST", "https://api.example.com/v3/x?key=canary", headers, body, answer, "answered", 1234, "R1"
    )


@pytest.fixture
async def log(database: Database) -> AsyncIterator[InterfaceLog]:
    made = InterfaceLog(database)
    yield made
    await made.drain()


async def test_an_exchange_is_kept_without_its_secrets(log: InterfaceLog, database: Database) -> None:
    order = ids.new_id()
    log.record(exchange(b'{"phone":"13812345678","amount":{"total":5000}}', order_id=order))
    await log.drain()
    (entry,) = await log.of_order(order)
    assert (entry.operation, entry.trace, entry.status, entry.duration_us, entry.result, entry.direction) == (
        "query",
        "R1",
        200,
        1234,
        "answered",
        "out",
    )
    assert '"total":5000' in entry.request
    assert entry.request.startswith("POST https://api.example.com/v3/x?key=***")
    whole = str(await database.rows("select * from interface_log"))
    assert "canary" not in whole
    assert "13812345678" not in whole


async def test_who_reads_what_was_just_said_waits_until_it_is_written(log: InterfaceLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface_log, "OWN_WORDS_S", MOST_S)
    order = ids.new_id()
    log.record(exchange(order_id=order))
    assert [entry.operation for entry in await log.of_order(order)] == ["query"]
    log.record(exchange())
    assert len(await log.of_channel(7)) == 2


async def test_pd_01_both_sides_are_bounded(log: InterfaceLog) -> None:
    order = ids.new_id()
    log.record(exchange("支".encode() * 50_000, Reply(500, {"x": "y" * 9_000}, b"\x00\xff" * 50_000), order_id=order))
    await log.drain()
    (entry,) = await log.of_order(order)
    assert len(entry.request.encode()) <= 8192
    assert len(entry.response.encode()) <= 8192
    assert "bytes]" in entry.response


async def test_many_are_written_in_batches_and_drained(log: InterfaceLog, database: Database) -> None:
    for _ in range(1_000):
        log.record(exchange())
    await log.drain()
    assert await database.value("select count(*) from interface_log") == 1_000
    assert await database.value("select count(distinct xmin::text) from interface_log") < 100
    assert log.lost == 0
    assert len(await log.of_channel(7, 20)) == 20


async def test_too_many_are_counted_and_the_caller_goes_on(database: Database) -> None:
    log = InterfaceLog(database, waiting=10)
    for _ in range(50):
        log.record(exchange())
    await log.drain()
    assert log.lost == 40
    assert await database.value("select count(*) from interface_log") == 10


async def test_a_lost_database_costs_records_and_nothing_else(server, fresh: str) -> None:
    gone = await Database.open(server.dsn("app", fresh))
    await gone.close()
    log = InterfaceLog(gone)
    log.record(exchange())
    await asyncio.wait_for(log.drain(), 60)
    assert log.lost == 1


async def test_the_log_cannot_be_rewritten(log: InterfaceLog, database: Database, owner_database: Database) -> None:
    log.record(exchange())
    await log.drain()
    for opened in (database, owner_database):
        for statement in ("update interface_log set result = 'x'", "delete from interface_log"):
            with pytest.raises(Exception, match=r"append-only|permission denied"):
                await opened.transact(lambda tx, statement=statement: tx.run(statement))
