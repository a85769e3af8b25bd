"""A provider that only refuses for long is told of, once, until it answers again or another one takes its place."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from daozhang import alarms, clock
from daozhang.postgres import Database
from daozhang.providers import hearing, rows
from daozhang.providers.port import Email, Sms
from daozhang.settings import Settings
from daozhang.simulators.simulator import Simulator
from daozhang.vault import Vault


@dataclass
class Line:
    database: Database
    vault: Vault
    settings: Settings
    sim: Simulator
    providers: rows.Providers
    number: int = 0
    shifted_s: float = 0

    async def sms(self, fault: str = "") -> str:
        self.sim.services.fault, self.number = fault, self.number + 1
        return await (await self.providers.sms()).send(Sms(f"N{self.number}", "13800138000", "123456"))

    async def mail(self, fault: str = "") -> str:
        self.sim.services.fault, self.number = fault, self.number + 1
        return await (await self.providers.email()).mail(Email(f"N{self.number}", "a@example.com", "subject", "text"))

    async def later(self, minutes: int) -> None:
        self.shifted_s += minutes * 60
        clock.shift(self.shifted_s)

    async def rung(self) -> list[tuple[str, int]]:
        await hearing.tell(self.database, 1)
        rows = await alarms.open_alarms(self.database)
        return sorted((each.key, each.facts["waiting"]) for each in rows if each.kind == hearing.KIND)


@pytest.fixture
async def line(database: Database, free_clock: None, settings: Settings) -> AsyncIterator[Line]:
    vault = await Vault.open(database, settings)
    async with Simulator(kinds=()) as sim:
        for card in sim.services.cards():
            await rows.add(database, vault, settings, 1, rows.ProviderSettings(**card))  # type: ignore[arg-type]
        providers = rows.Providers(1, database, vault, settings)
        yield Line(database, vault, settings, sim, providers)
        await providers.close()
        clock.shift(0)


async def test_refusals_for_ten_minutes_ring_once_and_one_good_answer_ends_it(line: Line) -> None:
    assert await line.sms() == "success"
    for _ in range(5):
        assert await line.sms("refuse") == "failure"
    assert await line.rung() == [], "five refusals within a minute may be five wrong numbers"
    await line.later(minutes=11)
    assert await line.rung() == [("provider:sms", 5)]
    assert await line.rung() == [("provider:sms", 5)]
    (alarm,) = await alarms.open_alarms(line.database)
    assert (alarm.times, alarm.facts["said"], alarm.facts["purpose"]) == (1, "failure", "sms")
    assert "13800138000" not in str(alarm.facts)
    assert await alarms.close(line.database, alarm.id, clock.now(), "anna", "the provider was called")
    assert await line.rung() == [], "closed by a person, and nothing new"
    assert await line.sms("error") == "unknown"
    assert await line.rung() == [("provider:sms", 6)], "and it goes on"
    assert await line.sms() == "success"
    assert await line.rung() == []


async def test_two_bad_tries_are_no_outage_and_each_provider_counts_for_itself(line: Line) -> None:
    for _ in range(2):
        assert await line.sms("garbage") == "unknown"
    for _ in range(3):
        assert await line.mail("refuse") == "failure"
    await line.later(minutes=30)
    assert await line.rung() == [("provider:email", 3)]
    assert (await line.sms("refuse"), await line.rung()) == ("failure", [("provider:email", 3), ("provider:sms", 3)])


async def test_another_provider_begins_anew(line: Line) -> None:
    for _ in range(4):
        await line.sms("refuse")
    await line.later(minutes=30)
    assert await line.rung() == [("provider:sms", 4)]
    (card,) = [card for card in line.sim.services.cards() if card["purpose"] == "sms"]
    await rows.add(line.database, line.vault, line.settings, 1, rows.ProviderSettings(**{**card, "app": "another"}))  # type: ignore[arg-type]
    assert await line.rung() == []
    (seen,) = [each for each in await rows.listed(line.database, 1) if each.purpose == "sms"]
    assert (seen.app, seen.troubles, seen.good_at) == ("another", 0, None)
    assert card["secret"] not in str(seen)
    assert await rows.end(line.database, 1, "sms")
    assert not await rows.end(line.database, 1, "sms")


async def test_a_no_about_a_person_is_an_answer_and_silence_is_none(line: Line) -> None:
    identity = await line.providers.identity()
    line.sim.services.fault = "refuse"
    for number in range(4):
        assert await identity.check(f"A{number}", "王小明", "11010519491231002X") != "match"
    await line.later(minutes=30)
    assert await line.rung() == []
    line.sim.services.fault = "lost"
    for number in range(3):
        assert await identity.check(f"B{number}", "王小明", "11010519491231002X") == "unknown"
    await line.later(minutes=30)
    assert await line.rung() == [("provider:identity", 3)]
