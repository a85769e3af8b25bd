"""Ninety days of a shop with some bad ones: counts, incidents and plans as the program would have written them."""

import random
from datetime import datetime, timedelta

import msgspec

from daozhang import clock, ids
from daozhang.postgres import Database

DAY = """insert into status_days (day, channel_id, method, bank, good, bad, slow, users, ours, paid, late, unpaid, took, lag)
  values ($1, $2, $3, '', $4, $5, 0, 3, 0, $4, 0, 9, $6, $7)"""
SLOT = """insert into status_slots (slot_at, channel_id, method, bank, good, bad, run, slow, users, ours, paid, late, unpaid, took,
    lag)
  values ($1, $2, $3, '', $4, 0, 0, 0, 0, 0, $4, 0, 0, $5, $6)"""
INCIDENT = """insert into status_incidents (id, shop_id, channel_id, method, severity, sign, facts, began_at, ended_at)
  values ($1, 1, $2, $3, $4, $5, $6::text::jsonb, $7, $8)"""
PLAN = """insert into channel_maintenance (id, shop_id, channel_id, methods, begins_at, ends_at, note, actor, created_at)
  values ($1, 1, $2, $3, $4, $5, $6, 'cli', $4)"""
BREAKER = """insert into status_breakers values ($1, $2, $3, $4, $5, 1, $6, $6, $6, 0, 0, 5, $6)"""


async def play(owner: Database, channels: dict[str, int], methods: dict[str, tuple[str, ...]], *, seed: int = 7) -> None:
    """Fill the ninety days; WeChat Pay is well, the second channel is down in one method, the third is under maintenance."""
    chance, now = random.Random(seed), clock.now()

    async def work(tx) -> None:  # type: ignore[no-untyped-def]
        for place, (kind, channel_id) in enumerate(channels.items()):
            for back in range(90 if place < 2 else 34):
                day = clock.business_day(now - timedelta(days=back))
                if chance.random() < 0.06 and back:
                    continue
                for method in methods[kind]:
                    asked = chance.randint(40, 900)
                    await tx.run(DAY, day, channel_id, method, asked, asked // 70, [asked, *[0] * 7], [0, asked, *[0] * 6])
            for method in methods[kind]:
                if (place + len(method)) % 3:
                    await tx.run(
                        SLOT,
                        now - timedelta(seconds=40),
                        channel_id,
                        method,
                        37,
                        [0, 20, 15, 2, 0, 0, 0, 0],
                        [9, 20, 8, 0, 0, 0, 0, 0],
                    )
        await _incidents(tx, channels, methods, now)
        await _plans(tx, channels, methods, now)

    await owner.transact(work)


async def _incidents(tx, channels: dict[str, int], methods: dict[str, tuple[str, ...]], now: datetime) -> None:  # type: ignore[no-untyped-def]
    told = [
        (0, 0, "down", "failing", 12.3, 14), (0, 1, "degraded", "slow", 31.2, 55), (0, 0, "down", "silent", 63.4, 4),
        (1, 0, "down", "failing", 0.012, None), (1, 0, "degraded", "late", 20.1, 180), (1, 0, "down", "refusing", 47.0, 26),
    ]  # fmt: skip
    kinds = list(channels)
    for place, method, severity, sign, days_ago, minutes in told:
        if place >= len(kinds):
            continue
        began = now - timedelta(days=days_ago)
        kind = kinds[place]
        ended = None if minutes is None else began + timedelta(minutes=minutes)
        facts = msgspec.json.encode({"asked_count": 20, "failed_count": 17}).decode()
        await tx.run(INCIDENT, ids.new_id(), channels[kind], methods[kind][method], severity, sign, facts, began, ended)
        if ended is None:
            await tx.run(BREAKER, channels[kind], methods[kind][method], "tripped", "", sign, began)


async def _plans(tx, channels: dict[str, int], methods: dict[str, tuple[str, ...]], now: datetime) -> None:  # type: ignore[no-untyped-def]
    kinds = list(channels)
    tonight = clock.day_start(now) + timedelta(days=1, hours=2)
    await tx.run(
        PLAN, ids.new_id(), channels[kinds[0]], list(methods[kinds[0]][:1]), tonight, tonight + timedelta(hours=2), "渠道升级系统"
    )
    if len(kinds) > 2:
        begins = now - timedelta(minutes=20)
        await tx.run(PLAN, ids.new_id(), channels[kinds[2]], [], begins, begins + timedelta(hours=1), "")
