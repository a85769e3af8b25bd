"""The trail: the line before the deed, the outcome after it, and nobody who changes either."""

import asyncpg
import pytest
from tests.patience import next_moment

from daozhang.events.audit import Doer, doing, trail
from daozhang.postgres import Database
from daozhang.reasons.refusal import Refusal

LIN = Doer(1, "staff:7", roles=("support", "risk"))


async def test_the_line_stands_before_the_deed_and_its_outcome_after(database: Database) -> None:
    async with doing(database, LIN, "case.propose", "CA-1", reason="fits", before="need_staff") as deed:
        (line,) = await trail(database, 1)
        assert (line.action, line.outcome) == ("case.propose", None)
        deed.after = "second"
    (line,) = await trail(database, 1)
    assert (line.actor, line.roles, line.subject, line.reason) == ("staff:7", ("support", "risk"), "CA-1", "fits")
    assert (line.before, line.outcome, line.after) == ("need_staff", "done", "second")


async def test_a_refused_try_and_a_broken_one_are_lines_too(database: Database) -> None:
    with pytest.raises(Refusal):
        async with doing(database, LIN, "case.confirm", "CA-1"):
            raise Refusal("cases.second_person")
    await next_moment()
    with pytest.raises(RuntimeError):
        async with doing(database, LIN, "order.ask", "RC-1"):
            raise RuntimeError("the line was cut")
    broken, refused = await trail(database, 1)
    assert (refused.outcome, refused.why) == ("refused", "cases.second_person")
    assert (broken.outcome, broken.why) == ("unknown", "RuntimeError")


@pytest.mark.parametrize(
    "statement",
    [
        "update staff_actions set reason = 'another'", "delete from staff_actions", "truncate staff_actions cascade",
        "update staff_outcomes set outcome = 'done'", "delete from staff_outcomes",
    ],
)  # fmt: skip
async def test_neither_the_program_nor_the_owner_changes_a_line(
    database: Database, owner_database: Database, statement: str
) -> None:
    async with doing(database, LIN, "case.note", "CA-1"):
        pass
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.transact(lambda tx: tx.run(statement))
    with pytest.raises(asyncpg.PostgresError):
        await owner_database.transact(lambda tx: tx.run(statement))
    assert len(await trail(database, 1)) == 1


async def test_it_is_read_by_who_what_and_to_what(database: Database) -> None:
    for actor, action, subject in (
        ("staff:1", "case.ask", "CA-1"),
        ("staff:2", "case.note", "CA-1"),
        ("staff:1", "order.ask", "RC-1"),
    ):
        async with doing(database, Doer(1, actor), action, subject):
            pass
        await next_moment()
    assert [line.action for line in await trail(database, 1, actor="staff:1")] == ["order.ask", "case.ask"]
    assert [line.action for line in await trail(database, 1, action="case.")] == ["case.note", "case.ask"]
    assert [line.actor for line in await trail(database, 1, subject="RC-1")] == ["staff:1"]
    newest, *_ = await trail(database, 1)
    assert len(await trail(database, 1, before=newest.id)) == 2
    assert await trail(database, 2) == []
