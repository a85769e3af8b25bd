"""A case knows whose turn it is and until when, needs two to decide where money or an account hangs on it, and always ends."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from tests.cases.test_evidence import picture
from tests.flows.shop import make_users, refuses

from daozhang import clock, ids, notices
from daozhang.cases import KINDS, Case, Cases
from daozhang.cases.evidence import remake
from daozhang.cases.model import MOVES, Verdict
from daozhang.cases.service import ALONE_CAP_FEN, MOST_EVIDENCE
from daozhang.postgres import Database, Tx
from daozhang.postgres.supervisor import Supervisor
from daozhang.reasons.refusal import Refusal
from daozhang.settings import Settings
from daozhang.vault import Vault


class Spy:
    """What verdicts did."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Verdict, str]] = []
        self.refuses = False

    async def __call__(self, _tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        if self.refuses:
            raise Refusal("operation.not_waiting")
        self.done.append((case.about, verdict, actor))


@pytest.fixture
def spy() -> Spy:
    return Spy()


@pytest.fixture
async def cases(database: Database, free_clock: None, settings: Settings, spy: Spy) -> AsyncIterator[Cases]:
    yield Cases(database, await Vault.open(database, settings), dict.fromkeys(KINDS, spy))
    clock.shift(0)


@pytest.fixture
async def user_id(server: Supervisor, fresh: str) -> int:
    return (await make_users(server.dsn("owner", fresh), 2))[0]


async def opened(database: Database, cases: Cases, user_id: int, kind: str = "hold", about: str = "RC-1") -> UUID:
    question = KINDS[kind].questions[0]
    return await database.transact(lambda tx: cases.open(tx, 1, user_id, kind, about, question, {"amount_fen": 5_000}))


async def state(cases: Cases, case_id: UUID) -> str:
    case = await cases.case(case_id)
    assert case is not None
    return case.state


async def test_asked_answered_proposed_confirmed(database: Database, cases: Cases, user_id: int, spy: Spy) -> None:
    case_id = await opened(database, cases, user_id)
    case = await cases.case(case_id, user_id)
    assert case is not None
    assert (case.turn, case.facts) == ("user", {"amount_fen": 5_000})
    await cases.answer(user_id, case_id, "给家里充话费", [picture()])
    await cases.propose(case_id, "staff:1", "approved", "fits")
    assert spy.done == [], "a proposal does nothing yet"
    with refuses("cases.second_person"):
        await cases.confirm(case_id, "staff:1")
    await cases.confirm(case_id, "staff:2")
    assert spy.done == [("RC-1", "approved", "staff:2")]
    assert await state(cases, case_id) == "closed"
    assert [(line.actor, line.text) for line in await cases.thread(case_id)] == [(f"user:{user_id}", "给家里充话费")]


async def test_what_is_said_and_shown_is_sealed_and_a_look_is_on_record(database: Database, cases: Cases, user_id: int) -> None:
    case_id = await opened(database, cases, user_id)
    await cases.answer(user_id, case_id, "我叫王小明", [picture()])
    held = str([dict(row) for row in await database.rows("select text_sealed from case_messages")])
    assert "王小明" not in held
    (proof,) = await cases.evidence(case_id)
    content = await cases.picture(case_id, proof.id, "staff:1", "case")
    assert content is not None
    assert content.startswith(b"\xff\xd8")
    assert await database.value("select count(*) from personal_views") == 1
    assert await cases.picture(case_id, proof.id, f"user:{user_id}", "own") == content
    assert await database.value("select count(*) from personal_views") == 1, "one's own is no look at somebody else"


async def test_a_second_matter_joins_and_another_opens(database: Database, cases: Cases, user_id: int) -> None:
    many = await asyncio.gather(*(opened(database, cases, user_id) for _ in range(20)))
    assert len(set(many)) == 1
    assert await opened(database, cases, user_id, about="RC-2") != many[0]


async def test_two_confirm_at_once_and_it_takes_effect_once(database: Database, cases: Cases, user_id: int, spy: Spy) -> None:
    case_id = await opened(database, cases, user_id)
    await cases.answer(user_id, case_id, "x")
    await cases.propose(case_id, "staff:1", "rejected", "no")
    outcomes = await asyncio.gather(*(cases.confirm(case_id, f"staff:{n}") for n in range(2, 12)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert len(spy.done) == 1


async def test_an_answer_or_an_objection_voids_the_proposal(database: Database, cases: Cases, user_id: int) -> None:
    case_id = await opened(database, cases, user_id)
    for void in (lambda: cases.answer(user_id, case_id, "wait"), lambda: cases.object(case_id, "staff:2", "not so")):
        await cases.answer(user_id, case_id, "x")
        await cases.propose(case_id, "staff:1", "rejected", "no")
        await void()
        with refuses("cases.not_waiting"):
            await cases.confirm(case_id, "staff:3")


async def test_an_effect_that_cannot_be_leaves_the_case_undecided(database: Database, cases: Cases, user_id: int, spy: Spy) -> None:
    case_id = await opened(database, cases, user_id)
    await cases.answer(user_id, case_id, "x")
    await cases.propose(case_id, "staff:1", "approved", "yes")
    spy.refuses = True
    with refuses("operation.not_waiting"):
        await cases.confirm(case_id, "staff:2")
    assert await state(cases, case_id) == "second"


async def test_one_decides_where_one_is_enough(database: Database, cases: Cases, user_id: int, spy: Spy) -> None:
    case_id = await opened(database, cases, user_id, "complaint")
    await cases.answer(user_id, case_id, "x")
    await cases.propose(case_id, "staff:1", "approved", "sorry")
    assert await state(cases, case_id) == "closed"
    assert spy.done == [("RC-1", "approved", "staff:1")]


async def test_a_silent_user_is_a_rejection_never_a_release(database: Database, cases: Cases, user_id: int, spy: Spy) -> None:
    case_id = await opened(database, cases, user_id)
    clock.shift(timedelta(days=5, hours=23).total_seconds())
    assert await database.transact(lambda tx: cases.claim(tx, 10)) == []
    for days in (6.5, 6.99):
        await look(database, cases, days)
        assert await told(database, user_id) == ["money_asked_again"], "he is reminded once, a day before"
    clock.shift(timedelta(days=7, minutes=1).total_seconds())
    (row,) = await database.transact(lambda tx: cases.claim(tx, 10))
    await cases.look(row)
    assert spy.done == [("RC-1", "rejected", "program")]
    assert await state(cases, case_id) == "closed"


async def look(database: Database, cases: Cases, days: float) -> None:
    """Look at what is due then."""
    clock.shift(timedelta(days=days).total_seconds())
    for row in await database.transact(lambda tx: cases.claim(tx, 10)):
        await cases.look(row)


async def told(database: Database, user_id: int) -> list[str]:
    """What the user was told, the oldest first."""
    rows = await database.rows("select kind from notices where user_id = $1 order by at", user_id)
    return [row["kind"] for row in rows]


async def test_a_user_who_is_not_looking_hears_that_he_is_asked_reminded_and_how_it_ended(
    database: Database, cases: Cases, user_id: int
) -> None:
    case_id = await opened(database, cases, user_id, "verification")
    await cases.answer(user_id, case_id, "x")
    await cases.ask(case_id, "staff:1", "identity_proof", "the picture is blurred")
    (asked,) = await notices.recent(database, user_id)
    case = await cases.case(case_id)
    assert case is not None
    assert (asked.kind, asked.link) == ("case_asked", f"/cases/{case.shown}")
    assert datetime.fromisoformat(asked.facts["until_at"]) == case.deadline_at
    await look(database, cases, 6.5)
    await cases.note(case_id, "staff:1", "A photograph by daylight will do.")
    await cases.propose(case_id, "staff:1", "rejected", "nothing came")
    await cases.confirm(case_id, "staff:2")
    assert await told(database, user_id) == ["case_asked", "case_asked_again", "case_said", "case_ended"]


async def test_what_is_asked_late_is_reminded_of_while_there_is_time(database: Database, cases: Cases, user_id: int) -> None:
    case_id = await opened(database, cases, user_id)
    await cases.answer(user_id, case_id, "x")
    clock.shift(timedelta(days=11, hours=23).total_seconds())
    await cases.ask(case_id, "staff:1", "source", "where from?")
    await look(database, cases, 14.5)
    assert await told(database, user_id) == ["money_asked", "money_asked_again"]


async def test_silent_staff_are_told_upwards_once(database: Database, cases: Cases, user_id: int) -> None:
    case_id = await opened(database, cases, user_id)
    await cases.answer(user_id, case_id, "x")
    for days in (1.01, 1.02, 14.9):
        clock.shift(timedelta(days=days).total_seconds())
        for row in await database.transact(lambda tx: cases.claim(tx, 10)):
            await cases.look(row)
    told = await database.value("select count(*) from events where kind = 'case.escalated'")
    assert told == 1
    (first,) = await cases.queue(1)
    assert (first.id, first.escalated_at is not None) == (case_id, True)


async def test_who_writes_again_does_not_wait_longer_for_us(database: Database, cases: Cases, user_id: int) -> None:
    case_id = await opened(database, cases, user_id)
    await cases.answer(user_id, case_id, "x")
    first = await cases.case(case_id)
    assert first is not None
    for hours in (1, 12, 23):
        clock.shift(timedelta(hours=hours).total_seconds())
        await cases.answer(user_id, case_id, "one thing more")
        again = await cases.case(case_id)
        assert again is not None
        assert again.deadline_at == first.deadline_at
    clock.shift(timedelta(hours=24, minutes=1).total_seconds())
    for row in await database.transact(lambda tx: cases.claim(tx, 10)):
        await cases.look(row)
    assert await database.value("select count(*) from events where kind = 'case.escalated'") == 1
    await cases.answer(user_id, case_id, "still here")
    assert await database.value("select next_look_at = answer_by from cases where id = $1", case_id)


async def test_a_question_back_moves_no_case_past_its_fifteen_days(
    database: Database, cases: Cases, user_id: int, spy: Spy
) -> None:
    case_id = await opened(database, cases, user_id)
    await cases.answer(user_id, case_id, "x")
    clock.shift(timedelta(days=11).total_seconds())
    await cases.ask(case_id, "staff:1", "payer", "who paid?")
    asked = await cases.case(case_id)
    assert asked is not None
    assert asked.deadline_at == asked.answer_by, "four days are left, not seven"
    clock.shift(timedelta(days=14, hours=23).total_seconds())
    await cases.answer(user_id, case_id, "my sister")
    with refuses("cases.too_late_to_ask"):
        await cases.ask(case_id, "staff:1", "payer", "and why?")
    clock.shift(timedelta(days=15, minutes=1).total_seconds())
    for row in await database.transact(lambda tx: cases.claim(tx, 10)):
        await cases.look(row)
    assert spy.done == [("RC-1", "rejected", "program")]


async def test_a_shop_of_one_waits_a_day(database: Database, settings: Settings, cases: Cases, user_id: int, spy: Spy) -> None:
    alone = Cases(database, await Vault.open(database, settings), {"hold": spy}, alone=True)
    case_id = await opened(database, alone, user_id)
    await alone.answer(user_id, case_id, "x")
    await alone.propose(case_id, "staff:1", "approved", "yes")
    with refuses("cases.second_person"):
        await alone.confirm(case_id, "staff:1")
    clock.shift(timedelta(hours=24, minutes=1).total_seconds())
    await alone.confirm(case_id, "staff:1")
    assert spy.done == [("RC-1", "approved", "staff:1")]


async def test_a_shop_of_one_lets_go_within_a_bound_and_sends_back_whatever_it_is(
    database: Database, settings: Settings, cases: Cases, user_id: int, spy: Spy
) -> None:
    alone = Cases(database, await Vault.open(database, settings), {"hold": spy}, alone=True)
    large = {"amount_fen": ALONE_CAP_FEN + 1}
    for about, verdict in (("RC-7", "approved"), ("RC-8", "rejected")):
        case_id = await database.transact(lambda tx, about=about: alone.open(tx, 1, user_id, "hold", about, "purpose", large))
        await alone.propose(case_id, "staff:1", verdict, "yes")  # type: ignore[arg-type]
    clock.shift(timedelta(hours=25).total_seconds())
    for case in await alone.unfinished(1):
        if case.verdict == "approved":
            with refuses("cases.alone_capped"):
                await alone.confirm(case.id, "staff:1")
        else:
            await alone.confirm(case.id, "staff:1")
    assert spy.done == [("RC-8", "rejected", "staff:1")]
    assert await database.value("select times from alarms where kind = 'staff.alone' and key like 'CA-%' limit 1") == 1


async def test_held_money_is_not_taken_back_a_complaint_is(database: Database, cases: Cases, user_id: int, spy: Spy) -> None:
    held, moaned = await opened(database, cases, user_id), await opened(database, cases, user_id, "complaint")
    with refuses("cases.not_withdrawable"):
        await cases.withdraw(user_id, held)
    await cases.withdraw(user_id, moaned)
    assert spy.done == []
    with refuses("cases.closed"):
        await cases.answer(user_id, moaned, "again")


async def test_somebody_elses_case_does_not_exist(database: Database, cases: Cases, user_id: int) -> None:
    case_id = await opened(database, cases, user_id)
    for attempt in (cases.answer(user_id + 1, case_id, "x"), cases.withdraw(user_id + 1, case_id)):
        with refuses("cases.not_found"):
            await attempt
    assert await cases.case(case_id, user_id + 1) is None
    with refuses("cases.not_found"):
        await cases.answer(user_id, ids.new_id(), "x")


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 2_001, "a\x00b", "\u202eabc"])
async def test_what_is_no_answer_is_refused(database: Database, cases: Cases, user_id: int, text: str) -> None:
    case_id = await opened(database, cases, user_id)
    with refuses("cases.text_malformed"):
        await cases.answer(user_id, case_id, text)
    assert await state(cases, case_id) == "need_user"


async def test_pictures_are_bounded_in_number(database: Database, cases: Cases, user_id: int) -> None:
    case_id = await opened(database, cases, user_id)
    await cases.answer(user_id, case_id, "x", [picture()] * 12)
    with refuses("cases.evidence_count"):
        await cases.answer(user_id, case_id, "x", [picture()])


async def test_pictures_are_bounded_however_many_send_at_once(database: Database, cases: Cases, user_id: int) -> None:
    """A stranger's case has no user whose lock would stand before it."""
    case_id = await database.transact(
        lambda tx: cases.open(tx, 1, None, "deceived", "TX-12345678", "paid_proof", {"amount_fen": 1}, first="staff")
    )
    made = remake(picture())
    sent = [database.transact(lambda tx: cases.hand_in(tx, case_id, "payer", "x", [made] * 3)) for _ in range(12)]
    told = await asyncio.gather(*sent, return_exceptions=True)
    assert sum(each is None for each in told) == MOST_EVIDENCE // 3
    assert len(await cases.evidence(case_id)) == MOST_EVIDENCE


async def test_proof_goes_a_month_after_the_decision_and_its_hash_stays(database: Database, cases: Cases, user_id: int) -> None:
    case_id = await opened(database, cases, user_id, "complaint")
    await cases.answer(user_id, case_id, "x", [picture()])
    await cases.propose(case_id, "staff:1", "approved", "ok")
    assert await cases.forget() == 0
    clock.shift(timedelta(days=31).total_seconds())
    assert await cases.forget() == 1
    (proof,) = await cases.evidence(case_id)
    assert proof.gone
    assert len(proof.sha256) == 64
    assert await cases.picture(case_id, proof.id, "staff:1", "late") is None


async def test_what_ended_elsewhere_overtakes_its_case(database: Database, cases: Cases, user_id: int, spy: Spy) -> None:
    case_id = await opened(database, cases, user_id)
    assert await database.transact(lambda tx: cases.overtake(tx, 1, "hold", "RC-1", "released by hand"))
    assert not await database.transact(lambda tx: cases.overtake(tx, 1, "hold", "RC-1", "again"))
    assert await state(cases, case_id) == "closed"
    assert spy.done == []


async def test_the_database_knows_the_same_moves_and_guards_them(database: Database, cases: Cases, user_id: int) -> None:
    rows = await database.rows("select from_state, move, to_state from legal_case_moves")
    assert {(row["from_state"], row["move"]): row["to_state"] for row in rows} == MOVES
    case_id = await opened(database, cases, user_id)
    for attack in ("update cases set state = 'closed'", "update cases set verdict = 'approved'", "delete from case_messages"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.transact(lambda tx, attack=attack: tx.run(attack))
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await database.value(
            "select move_case($1, 0, 'need_user', 'confirmed', 'closed', 'x', 'approved', '', clock_now(), null, null, null, $2)",
            case_id,
            False,  # noqa: FBT003 - a column
        )
