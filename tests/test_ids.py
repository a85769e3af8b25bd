"""Identifiers: in the order of their making, the same in 26 characters, and never read from anything else."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from daozhang import clock, ids
from daozhang.postgres import Database


def test_an_identifier_is_a_uuid_of_version_seven_with_its_moment() -> None:
    before = clock.now()
    made = ids.new_id()
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert abs(ids.made_at(made) - before) < timedelta(seconds=5)


def test_many_of_one_moment_are_as_good_as_single_ones() -> None:
    before = clock.now()
    made = ids.new_ids(1_000)
    assert len(set(made)) == 1_000
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    assert all(abs(ids.made_at(each) - before) < timedelta(seconds=5) for each in made)
    assert ids.new_ids(0) == []


def test_one_after_another_is_greater_even_within_a_millisecond() -> None:
    made = [ids.new_id()]
    for _ in range(2_000):
        made.append(ids.new_id(made[-1]))
    assert made == sorted(made)


@pytest.mark.parametrize("many", [lambda: [ids.new_id() for _ in range(1_000)], lambda: ids.new_ids(1_000)])
def test_cb_34_what_a_guesser_would_need(many: Callable[[], list[UUID]]) -> None:
    """Of two made at one moment at least 64 bits are by chance; a thousand share no more than chance lets them."""
    made = [each.int for each in many()]
    moving = 0
    for one, other in itertools.pairwise(made):
        moving |= one ^ other
    assert (moving & ((1 << 80) - 1)).bit_count() >= 64
    assert len(set(made)) == 1_000


@given(some.uuids())
def test_26_characters_say_the_same(identifier: UUID) -> None:
    text = ids.text26(identifier)
    assert len(text) == 26
    assert text.isascii()
    assert not text.strip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert ids.parse26(text) == identifier


@given(some.text(max_size=30))
def test_foreign_text_is_read_only_if_it_could_be_ours(text: str) -> None:
    identifier = ids.parse26(text)
    assert identifier is None or ids.text26(identifier) == text


@pytest.mark.parametrize("text", ["", "0" * 25, "0" * 27, "Z" * 26, "０" * 26, "0" * 25 + "\n", "0" * 25 + "i", "0" * 25 + "-"])
def test_what_is_no_number_of_ours_is_none(text: str) -> None:
    assert ids.parse26(text) is None


async def test_the_database_cuts_months_where_identifiers_do(database: Database) -> None:
    at = datetime(2026, 12, 1, tzinfo=UTC)
    floor = await database.value("select id_floor($1)", at)
    assert ids.made_at(floor) == at
    assert floor < UUID(int=(floor.int >> 80 << 80) + (0x7 << 76) + 1)
