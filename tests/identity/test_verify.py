"""Who somebody is: checked in form, compared by the register, sealed, masked, and every look on record."""

from collections.abc import AsyncIterator
from datetime import date

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.flows.shop import make_users, refuses

from daozhang import clock
from daozhang.identity import Limiter, views
from daozhang.identity.gb11643 import read_identity_number
from daozhang.identity.verify import Verifications, mask_name, mask_number
from daozhang.postgres import Database
from daozhang.postgres.supervisor import Supervisor
from daozhang.providers import rows
from daozhang.providers.rows import Providers
from daozhang.settings import Settings
from daozhang.simulators.simulator import Simulator
from daozhang.vault import Vault

TODAY = date(2026, 11, 27)
NUMBER = "11010519491231002X"
"""The standard's own example (GB 11643-1999, annex)."""


def numbered(born: str, serial: str = "002") -> str:
    body = f"110105{born}{serial}"
    weights = [2**k % 11 for k in range(17, 0, -1)]
    return body + "10X98765432"[sum(w * int(d) for w, d in zip(weights, body, strict=True)) % 11]


def test_the_standards_own_example_holds() -> None:
    read = read_identity_number(NUMBER, TODAY)
    assert read is not None
    assert read.born == date(1949, 12, 31)
    assert read_identity_number(f" {NUMBER.lower()} ", TODAY) == read


NO_NUMBERS = [
    *("", "x", "110105194912310021", "11010519491231002Ｘ", "１１０１０５１９４９１２３１００２X", "99010519491231002X"),
    *("110105491231002", numbered("20250230"), numbered("18991231"), numbered("20991231")),
    *(NUMBER + "\n1", "1" * 5_000, "11010519491331002X"),
]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number(text: str) -> None:
    assert read_identity_number(text, TODAY) is None


@given(st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(place: int, by: int) -> None:
    wrong = NUMBER[:place] + str((int(NUMBER[place]) + by) % 10) + NUMBER[place + 1 :]
    assert read_identity_number(wrong, TODAY) is None


@pytest.mark.parametrize(
    ("born", "day"), [("20081127", date(2026, 11, 27)), ("20080229", date(2026, 3, 1)), ("20081128", date(2026, 11, 28))]
)
def test_of_age_on_the_day(born: str, day: date) -> None:
    read = read_identity_number(numbered(born), TODAY)
    assert read is not None
    assert read.adult_on() == day


def test_masks_show_too_little_to_use() -> None:
    assert (mask_name("张三"), mask_name("欧阳修文"), mask_name("买买提·吐尔逊")) == ("张*", "欧***", "买***")
    assert mask_number(NUMBER) == "110*************2X"


@pytest.fixture
async def register(database: Database, settings: Settings) -> AsyncIterator[tuple[Simulator, Verifications]]:
    vault = await Vault.open(database, settings)
    async with Simulator(kinds=()) as sim:
        for card in sim.services.cards():
            await rows.add(database, vault, settings, 1, rows.ProviderSettings(**card))  # type: ignore[arg-type]
        providers = Providers(1, database, vault, settings)
        yield sim, Verifications(database, vault, Limiter(database), providers)
        await providers.close()


@pytest.fixture
async def users(server: Supervisor, fresh: str) -> list[int]:
    return await make_users(server.dsn("owner", fresh), 3)


async def test_a_name_is_sealed_and_shown_masked(
    database: Database, register: tuple[Simulator, Verifications], users: list[int]
) -> None:
    _, made = register
    shown = await made.verify(users[0], " 王小明 ", NUMBER)
    assert (shown.masked_name, shown.masked_number) == ("王**", "110*************2X")
    assert await made.verify(users[0], "王小明", NUMBER) == shown, "the same again changes nothing"
    assert await database.value("select verification from users where id = $1", users[0]) == "identity"
    held = str([dict(row) for row in await database.rows("select * from verifications")])
    assert "王小明" not in held
    assert NUMBER not in held
    facts = await database.row("select * from verification_facts where user_id = $1", users[0])
    assert facts is not None
    assert (facts["minor"], facts["same_person_count"]) == (False, 1)


async def test_every_look_is_on_record(database: Database, register: tuple[Simulator, Verifications], users: list[int]) -> None:
    _, made = register
    await made.verify(users[0], "王小明", NUMBER)
    person = await made.view(1, users[0], "staff:7", "case C-1")
    assert person is not None
    assert (person.name, person.number) == ("王小明", NUMBER)
    (line,) = await database.rows("select user_id, what, actor, why from personal_views")
    assert dict(line) == {"user_id": users[0], "what": "identity", "actor": "staff:7", "why": "case C-1"}
    with pytest.raises(asyncpg.PostgresError):
        await database.transact(lambda tx: tx.run("delete from personal_views"))


async def test_pd_02_who_looks_at_many_people_within_an_hour_rings(server: Supervisor, fresh: str, database: Database) -> None:
    """Twenty people are many; one person looked at twenty times is a case that is worked on."""
    people = await make_users(server.dsn("owner", fresh), views.MANY)

    async def look(user_id: int) -> None:
        await database.transact(lambda tx: views.note_view(tx, 1, user_id, "identity", "staff:7", "x"))

    async def rung() -> list[str]:
        return [row["key"] for row in await database.rows("select key from alarms where kind = 'privacy.many_views'")]

    for _ in range(views.MANY):
        await look(people[0])
    for user_id in people[1:-1]:
        await look(user_id)
    assert await rung() == []
    await look(people[-1])
    assert await rung() == ["staff:7"]


async def test_a_minor_is_known_as_one_until_of_age(
    database: Database, register: tuple[Simulator, Verifications], users: list[int]
) -> None:
    _, made = register
    young = clock.business_day(clock.now()).replace(day=1)
    await made.verify(users[0], "李小", numbered(f"{young.year - 12}{young.month:02d}01"))
    assert await database.value("select minor from verification_facts where user_id = $1", users[0])


async def test_what_does_not_fit_is_refused_and_nothing_is_kept(
    database: Database, register: tuple[Simulator, Verifications], users: list[int]
) -> None:
    sim, made = register
    await made.verify(users[0], "王小明", NUMBER)
    for name, number, code in (
        ("", NUMBER, "identity.name_malformed"),
        ("王1", NUMBER, "identity.name_malformed"),
        ("王" * 200, NUMBER, "identity.name_malformed"),
        ("王小明", "123", "identity.number_malformed"),
        ("李四", NUMBER, "identity.mismatch"),
        ("查无此人", numbered("19900101"), "identity.no_record"),
    ):
        with refuses(code):
            await made.verify(users[1], name, number)
    sim.services.turn("garbage")
    with refuses("identity.unchecked"):
        await made.verify(users[1], "赵六", numbered("19900102"))
    assert await database.value("select count(*) from verifications") == 1


async def test_an_account_is_one_persons(register: tuple[Simulator, Verifications], users: list[int]) -> None:
    _, made = register
    await made.verify(users[0], "王小明", NUMBER)
    with refuses("identity.other_person"):
        await made.verify(users[0], "赵六", numbered("19900102"))


async def test_tries_are_bounded(register: tuple[Simulator, Verifications], users: list[int]) -> None:
    _, made = register
    for _ in range(5):
        with refuses("identity.no_record"):
            await made.verify(users[0], "查无此人", NUMBER)
    with refuses("operation.too_many"):
        await made.verify(users[0], "王小明", NUMBER)
