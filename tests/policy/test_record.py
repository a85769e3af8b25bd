"""A stored decision can be replayed to the same outcome, shows when it was touched, and cannot be changed."""

from datetime import timedelta

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from tests.policy.test_decide import BOOK, any_facts, stages

from daozhang import ids
from daozhang.policy.book import Book
from daozhang.policy.model import Facts, Stage
from daozhang.policy.record import intact, judged, read_verdicts, replay, sql, store
from daozhang.postgres import Database


def as_row(stage: Stage, facts: Facts, book: Book) -> dict[str, object]:
    record = judged(stage, facts, book)
    reordered = msgspec.json.encode(msgspec.json.decode(record.facts_json), order="sorted").decode()
    return {
        "stage": stage.value,
        "outcome": record.decision.outcome.value,
        "reason": record.decision.reason,
        "book_version": record.decision.book_version,
        "facts": reordered,
        "verdicts": record.verdicts_json,
        "hash": record.hash,
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stages, any_facts)
def test_any_decision_is_replayed_to_the_same_outcome(stage: Stage, facts: Facts) -> None:
    row = as_row(stage, facts, BOOK)
    again = replay(row, BOOK)
    assert (again.outcome.value, again.reason) == (row["outcome"], row["reason"])
    assert intact(row)
    assert not intact({**row, "outcome": "admit" if row["outcome"] != "admit" else "hold"})
    assert not intact({**row, "book_version": 2})


async def test_decisions_go_into_the_database_and_come_back_whole(database: Database, sound: Facts, book: Book) -> None:
    order_id = ids.new_id()
    later = sound.at + timedelta(seconds=5)
    frozen = msgspec.structs.replace(sound, at=later, standing="frozen", standing_until_at=sound.day_ends_at, amount_fen=0)
    records = [judged(Stage.PLACE, sound, book), judged(Stage.PAID, frozen, book)]
    await database.transact(lambda tx: store(tx, [(order_id, record) for record in records]))
    rows = await database.rows(sql.decisions_of_order, order_id)
    assert [row["outcome"] for row in rows] == ["admit", "hold"]
    for row, record in zip(rows, records, strict=True):
        assert intact(row)
        assert replay(row, book).outcome is record.decision.outcome
        assert [v.check for v in read_verdicts(row["verdicts"])] == [v.check for v in record.decision.verdicts]
        assert not intact({**dict(row), "facts": row["facts"].replace('"user_id": 7', '"user_id": 8')})
    newest = await database.rows(sql.newest_decisions, [order_id])
    assert [(row["stage"], row["reason"]) for row in newest] == [("paid", "account.frozen")]


async def test_nothing_to_store_is_no_statement(database: Database) -> None:
    await database.transact(lambda tx: store(tx, []))


@pytest.mark.parametrize("change", ["update decisions set outcome = 'admit'", "delete from decisions", "truncate decisions"])
async def test_not_even_the_owner_changes_a_decision(owner_database: Database, sound: Facts, book: Book, change: str) -> None:
    await owner_database.transact(lambda tx: store(tx, [(ids.new_id(), judged(Stage.PLACE, sound, book))]))
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner_database.rows(change)
    assert await owner_database.value("select count(*) from decisions") == 1


async def test_the_program_has_no_right_to_change_a_decision(database: Database) -> None:
    for change in ("update decisions set outcome = 'admit'", "delete from decisions", "update policy_book set author = 'x'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.rows(change)
