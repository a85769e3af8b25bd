"""Staff: one person per name, a code once even for forty at once, an owner who stays, and alone only who was alone for a day."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.flows.shop import refuses

from daozhang import clock
from daozhang.identity import Hasher, Limiter, Visitor, totp
from daozhang.identity.roles import PERMISSIONS, PROVEN, ROLES, may
from daozhang.identity.staff import Papers, Staff, alone
from daozhang.postgres import Database
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

HERE = Visitor("203.0.113.9", "203.0.113.0/24")


@pytest.fixture
async def staff(database: Database, free_clock: None, vault: Vault) -> AsyncIterator[Staff]:
    hasher = Hasher(memory_kib=256, passes=1)
    yield Staff(database, vault, Limiter(database), hasher)
    hasher.close()
    clock.shift(0)


async def is_alone(database: Database, permission: str = "case.confirm") -> bool:
    return await database.transact(lambda tx: alone(tx, 1, permission))


def test_the_table_is_whole() -> None:
    assert set(PERMISSIONS) >= PROVEN
    assert all(roles <= set(ROLES) for roles in PERMISSIONS.values())
    # What is filed is secret by law, also from the owner.
    assert {each for each, roles in PERMISSIONS.items() if "owner" not in roles} == {
        "suspicion.read", "suspicion.write", "suspicion.export",
    }  # fmt: skip
    assert not any(may(ROLES, each) for each in ("", "open", "case", "no.such"))
    assert not may([], "desk.enter")
    assert not may(["oncall"], "desk.enter")


async def test_a_name_is_given_once_and_what_is_handed_over_is_kept_nowhere(database: Database, staff: Staff) -> None:
    papers = await staff.add(1, "lin", ("support",), "cli:test")
    with refuses("staff.name_taken"):
        await staff.add(1, "lin", ("owner",), "cli:test")
    for name in ("", "L in", "林", "x" * 40, "-a"):
        with refuses("staff.malformed"):
            await staff.add(1, name, ("owner",), "cli:test")
    for roles in ((), ("admin",), ("support", "oncall")):
        with refuses("staff.malformed"):
            await staff.add(1, "other", roles, "cli:test")
    held = str([tuple(row) for row in await database.rows("select * from staff")])
    assert papers.password not in held
    assert papers.secret not in held


async def test_of_twenty_at_once_one_makes_the_login_and_nineteen_are_told(database: Database, staff: Staff) -> None:
    ends = await asyncio.gather(*(staff.add(1, "lin", ("support",), "cli:test") for _ in range(20)), return_exceptions=True)
    made = [each for each in ends if isinstance(each, Papers)]
    assert len(made) == 1
    assert {each.reason for each in ends if isinstance(each, Refusal)} == {"staff.name_taken"}
    assert [row["id"] for row in await database.rows("select id from staff")] == [made[0].staff_id]


async def test_forty_at_once_with_one_code_are_one_session(staff: Staff) -> None:
    papers = await staff.add(1, "lin", ("support",), "cli:test")
    code = totp.code_of(papers.secret, totp.step_at(clock.now_s()))

    async def enter(number: int) -> bool:
        try:
            await staff.login(1, "lin", papers.password, code, Visitor(f"198.51.{number}.1", f"198.51.{number}.0/24"))
        except Refusal:
            return False
        return True

    assert sum(await asyncio.gather(*(enter(number) for number in range(40)))) == 1


async def test_az_05_wrong_codes_pause_the_name_for_the_place(staff: Staff) -> None:
    papers = await staff.add(1, "lin", ("support",), "cli:test")
    said = []
    for _ in range(6):
        try:
            await staff.login(1, "lin", papers.password, "000000", HERE)
        except Refusal as refusal:
            said.append(refusal.reason)
    assert said == ["staff.credentials_wrong"] * 4 + ["account.locked"] * 2
    with refuses("account.locked"):
        await staff.login(1, "lin", papers.password, totp.code_of(papers.secret, totp.step_at(clock.now_s())), HERE)


async def test_the_last_owner_stays(staff: Staff) -> None:
    await staff.add(1, "boss", ("owner",), "cli:test")
    with refuses("staff.last_owner"):
        await staff.enable(1, "boss", active=False)
    with refuses("staff.last_owner"):
        await staff.give_roles(1, "boss", ("support",), "cli:test")
    await staff.add(1, "heir", ("owner",), "cli:test")
    done = await asyncio.gather(
        staff.enable(1, "boss", active=False), staff.enable(1, "heir", active=False), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in done) == ["NoneType", "Refusal"], "two at once cannot both go"


async def test_who_was_sent_away_an_hour_ago_still_counts_as_a_second_person(database: Database, staff: Staff) -> None:
    await staff.add(1, "boss", ("owner",), "cli:test")
    assert await is_alone(database)
    await staff.add(1, "lin", ("support",), "cli:test")
    assert await is_alone(database), "support confirms nothing"
    await staff.add(1, "rui", ("risk",), "cli:test")
    assert not await is_alone(database)
    await staff.enable(1, "rui", active=False)
    assert not await is_alone(database)
    await database.value("select shift_clock($1)", 90_000)
    clock.shift(90_000)
    assert await is_alone(database)


async def test_a_reset_ends_sessions_and_old_papers(staff: Staff) -> None:
    papers = await staff.add(1, "lin", ("support",), "cli:test")
    code = totp.code_of(papers.secret, totp.step_at(clock.now_s()))
    opened = await staff.login(1, "lin", papers.password, code, HERE)
    assert await staff.session(opened.token) is not None
    fresh = await staff.reset(1, "lin")
    assert await staff.session(opened.token) is None
    assert (fresh.password, fresh.secret) != (papers.password, papers.secret)
    with refuses("staff.unknown"):
        await staff.reset(1, "nobody")
