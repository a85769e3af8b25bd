"""Every kind of case, question, verdict, odd money and role has its words at the desk: another room that adds one is told here."""

from typing import Any, get_args

import pytest
from tests.house.sources import nothing

from daozhang.cases.kinds import KINDS
from daozhang.cases.model import MOVES
from daozhang.identity.roles import ROLES
from daozhang.policy.model import Outcome, Stage
from daozhang.postgres import Database
from daozhang.reasons import CuredBy
from daozhang.web import locale
from daozhang.web.console.queue import KINDS as SHOWN
from daozhang.web.console.user import OFFICES, WHYS

READERS = [locale.load(code) for code in get_args(locale.Code)]


def needed() -> list[str]:
    """The keys that are put together while a page is made."""
    keys: list[str] = []

    def add(table: str, names: Any) -> None:
        keys.extend(f"{table}.{name}" for name in names)

    add("desk_kind", {*KINDS, *SHOWN})
    add("desk_kind_text", {*KINDS, *SHOWN})
    add("desk_verdict_of", (f"{kind}_{verdict}" for kind in KINDS for verdict in ("approved", "rejected")))
    questions = {question for kind in KINDS.values() for question in kind.questions}
    add("desk_question", questions)
    add("case_question", questions)
    add("desk_move", {move for _, move in MOVES})
    add("desk_role", ROLES)
    add("desk_stage", (stage.value for stage in Stage))
    add("desk_outcome", (outcome.value for outcome in Outcome))
    add("desk_cure", (cure.value for cure in CuredBy))
    add("desk_office", OFFICES)
    add("desk_why", WHYS)
    return keys


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.code)
def test_what_other_rooms_name_has_words(reader: locale.Locale) -> None:
    nothing([key for key in needed() if not reader.has(key)])


async def test_every_kind_of_odd_money_has_words(database: Database) -> None:
    said = await database.value("select pg_get_constraintdef(oid) from pg_constraint where conname = 'anomalies_kind_check'")
    kinds = [part for part in said.split("'") if part.isidentifier()]
    assert "late" in kinds
    nothing([kind for kind in kinds for reader in READERS if kind != "text" and not reader.has(f"desk_odd.{kind}")])
