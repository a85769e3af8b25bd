"""Odd money is listed until somebody says what was done; money of an unknown order until it is found."""

import pytest

from daozhang import clock
from daozhang.postgres import Database
from daozhang.recharge import anomalies
from daozhang.recharge.moves import Anomaly, note_anomalies


async def test_what_waits_is_listed_until_it_is_resolved(database: Database) -> None:
    found = [Anomaly("unresolved", None, None, 1, 5_000, '{"why": "x"}'), Anomaly("unknown_order", None, None, 1, 70)]
    await database.transact(lambda tx: note_anomalies(tx, 1, clock.now(), found))
    rows = {row.kind: row for row in await anomalies.waiting(database)}
    assert (rows["unresolved"].amount_fen, rows["unresolved"].facts) == (5_000, '{"why": "x"}')
    with pytest.raises(ValueError, match="what was done"):
        await anomalies.resolve(database, rows["unresolved"].id, "li", " ")
    assert await anomalies.resolve(database, rows["unresolved"].id, "li", "called the channel")
    assert not await anomalies.resolve(database, rows["unresolved"].id, "li", "again")
    assert not await anomalies.resolve(database, rows["unknown_order"].id, "li", "whatever"), "settling must still find it"
    assert [row.kind for row in await anomalies.waiting(database)] == ["unknown_order"]
    assert await anomalies.waiting(database, shop_id=2) == []
