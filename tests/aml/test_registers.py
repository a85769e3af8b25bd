"""The registers: the role `aml` alone reads them, every look is on record, nothing reaches anybody else; and large values."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.daytime import within_one_day
from tests.flows.conftest import enrolment, shop, stranger  # noqa: F401 -- fixtures of the flows
from tests.flows.shop import Shop, refuses

from daozhang.aml import large, suspicions
from daozhang.aml.suspicions import Content, Reader
from daozhang.policy.book import defaults
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.vault import Vault

AML = Reader(1, "staff:1", ("aml",))
CONTENT = Content(7, ("RC-" + "0" * 26,), "短时间内多笔接近限额", "十个账户用同一个付款账户", "已冻结")


@pytest.fixture
async def vault(database: Database, settings: Settings) -> Vault:
    return await Vault.open(database, settings)


@pytest.mark.parametrize("role", ["owner", "support", "risk", "finance", "developer", ""])
async def test_nobody_but_the_role_reads_writes_or_exports(database: Database, vault: Vault, role: str) -> None:
    other = Reader(1, "staff:2", (role,))
    for work in (
        lambda: suspicions.listed(database, vault, other),
        lambda: suspicions.exported(database, vault, other),
        lambda: suspicions.open_draft(database, vault, other, CONTENT),
        lambda: suspicions.end(database, other, Any, reference="x"),  # type: ignore[arg-type]
        lambda: large.listed(database, other),
    ):
        with refuses("staff.forbidden"):
            await work()
    assert await database.value("select count(*) from suspicions") == 0
    assert await database.value("select count(*) from suspicion_steps") == 0


async def test_a_suspicion_is_drafted_filed_and_exported_and_each_step_is_on_record(database: Database, vault: Vault) -> None:
    number = await suspicions.open_draft(database, vault, AML, CONTENT)
    dropped = await suspicions.open_draft(database, vault, AML, CONTENT)
    await suspicions.end(database, AML, number, reference="2026-0001")
    await suspicions.end(database, AML, dropped, why="查清了")
    with refuses("aml.past_that"):
        await suspicions.end(database, AML, number, reference="2026-0002")
    assert [(each.state, each.content) for each in await suspicions.listed(database, vault, AML)] == [
        ("dropped", CONTENT), ("filed", CONTENT),
    ]  # fmt: skip
    told = msgspec.json.decode(await suspicions.exported(database, vault, AML))
    assert [each["reference"] for each in told["suspicions"]] == [None, "2026-0001"]
    steps = await database.rows("select what from suspicion_steps order by at, id")
    assert [row["what"] for row in steps] == ["opened", "opened", "filed", "dropped", "read", "exported"]
    assert await database.value("select octet_length(sha256) from suspicion_steps where what = 'exported'") == 32


async def test_what_is_suspected_is_readable_nowhere_else(database: Database, vault: Vault) -> None:
    await suspicions.open_draft(database, vault, AML, CONTENT)
    stored = await database.value("select content_sealed from suspicions")
    assert "接近限额".encode() not in bytes(stored)
    assert await database.value("select count(*) from events") == 0


@pytest.mark.parametrize(
    ("field", "content"),
    [("user_id", replace(CONTENT, user_id=0)), ("pattern", replace(CONTENT, pattern=" ")), ("facts", replace(CONTENT, facts=""))],
)
async def test_an_entry_that_does_not_hold_together_is_refused(
    database: Database, vault: Vault, field: str, content: Content
) -> None:
    with refuses("aml.malformed") as refused:
        await suspicions.open_draft(database, vault, AML, content)
    assert refused.value.facts == {"field": field}


async def test_large_values_are_noted_once_and_only_in_the_mode_that_reports_them(
    shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = shop.program.database
    monkeypatch.setattr(large, "FROM_FEN", 9_000)
    await within_one_day(database)
    for _ in range(2):
        order = await shop.place(5_000)
        await shop.pay(order)
        await shop.reach(order.id, "credited")
    books = Books(database)
    assert await large.note(database, books, 1) == 0, "the day is not over"
    await shop.later(86_400)
    assert await large.note(database, books, 1) == 1
    assert await large.note(database, books, 1) == 0
    (row,) = await large.listed(database, AML)
    assert (row.user_id, row.direction, row.amount_fen, row.count) == (shop.user_id, "in", 10_000, 2)


async def test_another_mode_notes_no_large_values(database: Database) -> None:
    books = Books(database)
    await books.publish(1, defaults(), version=1, author="tester", note="a card")
    assert await large.note(database, books, 1) == 0
