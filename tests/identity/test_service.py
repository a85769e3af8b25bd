"""Registering, logging in, sessions and standing, on the real database."""

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from daozhang import alarms, clock
from daozhang.identity import Bucket, Hasher, Identity, Limiter, LoggedIn, Visitor, reviews
from daozhang.identity.model import BUYER, STAFF
from daozhang.identity.opening import MOST_SESSIONS, open_session
from daozhang.postgres import Database, Tx
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PHONE, PASSWORD = "13800138000", "correct horse 7 battery"
HOME = Visitor("198.51.100.7", "198.51.100.0/24", "Firefox/140")


async def test_what_is_registered_logs_in(identity: Identity, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    session = await identity.session(logged_in.token)
    assert session is not None
    assert (session.user_id, session.shop_id, session.standing) == (user_id, 1, "active")
    assert await identity.phone(user_id) == PHONE


async def test_pd_05_the_database_holds_no_number_and_no_token(identity: Identity, owner_database: Database, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    for table in ("users", "credentials", "sessions", "devices", "login_tries"):
        text = str(await owner_database.value(f"select string_agg(t::text, ' ') from {table} t"))
        for secret in (PHONE, PHONE.encode().hex(), PASSWORD, logged_in.token, logged_in.device_token, HOME.ip):
            assert secret not in text, (table, secret)
    assert user_id


async def test_rc_20_parallel_registrations_of_one_number_make_one_user(identity: Identity, database: Database) -> None:
    identity.limiter = Limiter(database, identity.limiter.buckets | {"register.network": Bucket(600, 20)})
    await asyncio.gather(*(identity.register(1, "13900139000", f"{PASSWORD} {n}", HOME) for n in range(20)))
    assert await database.value("select count(*) from users") == 1
    assert await database.value("select count(*) from credentials") == 1


async def test_az_07_registering_a_number_twice_changes_and_says_nothing(
    identity: Identity, database: Database, user_id: int
) -> None:
    before = identity.hasher.done_count
    assert await identity.register(1, PHONE, "another good one 55", HOME) is None
    taken = identity.hasher.done_count - before
    assert await identity.register(1, "13712345678", "another good one 55", HOME) is None
    assert identity.hasher.done_count - before - taken == taken == 1
    kinds = await database.rows("select kind, count(*) as n from events group by kind order by kind")
    assert [tuple(row) for row in kinds] == [("user.registered", 2), ("user.registered_again", 1)]
    assert await identity.find(1, PHONE) == user_id
    with pytest.raises(Refusal, match=r"account.credentials_wrong"):
        await identity.login(1, PHONE, "another good one 55", HOME)
    await identity.login(1, PHONE, PASSWORD, HOME)


async def test_az_07_an_unknown_number_is_refused_exactly_like_a_known_one(identity: Identity, user_id: int) -> None:
    told: dict[str, list[tuple[str, tuple[str, ...], object]]] = {PHONE: [], "13712345678": []}
    hashes: dict[str, int] = {}
    for number, lines in told.items():
        before = identity.hasher.done_count
        for _ in range(7):
            with pytest.raises(Refusal) as refusal:
                await identity.login(1, number, "wrong password", HOME)
            facts = refusal.value.facts
            lines.append((refusal.value.reason, tuple(facts), facts.get("left_count")))
        hashes[number] = identity.hasher.done_count - before
    assert told[PHONE] == told["13712345678"]
    assert [line[0] for line in told[PHONE]] == ["account.credentials_wrong"] * 4 + ["account.locked"] * 3
    assert [line[2] for line in told[PHONE]][:4] == [4, 3, 2, 1]
    assert hashes[PHONE] == hashes["13712345678"] == 5
    assert user_id


async def test_az_08_a_login_never_keeps_the_token_it_was_given(identity: Identity, user_id: int) -> None:
    first = await identity.login(1, PHONE, PASSWORD, HOME)
    planted = Visitor(HOME.ip, HOME.network, session_token=first.token, device_token="A" * 43)
    second = await identity.login(1, PHONE, PASSWORD, planted)
    assert second.token != first.token
    assert second.device_token != planted.device_token
    assert await identity.session(first.token) is None
    assert await identity.session(second.token) is not None
    assert user_id


async def test_az_08_a_known_browser_keeps_its_device(identity: Identity, user_id: int, database: Database) -> None:
    first = await identity.login(1, PHONE, PASSWORD, HOME)
    second = await identity.login(1, PHONE, PASSWORD, Visitor(HOME.ip, HOME.network, device_token=first.device_token))
    assert second.device_token == first.device_token
    assert await database.value("select count(*) from devices where user_id = $1", user_id) == 1


async def test_az_08_logging_out_ends_the_session_at_once(identity: Identity, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    await identity.logout(logged_in.token)
    assert await identity.session(logged_in.token) is None
    await identity.logout(logged_in.token)
    await identity.logout("no token at all")
    assert user_id


async def test_az_08_changing_the_password_ends_every_other_session(identity: Identity, user_id: int) -> None:
    here, there = await identity.login(1, PHONE, PASSWORD, HOME), await identity.login(1, PHONE, PASSWORD, HOME)
    session = await identity.session(here.token)
    assert session is not None
    with pytest.raises(Refusal, match=r"account.old_password_wrong"):
        await identity.change_password(session, "not it, I fear", "a fresh new phrase", HOME)
    fresh = await identity.change_password(session, PASSWORD, "a fresh new phrase", HOME)
    assert await identity.session(here.token) is None
    assert await identity.session(there.token) is None
    assert await identity.session(fresh.token) is not None
    with pytest.raises(Refusal, match=r"account.credentials_wrong"):
        await identity.login(1, PHONE, PASSWORD, HOME)
    await identity.login(1, PHONE, "a fresh new phrase", HOME)
    assert user_id


async def test_rc_parallel_password_changes_have_one_winner(identity: Identity, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    session = await identity.session(logged_in.token)
    assert session is not None
    changes = (identity.change_password(session, PASSWORD, f"a fresh new phrase {n}", HOME) for n in range(3))
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert len(await identity.sessions(user_id)) == 1


async def test_rc_a_login_that_overlaps_a_password_change_opens_nothing(
    identity: Identity, database: Database, user_id: int
) -> None:
    looked, changed = asyncio.Event(), asyncio.Event()

    class Slow(Hasher):
        async def verify(self, password_hash: str | None, password: str) -> bool:
            right = await super().verify(password_hash, password)
            looked.set()
            await changed.wait()
            return right

    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    session = await identity.session(logged_in.token)
    assert session is not None
    quick, identity.hasher = identity.hasher, Slow(memory_kib=256, passes=1)
    late = asyncio.create_task(identity.login(1, PHONE, PASSWORD, HOME))
    await looked.wait()
    slow, identity.hasher = identity.hasher, quick
    fresh = await identity.change_password(session, PASSWORD, "a fresh new phrase", HOME)
    changed.set()
    with pytest.raises(Refusal, match=r"account.credentials_wrong"):
        await late
    assert [line.id for line in await identity.sessions(user_id)] == [fresh.session_id]
    slow.close()


async def test_rc_logins_that_race_a_closing_leave_no_session(identity: Identity, user_id: int) -> None:
    closing = identity.close(user_id, actor="user", reason="own_wish")
    logins = [identity.login(1, PHONE, PASSWORD, HOME) for _ in range(4)]
    outcomes = await asyncio.gather(logins[0], logins[1], closing, *logins[2:], return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {LoggedIn, Refusal, type(None)}
    assert await identity.sessions(user_id) == []


async def test_az_01_only_own_sessions_are_seen_and_ended(identity: Identity, user_id: int) -> None:
    await identity.register(1, "13712345678", PASSWORD, HOME)
    stranger = await identity.login(1, "13712345678", PASSWORD, HOME)
    mine = await identity.login(1, PHONE, PASSWORD, HOME)
    assert [line.id for line in await identity.sessions(user_id)] == [mine.session_id]
    assert (await identity.sessions(user_id))[0].address == HOME.ip
    with pytest.raises(Refusal, match=r"account.session_unknown"):
        await identity.revoke(user_id, stranger.session_id)
    assert await identity.session(stranger.token) is not None
    await identity.revoke(user_id, mine.session_id)
    assert await identity.session(mine.token) is None
    with pytest.raises(Refusal, match=r"account.session_unknown"):
        await identity.revoke(user_id, mine.session_id)


async def test_az_08_sessions_end_when_idle_and_when_old(identity: Identity, owner_database: Database, user_id: int) -> None:
    idle, old = await identity.login(1, PHONE, PASSWORD, HOME), await identity.login(1, PHONE, PASSWORD, HOME)
    change = "update sessions set seen_at = seen_at - $2::interval, ends_at = ends_at - $3::interval where id = $1 returning id"
    await owner_database.value(change, idle.session_id, timedelta(days=7, seconds=1), timedelta())
    await owner_database.value(change, old.session_id, timedelta(), timedelta(days=30, seconds=1))
    assert await identity.session(idle.token) is None
    assert await identity.session(old.token) is None
    assert await identity.sessions(user_id) == []


async def test_a_used_session_stays_alive(identity: Identity, owner_database: Database, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    await owner_database.value("update sessions set seen_at = seen_at - interval '6 days' returning id")
    assert await identity.session(logged_in.token) is not None
    assert (await identity.sessions(user_id))[0].seen_at > clock.now() - timedelta(minutes=1)


async def test_az_04_a_frozen_user_keeps_the_session_and_is_told_why(identity: Identity, database: Database, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    until = clock.now() + timedelta(hours=5)
    await identity.freeze(user_id, actor="staff:1", reason="risk_review", note="odd amounts", until=until)
    session = await identity.session(logged_in.token)
    assert session is not None
    assert (session.standing, session.standing_why) == ("frozen", "risk_review")
    facts = await database.row("select * from identity_facts where user_id = $1", user_id)
    assert facts is not None
    assert (facts["standing"], facts["standing_why"]) == ("frozen", "risk_review")
    await identity.login(1, PHONE, PASSWORD, HOME)
    await identity.unfreeze(user_id, actor="staff:2", reason="cleared")
    session = await identity.session(logged_in.token)
    assert session is not None
    assert (session.standing, session.standing_why) == ("active", None)
    assert [(line["to_standing"], line["actor"]) for line in await identity.standing_history(user_id)] == [
        ("frozen", "staff:1"),
        ("active", "staff:2"),
    ]


async def test_a_freeze_lapses_by_itself(identity: Identity, owner_database: Database, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    await identity.freeze(user_id, actor="staff:1", reason="risk_review", until=clock.now() + timedelta(hours=1))
    await owner_database.value("update users set standing_until = clock_now() - interval '1 second' returning id")
    session = await identity.session(logged_in.token)
    assert session is not None
    assert (session.standing, session.standing_until) == ("active", None)


async def test_az_04_a_closed_user_loses_every_session_and_learns_it_only_with_the_password(
    identity: Identity, user_id: int
) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    await identity.close(user_id, actor="user", reason="own_wish")
    assert await identity.session(logged_in.token) is None
    with pytest.raises(Refusal, match=r"account.credentials_wrong"):
        await identity.login(1, PHONE, "wrong password", HOME)
    with pytest.raises(Refusal, match=r"account.closed"):
        await identity.login(1, PHONE, PASSWORD, HOME)
    with pytest.raises(Refusal, match=r"account.closed"):
        await identity.unfreeze(user_id, actor="staff:1", reason="second_thoughts")


ATTACKS = """
update users set standing = 'active'
update users set verification = 'face'
update sessions set ended_at = null
update sessions set ends_at = ends_at + interval '1 year'
delete from sessions
update login_tries set tries = 0
delete from standing_moves
insert into standing_moves (user_id, from_standing, to_standing, why, note, actor, at) values (1, 'a', 'b', 'c', '', 'd', now())
insert into staff (shop_id, name, created_at) values (1, 'me', clock_now())
insert into staff_roles (staff_id, role, granted_by, granted_at) values (1, 'owner', 'me', clock_now())
insert into users (id, shop_id, phone_sealed, phone_blind, locale, verification, standing_since, created_at, seen_at) \
overriding system value values (99, 1, '', sha256('x'), 'zh', 'face', clock_now(), clock_now(), clock_now())
"""


async def test_the_program_itself_cannot_go_past_the_functions(database: Database, user_id: int) -> None:
    for attack in ATTACKS.strip().splitlines():
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.rows(attack)
    assert user_id


async def test_the_history_of_standing_cannot_be_edited_by_its_owner(
    identity: Identity, owner_database: Database, user_id: int
) -> None:
    await identity.freeze(user_id, actor="staff:1", reason="risk_review")
    for attack in ("update standing_moves set why = 'x'", "delete from standing_moves", "truncate standing_moves"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner_database.rows(attack)


async def test_az_11_nobody_is_there_by_default(database: Database) -> None:
    for table in ("users", "staff", "staff_roles", "credentials", "sessions"):
        assert await database.value(f"select count(*) from {table}") == 0


async def test_a_hash_of_older_parameters_is_renewed_at_login(
    database: Database, vault: Vault, identity: Identity, user_id: int
) -> None:
    before = await database.value("select password_hash from credentials where user_id = $1", user_id)
    stronger = Hasher(memory_kib=512, passes=1)
    later = Identity(database, vault, Limiter(database), stronger)
    await later.login(1, PHONE, PASSWORD, HOME)
    after = await database.value("select password_hash from credentials where user_id = $1", user_id)
    assert "m=256" in before
    assert "m=512" in after
    await later.login(1, PHONE, PASSWORD, HOME)
    stronger.close()


async def test_sweeping_takes_only_what_is_over(identity: Identity, owner_database: Database, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    gone = await identity.login(1, PHONE, PASSWORD, HOME)
    await identity.logout(gone.token)
    await owner_database.value(
        "update sessions set ended_at = ended_at - interval '91 days' where ended_at is not null returning id"
    )
    await owner_database.value("update buckets set at = at - interval '2 days' returning name")
    assert await identity.sweep() >= 2
    assert await identity.session(logged_in.token) is not None
    assert await identity.shop("anything.example") == 1
    assert user_id


async def test_a_user_has_at_most_fifty_sessions(identity: Identity, database: Database, user_id: int, vault: Vault) -> None:
    first = await identity.login(1, PHONE, PASSWORD, HOME)

    async def open_one(tx: Tx) -> LoggedIn:
        return await open_session(tx, vault, 1, user_id, HOME, BUYER)

    later = [await database.transact(open_one) for _ in range(MOST_SESSIONS)]
    assert len(await identity.sessions(user_id)) == MOST_SESSIONS
    assert await identity.session(first.token) is None
    assert await identity.session(later[0].token) is not None


async def test_sessions_of_staff_live_half_an_hour_idle_and_twelve_hours(
    database: Database, owner_database: Database, vault: Vault, identity: Identity
) -> None:
    staff_id = await owner_database.value(
        "insert into staff (shop_id, name, created_at) values (1, 'ann', clock_now()) returning id"
    )
    opened = await database.transact(lambda tx: open_session(tx, vault, 1, staff_id, HOME, STAFF, staff=True))
    row = await database.row(
        "select staff_id, user_id, idle_s, ends_at - created_at as whole from sessions where id = $1", opened.session_id
    )
    assert row is not None
    assert (row["staff_id"], row["user_id"], row["idle_s"]) == (staff_id, None, 1_800)
    assert abs(row["whole"] - timedelta(hours=12)) < timedelta(seconds=1)
    assert await identity.session(opened.token) is None


async def test_what_happened_to_a_user_is_an_event(identity: Identity, database: Database, user_id: int) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    session = await identity.session(logged_in.token)
    assert session is not None
    await identity.change_password(session, PASSWORD, "a fresh new phrase", HOME)
    await identity.freeze(user_id, actor="staff:1", reason="risk_review")
    rows = await database.rows("select kind, actor, user_id, data::text from events order by seq")
    own = f"user:{user_id}"
    assert [(row["kind"], row["actor"]) for row in rows] == [
        ("user.registered", own),
        ("user.logged_in", own),
        ("user.password_changed", own),
        ("user.frozen", "staff:1"),
    ]
    assert {(row["user_id"], row["data"]) for row in rows} == {(user_id, "{}")}


async def test_the_review_that_a_frozen_user_was_promised_rings_when_its_day_has_come(
    identity: Identity, database: Database, free_clock: None, user_id: int
) -> None:
    await identity.freeze(user_id, actor="staff:1", reason="risk_review")
    try:
        assert await reviews.tell(database, 1) == 0
        clock.shift(timedelta(days=30, minutes=1).total_seconds())
        await database.value("select shift_clock($1)", timedelta(days=30, minutes=1).total_seconds())
        assert [await reviews.tell(database, 1) for _ in range(2)] == [1, 0], "once while it lasts"
        (alarm,) = await alarms.open_alarms(database)
        assert (alarm.kind, alarm.key, alarm.facts["user"]) == ("user.freeze_review", f"user:{user_id}", user_id)
        await identity.freeze(user_id, actor="staff:2", reason="risk_review", review_at=clock.now() + timedelta(days=3))
        assert await reviews.tell(database, 1) == 0
        assert await alarms.open_alarms(database) == [], "it has another date"
        clock.shift(timedelta(days=34).total_seconds())
        assert await reviews.tell(database, 1) == 1
        await identity.unfreeze(user_id, actor="staff:2", reason="looked at")
        await reviews.tell(database, 1)
        assert await alarms.open_alarms(database) == []
    finally:
        clock.shift(0)


@pytest.mark.parametrize("bucket", ["register.network", "login.device", "password.user"])
async def test_rl_01_a_door_whose_bucket_is_empty_asks_to_wait_before_anything_is_hashed(
    identity: Identity, database: Database, user_id: int, bucket: str
) -> None:
    logged_in = await identity.login(1, PHONE, PASSWORD, HOME)
    session = await identity.session(logged_in.token)
    assert session is not None
    known = Visitor(HOME.ip, HOME.network, device_token=logged_in.device_token)
    knocks: dict[str, Callable[[], Awaitable[object]]] = {
        "register.network": lambda: identity.register(1, "13712345678", PASSWORD, HOME),
        "login.device": lambda: identity.login(1, PHONE, PASSWORD, known),
        "password.user": lambda: identity.change_password(session, "wrong", "another good one 55", HOME),
    }
    identity.limiter = Limiter(database, identity.limiter.buckets | {bucket: Bucket(1, 1 / 3_600)})
    with contextlib.suppress(Refusal):
        await knocks[bucket]()
    before = identity.hasher.done_count
    with pytest.raises(Refusal, match=r"operation.too_many") as told:
        await knocks[bucket]()
    assert 3_500 < told.value.facts["wait_s"] <= 3_601
    assert identity.hasher.done_count == before
    assert user_id
