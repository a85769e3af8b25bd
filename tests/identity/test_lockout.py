"""Pauses after wrong passwords: exact under parallel tries, and never the owner's own device for a stranger's mistakes."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from daozhang.identity import Bucket, Identity, Limiter, Visitor
from daozhang.identity.limits import BUCKETS
from daozhang.postgres import Database
from daozhang.reasons.refusal import Refusal

PHONE, PASSWORD = "13800138000", "correct horse 7 battery"
HOME = Visitor("198.51.100.7", "198.51.100.0/24")


@pytest.fixture(autouse=True)
def wide_open(identity: Identity, database: Database) -> None:
    """Rate limits out of the way: here only the pauses count."""
    identity.limiter = Limiter(database, {name: Bucket(10_000, 1) for name in BUCKETS})


def stranger(number: int) -> Visitor:
    return Visitor(f"203.0.{number}.9", f"203.0.{number}.0/24")


async def refused(identity: Identity, visitor: Visitor, password: str = "wrong password", phone: str = PHONE) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        await identity.login(1, phone, password, visitor)
    return refusal.value


async def test_az_05_the_fifth_wrong_password_begins_a_pause_with_the_time_shown(identity: Identity, user_id: int) -> None:
    told = [await refused(identity, HOME) for _ in range(5)]
    assert [refusal.facts.get("left_count") for refusal in told[:4]] == [4, 3, 2, 1]
    assert told[4].reason == "account.locked"
    assert 895 <= told[4].facts["wait_s"] <= 900
    again = await refused(identity, HOME, PASSWORD)
    assert again.reason == "account.locked"
    assert 0 < again.facts["wait_s"] <= 900
    assert user_id


@pytest.mark.parametrize("phone", [PHONE, "13712345678"])
async def test_az_05_twenty_parallel_tries_have_five_looks(identity: Identity, user_id: int, phone: str) -> None:
    before = identity.hasher.done_count
    told = await asyncio.gather(*(identity.login(1, phone, f"wrong {n}", HOME) for n in range(20)), return_exceptions=True)
    assert identity.hasher.done_count - before == 5
    assert all(isinstance(outcome, Refusal) for outcome in told)
    counts = Counter(str(outcome) for outcome in told)
    assert counts["account.credentials_wrong"] <= 4
    assert counts["account.locked"] >= 16
    assert user_id


async def test_az_05_control_counting_after_the_look_lets_parallel_tries_through(identity: Identity, user_id: int) -> None:
    """The naive way (look, then count) fails the test above: this is what the order of steps is for."""
    looked = tries = 0

    async def naive() -> None:
        nonlocal looked, tries
        if tries >= 5:
            return
        await identity.hasher.verify(None, "wrong")
        looked += 1
        tries += 1

    await asyncio.gather(*(naive() for _ in range(20)))
    assert looked > 5
    assert user_id


async def test_az_05_strangers_do_not_lock_the_owner_out_of_a_known_device(
    identity: Identity, database: Database, user_id: int
) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    for number in range(8):
        for _ in range(6):
            await refused(identity, stranger(number))
    for _ in range(6):
        await refused(identity, HOME)
    owner = Visitor(HOME.ip, HOME.network, device_token=logged_in.device_token)
    assert (await identity.login(1, PHONE, PASSWORD, owner)).user_id == user_id
    assert await database.value("select locked_until from identity_facts where user_id = $1", user_id) is None


async def test_az_05_a_known_device_has_a_pause_of_its_own(identity: Identity, database: Database, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    owner = Visitor(HOME.ip, HOME.network, device_token=logged_in.device_token)
    told = [await refused(identity, owner) for _ in range(5)]
    assert told[-1].reason == "account.locked"
    assert await database.value("select locked_until > clock_now() from identity_facts where user_id = $1", user_id)
    await identity.login(1, PHONE, PASSWORD, stranger(1))


async def test_az_05_another_users_device_is_no_known_device(identity: Identity, user_id: int) -> None:
    await identity.register(1, "13712345678", PASSWORD, HOME)
    other = await identity.login(1, "13712345678", PASSWORD, stranger(1))
    borrowed = Visitor("203.0.1.9", "203.0.1.0/24", device_token=other.device_token)
    for _ in range(5):
        await refused(identity, borrowed)
    assert (await refused(identity, stranger(1))).reason == "account.locked"
    assert user_id


async def test_az_05_guessing_from_many_networks_is_stopped_together(identity: Identity, user_id: int) -> None:
    told = [await refused(identity, stranger(number)) for number in range(31)]
    assert [refusal.reason for refusal in told[:29]] == ["account.credentials_wrong"] * 29
    assert [refusal.reason for refusal in told[29:]] == ["account.locked"] * 2
    assert user_id


async def test_the_right_password_forgets_the_wrong_ones(identity: Identity, owner_database: Database, user_id: int) -> None:
    for _ in range(4):
        await refused(identity, HOME)
    await identity.login(1, PHONE, PASSWORD, HOME)
    assert (await refused(identity, HOME)).facts["left_count"] == 4
    assert await owner_database.value("select tries from login_tries where whence = 'strangers'") == 5
    assert user_id


async def test_the_last_try_may_be_the_right_one(identity: Identity, user_id: int) -> None:
    for _ in range(4):
        await refused(identity, HOME)
    await identity.login(1, PHONE, PASSWORD, HOME)
    await identity.login(1, PHONE, PASSWORD, HOME)
    assert user_id


async def test_pauses_end_by_themselves_and_grow(identity: Identity, owner_database: Database, user_id: int) -> None:
    later = "update login_tries set locked_until = locked_until - $1::interval, last_at = last_at - $1::interval returning tries"
    waits = []
    for _ in range(3):
        waits.append([await refused(identity, HOME) for _ in range(5)][-1].facts["wait_s"])
        await owner_database.value(later, timedelta(seconds=waits[-1]))
    assert [round(wait_s / 900) for wait_s in waits] == [1, 2, 4]
    await owner_database.value("update login_tries set last_at = last_at - interval '25 hours' returning tries")
    assert [await refused(identity, HOME) for _ in range(5)][-1].facts["wait_s"] <= 900
    assert user_id


async def test_pauses_grow_to_a_day_and_no_longer(identity: Identity, owner_database: Database, user_id: int) -> None:
    later = "update login_tries set locked_until = locked_until - $1::interval, last_at = last_at - $1::interval returning tries"
    waits = []
    for _ in range(9):
        waits.append([await refused(identity, HOME) for _ in range(5)][-1].facts["wait_s"])
        await owner_database.value(later, timedelta(seconds=waits[-1]))
        # A pause of a day is the quiet day that forgets; what would come after it is looked at as if it had been a minute shorter.
        await owner_database.value("update login_tries set last_at = last_at + interval '1 minute' returning tries")
        await owner_database.value("delete from login_tries where whence = 'strangers' returning tries")
    assert [round(wait_s / 900) for wait_s in waits] == [1, 2, 4, 8, 16, 32, 64, 96, 96]
    assert user_id


async def test_all_strangers_together_wait_four_hours_at_most(identity: Identity, owner_database: Database, user_id: int) -> None:
    """Whoever guesses from many networks for ever locks the owner's unknown browsers out for four hours at a time, not for days."""
    await refused(identity, stranger(0))
    for pauses in (4, 5, 16):
        await owner_database.value(
            "update login_tries set tries = 29, pauses = $1, locked_until = null where whence = 'strangers' returning tries", pauses
        )
        wait_s = (await refused(identity, stranger(pauses))).facts["wait_s"]
        assert round(wait_s / 3_600) == 4, pauses
    assert user_id


async def test_a_logged_in_stranger_guessing_the_old_password_is_paused(identity: Identity, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    session = await identity.session(logged_in.token)
    assert session is not None
    outcomes = await asyncio.gather(
        *(identity.change_password(session, f"wrong {n}", "a fresh new phrase", HOME) for n in range(12)), return_exceptions=True
    )
    assert {str(outcome) for outcome in outcomes} == {"account.old_password_wrong", "account.locked"}
    assert await identity.session(logged_in.token) is not None
    assert user_id
