"""Token buckets: exact under parallel use and across processes, refilled by time, refused from memory."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

import daozhang
from daozhang.identity import Bucket, Limiter
from daozhang.identity.limits import BUCKETS
from daozhang.postgres import Database, Unavailable
from daozhang.reasons.refusal import Refusal

SLOW = {"few": Bucket(5, 1 / 3_600), "quick": Bucket(2, 1 / 60)}


async def test_rl_01_twenty_parallel_takes_find_exactly_what_is_there(database: Database) -> None:
    limiters = [Limiter(database, SLOW) for _ in range(4)]
    waits = await asyncio.gather(*(limiters[n % 4].take("few", "203.0.113.0/24") for n in range(20)))
    assert sum(wait_s == 0 for wait_s in waits) == 5
    assert all(3_500 < wait_s <= 3_600 for wait_s in waits if wait_s)


async def test_rl_01_control_reading_then_writing_lets_more_through(database: Database, owner_database: Database) -> None:
    """The naive way (select, then update) fails the test above."""
    await owner_database.pool.execute("create table naive (tokens double precision); insert into naive values (5)")
    gate = asyncio.Barrier(3)

    async def naive() -> bool:
        tokens: float = await owner_database.value("select tokens from naive")
        await gate.wait()
        await owner_database.value("update naive set tokens = $1 returning tokens", tokens - 1)
        return tokens > 0

    taken = await asyncio.gather(*(naive() for _ in range(9)))
    assert sum(taken) > 5


async def test_buckets_are_apart_by_name_and_key(database: Database) -> None:
    limiter = Limiter(database, SLOW)
    for _ in range(2):
        assert await limiter.take("quick", "a") == 0
    assert await limiter.take("quick", "a") > 0
    assert await limiter.take("quick", "b") == 0
    assert await limiter.take("few", "a", cost=5) == 0
    assert await limiter.take("few", "a") > 0


async def test_tokens_come_back_with_time(database: Database, owner_database: Database) -> None:
    limiter = Limiter(database, SLOW)
    assert await limiter.take("few", 7, cost=5) == 0
    await owner_database.value("update buckets set at = at - $1::interval returning tokens", timedelta(hours=2))
    assert await limiter.take("few", 7, cost=2) == 0
    assert await Limiter(database, SLOW).take("few", 7) > 3_500


async def test_a_refusal_is_remembered_without_asking_again(database: Database, owner_database: Database) -> None:
    limiter = Limiter(database, SLOW)
    await limiter.take("few", 7, cost=5)
    assert await limiter.take("few", 7) > 0
    await owner_database.pool.execute("truncate buckets")
    assert await limiter.take("few", 7) > 0
    assert await Limiter(database, SLOW).take("few", 7) == 0


async def test_a_demand_tells_how_long_to_wait(database: Database) -> None:
    limiter = Limiter(database, SLOW)
    await limiter.demand("few", 7, cost=5)
    with pytest.raises(Refusal, match=r"operation.too_many") as refusal:
        await limiter.demand("few", 7)
    assert 3_500 < refusal.value.facts["wait_s"] <= 3_601


async def test_a_limit_never_fails_open(database: Database) -> None:
    limiter = Limiter(database, SLOW)
    await database.close()
    with pytest.raises(Unavailable):
        await limiter.take("few", 7)


async def test_hostile_keys_are_only_bytes(database: Database) -> None:
    limiter = Limiter(database, SLOW)
    for key in ("", "\0", "a" * 100_000, "\ud800", "'; drop table buckets; --"):
        assert await limiter.take("quick", key) == 0


def test_every_bucket_is_taken_from_and_no_other_is_asked_for() -> None:
    """A limit that no door asks about is a promise that nobody keeps."""
    source = Path(daozhang.__file__).parent
    text = "".join(
        path.read_text("utf-8") for path in source.rglob("*.py") if path.name != "limits.py" and "simulators" not in path.parts
    )
    asked = set(re.findall(r'"((?:[a-z]+\.)+[a-z]+)"', text))
    assert set(BUCKETS) - asked == set()
    taken = set(re.findall(r'imiter\.(?:take|demand)\("([a-z.]+)"', text))
    assert taken
    assert taken - set(BUCKETS) == set()
