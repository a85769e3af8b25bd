"""Versions of the service agreement: append-only, the newest whose day has come in force, consent kept for that one only."""

from datetime import timedelta

import asyncpg
import pytest

from daozhang import agreements, clock, ids
from daozhang.agreements import Ticked
from daozhang.postgres import Database
from daozhang.reasons import Refusal


@pytest.fixture
async def user_id(owner_database: Database) -> int:
    made: int = await owner_database.value(
        """insert into users (shop_id, phone_sealed, phone_blind, locale, standing_since, created_at, seen_at)
           values (1, '\\x00', decode(repeat('01', 32), 'hex'), 'zh', clock_now(), clock_now(), clock_now()) returning id"""
    )
    return made


async def test_the_newest_version_whose_day_has_come_is_in_force(database: Database) -> None:
    assert await agreements.present(database, 1) is None
    assert await agreements.publish(database, 1, "一", "one\r\n", author="anna") == 1
    later = clock.now() + timedelta(days=1)
    assert await agreements.publish(database, 1, "二", "two", author="anna", from_at=later) == 2
    present = await agreements.present(database, 1)
    assert present is not None
    assert (present.version, present.zh, present.en, len(present.sha256)) == (1, "一", "one", 32)
    assert [(row.version, row.present, row.from_at) for row in await agreements.listed(database, 1)][1] == (2, False, later)


async def test_nothing_is_published_twice_or_half(database: Database) -> None:
    await agreements.publish(database, 1, "一", "one", author="anna")
    with pytest.raises(Refusal, match="agreement_same"):
        await agreements.publish(database, 1, "一", "one", author="anna")
    with pytest.raises(Refusal, match="agreement_malformed"):
        await agreements.publish(database, 1, "二", " ", author="anna")


async def test_consent_is_kept_once_and_for_the_present_version_only(
    database: Database, owner_database: Database, user_id: int
) -> None:
    await agreements.publish(database, 1, "一", "one", author="anna")
    first = ids.new_id()
    for ticked in (Ticked(user_id, 1, first), Ticked(user_id, 1, ids.new_id()), Ticked(user_id, 2, ids.new_id())):
        await database.transact(lambda tx, ticked=ticked: agreements.accept(tx, 1, clock.now(), [ticked]))
    kept = await database.rows("select version, order_id from agreement_consents where user_id = $1", user_id)
    assert [(row["version"], row["order_id"]) for row in kept] == [(1, first)]
    for statement in ("update agreements set zh = '改'", "delete from agreement_consents", "truncate agreement_consents"):
        with pytest.raises(asyncpg.PostgresError):
            await owner_database.rows(statement)
