"""A stored decision can be replayed to the same outcome, shows when it was touched, and cannot be changed."""

import asyncio
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from tests.policy.test_decide import BOOK, any_facts, stages

from daozhang import ids
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.enforce import keep_paid, keep_texts
from daozhang.policy.examine import Examined, examine
from daozhang.policy.facts import Wish
from daozhang.policy.model import Facts, Stage
from daozhang.policy.record import Record, intact, judged, read_verdicts, replay, sql, store
from daozhang.postgres import Database, Tx


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


async def test_decisions_go_into_the_database_and_come_back_whole(database: Database, sound: Facts) -> None:
    book = await Books(database).current(1)
    order_id = ids.new_id()
    frozen = msgspec.structs.replace(sound, standing="frozen", standing_until_at=sound.day_ends_at, amount_fen=0)
    records = [judged(Stage.PLACE, sound, book), judged(Stage.PAID, frozen, book)]
    for record in records:
        await database.transact(lambda tx, record=record: store(tx, [(order_id, record)]))
    rows = {row["id"]: row for row in await database.rows(sql.decisions_after, UUID(int=0), 10)}
    assert len(rows) == 2
    for record in records:
        row = rows[record.id]
        assert row["order_id"] == order_id
        assert intact(row)
        assert replay(row, book).outcome is record.decision.outcome
        assert [v.check for v in read_verdicts(row["verdicts"])] == [v.check for v in record.decision.verdicts]
        assert not intact({**dict(row), "facts": row["facts"].replace('"user_id":7', '"user_id":8')})
    assert await examine(database) == Examined(2, (), ())


async def test_an_altered_decision_and_a_lost_book_are_found(
    owner_database: Database, sound: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daozhang.policy.examine.PAGE_ROWS", 2)
    book = await Books(owner_database).current(1)
    records = [judged(Stage.PLACE, sound, book) for _ in range(5)]
    lost = judged(Stage.PLACE, sound, msgspec.structs.replace(book, version=9))
    await owner_database.transact(lambda tx: store(tx, [(ids.new_id(), record) for record in records]))
    await owner_database.transact(lambda tx: store(tx, [(ids.new_id(), lost)]))
    forged = records[3].id
    await owner_database.transact(lambda tx: forge(tx, forged))
    found = await examine(owner_database)
    assert (found.count, found.altered, found.differing, found.ok) == (6, (forged,), tuple(sorted((forged, lost.id))), False)


async def test_what_decisions_say_alike_is_written_once(database: Database, owner_database: Database, sound: Facts) -> None:
    """The first to say it writes it itself; whoever says it after him names the text, even where two write it at the same time."""
    book = await Books(database).current(1)
    first, *others = [judged(Stage.PAID, sound, book) for _ in range(4)]
    assert first.alike is None
    assert len({record.alike for record in others}) == 1

    async def keep(record: Record) -> None:
        wish = Wish(sound.shop_id, sound.user_id, sound.amount_fen)
        await database.transact(lambda tx: keep_paid(tx, [(ids.new_id(), wish, record)], book))

    await asyncio.gather(*map(keep, [first, *others]))
    assert await database.value("select count(*) from verdict_texts") == 1
    assert [row["id"] for row in await database.rows("select id from decisions where verdicts is not null")] == [first.id]
    assert await database.value("select count(distinct verdicts::text) from decisions_told") == 1
    assert await examine(database) == Examined(4, (), ())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.rows("delete from verdict_texts")
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner_database.rows("delete from verdict_texts")
    await owner_database.rows("alter table verdict_texts disable trigger user")
    await owner_database.rows("delete from verdict_texts")
    assert (await examine(database)).altered == tuple(sorted(record.id for record in others))


async def test_a_text_is_known_once_others_have_committed_it(database: Database, sound: Facts) -> None:
    """What a transaction wrote itself may be undone, however often it looks; what it found is there for good."""
    book = await Books(database).current(1)
    _, second = judged(Stage.PAID, sound, book), judged(Stage.PAID, sound, book)
    assert second.alike
    made = [(None, Wish(sound.shop_id, sound.user_id), second)]

    async def twice(tx: Tx) -> set[bytes]:
        await keep_texts(tx, made)
        await keep_texts(tx, made)
        return set(tx.known)

    async def undone(tx: Tx) -> None:
        assert second.alike not in await twice(tx)
        raise LookupError

    with pytest.raises(LookupError):
        await database.transact(undone)
    assert await database.value("select count(*) from verdict_texts") == 0
    assert second.alike not in await database.transact(twice)
    assert await database.value("select count(*) from verdict_texts") == 1
    assert second.alike in await database.transact(twice)


@pytest.mark.parametrize(("own", "others"), [("null", "null"), ("'[]'", "hash")])
async def test_verdicts_stand_in_one_place(owner_database: Database, sound: Facts, book: Book, own: str, others: str) -> None:
    await owner_database.transact(lambda tx: store(tx, [(ids.new_id(), judged(Stage.PLACE, sound, book))]))
    with pytest.raises(asyncpg.CheckViolationError):
        await owner_database.rows(
            f"""insert into decisions (id, shop_id, user_id, stage, outcome, book_version, facts, hash, latency_us, at,
              verdicts, verdicts_hash)
            select $1, shop_id, user_id, stage, outcome, book_version, facts, hash, latency_us, at,
              {own}, {others} from decisions""",
            ids.new_id(),
        )


async def forge(tx: Tx, decision_id: UUID) -> None:
    """What somebody with all rights could do: switch the guard off, and let a refused wish look admitted."""
    await tx.run("alter table decisions disable trigger user")
    await tx.run("update decisions set facts = jsonb_set(facts::jsonb, '{standing}', '\"closed\"') where id = $1", decision_id)


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
