"""Whose account a payment is for: masked, read together for all that ask at once, and nothing where nothing is kept."""

import asyncio
from typing import Any

import pytest
from tests.identity.conftest import PASSWORD

from daozhang.identity import Identity, Visitor
from daozhang.postgres import Database, Unavailable

NUMBERS = ("13800138000", "13912345678", "15012340001")


async def test_names_that_are_asked_for_at_once_are_read_at_once_and_each_is_its_own(
    identity: Identity, database: Database, owner_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = []
    for number in NUMBERS:
        await identity.register(1, number, PASSWORD, Visitor("203.0.113.9", "203.0.113.0/24"))
        people.append(await identity.find(1, number))
    asked = []

    async def rows(sql: str, *args: Any) -> Any:
        asked.append(args)
        return await Database.rows(database, sql, *args)

    monkeypatch.setattr(database, "rows", rows)
    found = await asyncio.gather(*(identity.account(user_id or 0) for user_id in people * 60))
    assert found == ["138****8000", "139****5678", "150****0001"] * 60
    assert len(asked) == 1
    await owner_database.rows("update users set phone_sealed = '\\x00' where id = $1", people[0])
    assert await identity.account(people[0] or 0) == "", "what cannot be read names nobody"
    assert await identity.account(987_654) == "", "who is not there has no name"


async def test_without_a_database_nobody_is_named(identity: Identity, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def rows(_sql: str, *_args: Any) -> Any:
        raise Unavailable("gone")

    monkeypatch.setattr(database, "rows", rows)
    told = await asyncio.gather(identity.account(1), identity.account(2), return_exceptions=True)
    assert [type(each) for each in told] == [Unavailable, Unavailable]
