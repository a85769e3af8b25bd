"""A second confirmation holds for one operation, once, for a while; guesses run out; the code is in the message alone."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.flows.shop import refuses

from daozhang import clock
from daozhang.identity import Limiter
from daozhang.identity.confirm import CODE_LIVES, PASS_LIVES, SENDS, TRIES, Confirmations, Operation
from daozhang.identity.consent import FACE, consent
from daozhang.identity.limits import BUCKETS, Bucket
from daozhang.postgres import Database
from daozhang.providers import rows
from daozhang.providers.rows import Providers
from daozhang.reasons.refusal import Refusal
from daozhang.settings import Settings
from daozhang.simulators.simulator import Simulator
from daozhang.vault import Vault

PHONE = "13800138000"
ORDER = Operation("order", "RC-1", 600_000)


@dataclass
class Desk:
    database: Database
    sim: Simulator
    made: Confirmations
    user_id: int

    async def send(self, operation: Operation = ORDER, phone: str = PHONE, *, known: bool = True):  # type: ignore[no-untyped-def]
        return await self.made.send_code(1, self.user_id if known else None, phone, operation, "192.0.2.0/24", known=known)

    def code(self) -> str:
        found = re.search(r"[0-9]{6}", self.sim.services.messages[0].text)
        assert found is not None
        return found.group()

    async def use(self, operation: Operation = ORDER) -> bool:
        return await self.database.transact(lambda tx: self.made.use(tx, PHONE, operation))


@pytest.fixture
async def desk(database: Database, owner_database: Database, settings: Settings) -> AsyncIterator[Desk]:
    await owner_database.transact(lambda tx: tx.run("update clock_offset set test_mode = true"))
    user_id = await owner_database.value(
        """insert into users (shop_id, phone_sealed, phone_blind, locale, standing_since, created_at, seen_at)
        values (1, '\\x00', sha256('x'), 'zh', clock_now(), clock_now(), clock_now()) returning id"""
    )
    vault = await Vault.open(database, settings)
    async with Simulator(kinds=()) as sim:
        for card in sim.services.cards():
            await rows.add(database, vault, settings, 1, rows.ProviderSettings(**card))  # type: ignore[arg-type]
        providers = Providers(1, database, vault, settings)
        made = Confirmations(database, vault, Limiter(database), providers, lambda: "到账")
        yield Desk(database, sim, made, user_id)
        await providers.close()
        clock.shift(0)


async def test_a_code_confirms_the_one_operation_once(desk: Desk) -> None:
    sent = await desk.send()
    await desk.made.answer(sent.id, PHONE, desk.code())
    assert not await desk.use(Operation("order", "RC-1", 600_001)), "another amount is another operation"
    assert not await desk.use(Operation("order", "RC-2", 600_000))
    assert await desk.use()
    assert not await desk.use()


async def test_the_message_names_shop_operation_amount_and_that_staff_never_ask(desk: Desk) -> None:
    await desk.send()
    text = desk.sim.services.messages[0].text
    assert all(part in text for part in ("【到账】", "充值", "6,000.00", "工作人员绝不会向您索要验证码"))
    assert "Staff never ask" in desk.made.wording(ORDER, "123456", "en")
    held = str([dict(row) for row in await desk.database.rows("select * from confirmations")])
    assert desk.code() not in held


async def test_guesses_run_out_even_at_once(desk: Desk) -> None:
    sent = await desk.send()
    wrong = f"{(int(desk.code()) + 1) % 1_000_000:06d}"
    answers = await asyncio.gather(*(desk.made.answer(sent.id, PHONE, wrong) for _ in range(20)), return_exceptions=True)
    reasons = [each.reason for each in answers if isinstance(each, Refusal)]
    assert reasons.count("confirmation.wrong") == TRIES - 1
    assert reasons.count("confirmation.over") == 20 - (TRIES - 1)
    with refuses("confirmation.over"):
        await desk.made.answer(sent.id, PHONE, desk.code())


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "１２３４５６", "abcdef", "12 34", "'; drop", "\x00" * 6])
async def test_what_is_no_code_is_wrong(desk: Desk, typed: str) -> None:
    sent = await desk.send()
    with refuses("confirmation.wrong"):
        await desk.made.answer(sent.id, PHONE, typed)


async def test_a_code_expires_and_a_pass_does_too(desk: Desk) -> None:
    sent = await desk.send()
    code = desk.code()
    clock.shift(CODE_LIVES.total_seconds() + 1)
    with refuses("confirmation.over"):
        await desk.made.answer(sent.id, PHONE, code)
    sent = await desk.send()
    await desk.made.answer(sent.id, PHONE, desk.code())
    clock.shift(CODE_LIVES.total_seconds() + PASS_LIVES.total_seconds() + 5)
    assert not await desk.use()


async def test_the_last_code_sent_is_the_good_one_and_it_can_be_taken_up_again(desk: Desk) -> None:
    first = await desk.send()
    old = desk.code()
    again = await desk.made.resend(first.id, PHONE, ORDER)
    assert again.id == first.id
    found = await desk.made.waiting(PHONE, ORDER)
    assert found is not None
    assert (found.id, found.sends_left) == (first.id, 1)
    if old != desk.code():
        with refuses("confirmation.wrong"):
            await desk.made.answer(first.id, PHONE, old)
    await desk.made.answer(first.id, PHONE, desk.code())
    passed = await desk.made.waiting(PHONE, ORDER)
    assert passed is not None
    assert passed.passed


async def test_sends_are_bounded(desk: Desk) -> None:
    sent = await desk.send()
    for _ in range(2):
        await desk.made.resend(sent.id, PHONE, ORDER)
    with refuses("confirmation.over"):
        await desk.made.resend(sent.id, PHONE, ORDER)
    await desk.send()
    with refuses("operation.too_many"):
        await desk.send()
    assert len(desk.sim.services.messages) <= 5, "an hour's worth"


async def test_rl_01_forty_at_once_get_no_more_codes_than_one_confirmation_has(desk: Desk, settings: Settings) -> None:
    """The confirmation's own number, with buckets so wide that they stop nobody; and each code voids the one before."""
    wide = {name: Bucket(10_000, 1) for name in BUCKETS}
    desk.made._limiter = Limiter(desk.database, wide)
    sent = await desk.send()
    first = desk.code()
    answers = await asyncio.gather(*(desk.made.resend(sent.id, PHONE, ORDER) for _ in range(40)), return_exceptions=True)
    went = [each for each in answers if not isinstance(each, BaseException)]
    assert sorted(each.sends_left for each in went) == list(range(SENDS - 1))
    assert {each.reason for each in answers if isinstance(each, Refusal)} == {"confirmation.over"}
    assert len(desk.sim.services.messages) == SENDS
    assert len({message.text for message in desk.sim.services.messages}) == SENDS, "every message holds a code of its own"
    with refuses("confirmation.wrong"):
        await desk.made.answer(sent.id, PHONE, first)


async def test_rl_01_forty_who_ask_at_once_for_one_number_get_what_its_bucket_holds(desk: Desk) -> None:
    """Codes for another operation each time: what one number gets in all is bounded, too."""
    asked = (desk.send(Operation("order", f"RC-{number}", 600_000)) for number in range(40))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in answers) == int(BUCKETS["confirm.subject"].capacity)
    assert {each.reason for each in answers if isinstance(each, Refusal)} == {"operation.too_many"}
    assert len(desk.sim.services.messages) == int(BUCKETS["confirm.subject"].capacity)


async def test_an_unknown_number_gets_nothing_and_looks_the_same(desk: Desk) -> None:
    sent = await desk.send(Operation("login", "login"), "13912345678", known=False)
    assert len(desk.sim.services.messages) == 0
    assert (sent.tries_left, sent.sends_left) == (TRIES, 2)
    with refuses("confirmation.wrong"):
        await desk.made.answer(sent.id, "13912345678", "000000")


async def test_somebody_elses_confirmation_is_none(desk: Desk) -> None:
    sent = await desk.send()
    with refuses("confirmation.over"):
        await desk.made.answer(sent.id, "13912345678", desk.code())


@pytest.mark.parametrize("fault", ["refuse"])
async def test_what_was_not_sent_is_said(desk: Desk, fault: str) -> None:
    desk.sim.services.turn(fault)
    with refuses("confirmation.unsent"):
        await desk.send()


async def test_az_05_strangers_who_ask_for_codes_do_not_use_up_the_owners(desk: Desk) -> None:
    """Anybody may ask for a code to log in with, whoever's number it is; the owner confirms his order all the same."""
    for purpose in ("login", "reset") * 5:
        await desk.send(Operation(purpose, "session"))
    sent = await desk.send()
    await desk.made.answer(sent.id, PHONE, desk.code())
    assert await desk.use()


@pytest.mark.parametrize("fault", ["error", "garbage", "unsigned"])
async def test_what_nobody_knows_may_still_arrive(desk: Desk, fault: str) -> None:
    desk.sim.services.turn(fault)
    assert (await desk.send()).tries_left == TRIES


async def test_a_face_needs_consent_and_keeps_no_picture(desk: Desk) -> None:
    with refuses("confirmation.consent_needed"):
        await desk.made.begin_face(1, desk.user_id, PHONE, ORDER, "http://127.0.0.1/back")
    await consent(desk.database, desk.user_id, FACE, given=True)
    begun = await desk.made.begin_face(1, desk.user_id, PHONE, ORDER, "http://127.0.0.1/back")
    assert begun.url.startswith(desk.sim.url)
    assert not await desk.made.look_at_face(begun.id, PHONE)
    assert desk.sim.services.decide(begun.url.rsplit("/", 1)[1], passed=True) == "http://127.0.0.1/back"
    assert await desk.made.look_at_face(begun.id, PHONE)
    assert await desk.use()
    await consent(desk.database, desk.user_id, FACE, given=False)
    with refuses("confirmation.consent_needed"):
        await desk.made.begin_face(1, desk.user_id, PHONE, ORDER, "http://127.0.0.1/back")


async def test_a_face_that_fails_leaves_the_code(desk: Desk) -> None:
    await consent(desk.database, desk.user_id, FACE, given=True)
    begun = await desk.made.begin_face(1, desk.user_id, PHONE, ORDER, "http://127.0.0.1/back")
    desk.sim.services.decide(begun.url.rsplit("/", 1)[1], passed=False)
    with refuses("confirmation.face_failed"):
        await desk.made.look_at_face(begun.id, PHONE)
    assert not await desk.use()
    sent = await desk.send()
    await desk.made.answer(sent.id, PHONE, desk.code())
    assert await desk.use()


@pytest.mark.parametrize("secret", ["", "short", "a" * 40, "ab" * 30])
async def test_a_weak_secret_is_refused(desk: Desk, settings: Settings, secret: str) -> None:
    vault = await Vault.open(desk.database, settings)
    with refuses("provider.secret_weak"):
        await rows.add(
            desk.database, vault, settings, 1, rows.ProviderSettings(purpose="sms", app="a", host=desk.sim.url, secret=secret)
        )
