"""Parameters that contradict each other are refused, versions never change, and every shop begins with the defaults."""

import asyncio

import asyncpg
import msgspec
import pytest

from daozhang.policy.book import BadBook, defaults, read_parameters
from daozhang.policy.books import Books
from daozhang.postgres import Database


def toml(minimum: object = 100, maximum: object = 500_000, presets: object = "[1000]", day: object = 2_000_000) -> bytes:
    return f"[amount]\nmin_fen = {minimum}\nmax_fen = {maximum}\npresets_fen = {presets}\n[day]\nmax_fen = {day}\n".encode()


def test_the_defaults_are_those_of_the_issue() -> None:
    rules = defaults()
    assert (rules.amount.min_fen, rules.amount.max_fen, rules.day.max_fen) == (100, 500_000, 2_000_000)
    assert rules.amount.presets_fen == (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)


@pytest.mark.parametrize(
    "content",
    [
        toml(minimum=0),
        toml(minimum=-1),
        toml(minimum=600_000),
        toml(maximum=10**10),
        toml(minimum=1.5),
        toml(minimum='"100"'),
        toml(presets="[]"),
        toml(presets="[50]"),
        toml(presets="[1000, 1000]"),
        toml(presets="[2000, 1000]"),
        toml(presets="[1000, 600000]"),
        toml(day=99),
        toml() + b"colour = 'red'\n",
        b"[amount]\n",
        b"\xff",
    ],
)
def test_contradicting_parameters_are_refused(content: bytes) -> None:
    with pytest.raises(BadBook):
        read_parameters(content)


async def test_a_shop_begins_with_version_one_even_when_many_ask_at_once(database: Database) -> None:
    books = await asyncio.gather(*(Books(database).current(1) for _ in range(8)))
    assert {book.version for book in books} == {1}
    assert await database.value("select count(*) from policy_book") == 1


async def test_a_new_version_takes_effect_and_the_old_one_stays_readable(database: Database) -> None:
    books = Books(database)
    first = await books.current(1)
    stricter = msgspec.structs.replace(defaults(), day=msgspec.structs.replace(first.day, max_fen=100_000))
    assert await books.publish(1, stricter, version=2, author="tester", note="a quieter day")
    assert (await books.current(1)).day.max_fen == 100_000
    old = await books.version(1, 1)
    assert old is not None
    assert old.day.max_fen == 2_000_000
    assert await books.version(1, 9) is None
    assert not await books.publish(1, stricter, version=2, author="slower", note="the same number")


async def test_a_version_that_breaks_the_rules_is_never_published(database: Database) -> None:
    broken = msgspec.structs.replace(defaults(), day=msgspec.structs.replace(defaults().day, max_fen=1))
    with pytest.raises(BadBook):
        await Books(database).publish(1, broken, version=1, author="tester", note="")
    assert await database.value("select count(*) from policy_book") == 0


async def test_a_version_is_never_changed_and_a_forged_one_is_not_used(owner_database: Database) -> None:
    await Books(owner_database).current(1)
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner_database.rows("update policy_book set parameters = '{}'")
    content = msgspec.json.encode(defaults()).decode().replace("2000000", "9000000")
    await owner_database.rows(
        "insert into policy_book values (1, 2, $1, decode(repeat('00', 32), 'hex'), 'thief', '', clock_now())", content
    )
    with pytest.raises(BadBook):
        await Books(owner_database).current(1)
