"""Whom no duty holds any more is let go of; whoever is held by one is not; and nothing that money rests on is ever deleted."""

import asyncpg
import pytest
from msgspec.structs import replace
from tests.flows.conftest import enrolment, let_time_pass, proved, shop, stranger  # noqa: F401 -- fixtures of the flows
from tests.flows.shop import LICENSED, Shop, open_shop
from tests.flows.test_eligibility import verify
from tests.patience import until

from daozhang import clock
from daozhang.aml import retention
from daozhang.policy.book import defaults
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment

YEAR_S = 366 * 86_400


async def years(database: Database) -> int:
    return (await retention.duty(database, 1))[0]


async def test_the_longest_duty_of_every_mode_counts(database: Database) -> None:
    books, begun = Books(database), defaults()
    assert await years(database) == 5
    own = replace(begun, eligibility=replace(begun.eligibility, mode="own_goods"))
    await books.publish(1, own, version=1, author="t", note="n")
    assert await years(database) == 3
    await books.publish(1, begun, version=2, author="t", note="n")
    assert await years(database) == 5
    await books.publish(1, LICENSED, version=3, author="t", note="n")
    await books.publish(1, own, version=4, author="t", note="n")
    assert await years(database) == 10, "what was once a payment institution keeps what it kept as one"


async def refunded(shop: Shop) -> bool:  # noqa: F811
    """Whether the money has gone back, a minute and a look later."""
    await shop.later(61)
    await shop.work()
    return bool(await shop.program.database.value("select count(*) from refunds where state = 'done'"))


async def lived(shop: Shop, settings: Settings, *, back: bool = True, closed: bool = True) -> None:  # noqa: F811
    """Verified and recharged; then, unless told otherwise, everything sent back, and closed."""
    await verify(shop, settings)
    order = await shop.place(5_000)
    await shop.pay(order)
    await shop.reach(order.id, "credited")
    if back:
        await shop.program.desk.refund(order.id, 5_000, "asked", "anna")
        await until(lambda: refunded(shop))
    if closed:
        sql = "select set_standing($1, 'closed', 'asked', '', 'test', null, null)"
        await shop.program.database.transact(lambda tx: tx.run(sql, shop.user_id))


async def test_after_the_duty_everything_that_names_a_person_goes(
    shop: Shop,  # noqa: F811
    settings: Settings,
) -> None:
    database = shop.program.database
    await lived(shop, settings)
    before = await database.row("select count(*) as postings, sum(amount_fen) as sum from postings")
    await shop.later(10 * YEAR_S - 86_400)
    assert await retention.forget(database, 1) == 0
    await shop.later(2 * 86_400)
    assert await retention.forget(database, 1) == 1
    assert await retention.forget(database, 1) == 0
    row = await database.row(
        """select u.phone_sealed = decode(repeat('00', 34), 'hex') as phone,
             v.name_sealed = decode(repeat('00', 34), 'hex') as name,
             v.number_sealed = decode(repeat('00', 34), 'hex') as number
           from users u join verifications v on v.user_id = u.id where u.id = $1""",
        shop.user_id,
    )
    assert row is not None
    assert all(row.values())
    assert await database.value("select count(*) from attempts where payer is not null or client_ip <> ''") == 0
    assert await database.value("select count(*) from orders where client_ip <> ''") == 0
    keys = "select count(*) from credentials where user_id = $1"
    assert await database.value(keys, shop.user_id) == 0
    assert await database.value("select count(*) from notifications where length(body) > 0") == 0
    assert await shop.program.house.identity.find(1, "13800138000") is None
    assert await database.row("select count(*) as postings, sum(amount_fen) as sum from postings") == before
    await proved(database)


@pytest.mark.parametrize(("back", "closed"), [(False, True), (True, False)], ids=["money", "open"])
async def test_whoever_is_held_by_something_stays(
    shop: Shop,  # noqa: F811
    settings: Settings,
    *,
    back: bool,
    closed: bool,
) -> None:
    await lived(shop, settings, back=back, closed=closed)
    await shop.later(10 * YEAR_S + 86_400)
    assert await retention.forget(shop.program.database, 1) == 0


async def test_what_is_never_changed_is_changed_for_those_alone_who_were_let_go_of(
    shop: Shop,  # noqa: F811
    settings: Settings,
    owner_database: Database,
) -> None:
    await verify(shop, settings)
    for attack in (
        "update verifications set name_sealed = decode(repeat('00', 34), 'hex')",
        "delete from verifications",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner_database.transact(lambda tx, attack=attack: tx.run(attack))  # type: ignore[misc]


SEALED = {
    ("case_messages", "text_sealed"),
    ("factors", "secret_sealed"), ("factors", "wanted_sealed"), ("notice_choices", "email_sealed"),
    ("order_waits", "wish"), ("payouts", "payee"), ("phone_words", "text_sealed"), ("sessions", "address_sealed"),
    ("supplies", "target_sealed"), ("users", "phone_sealed"), ("verifications", "name_sealed"), ("verifications", "number_sealed"),
    ("verifications_wanted", "name_sealed"), ("verifications_wanted", "number_sealed"), ("case_evidence", "content_sealed"),
}  # fmt: skip
"""Everything that is kept sealed about a user. `pseudonymise` lets go of it; proof goes a month after its decision."""
OURS = {
    ("channel_keys", "sealed"), ("providers", "secret_sealed"), ("staff", "totp_sealed"), ("stock", "code_sealed"),
    ("suspicions", "content_sealed"),
}  # fmt: skip
"""Sealed, and not a user's to be forgotten: keys of the shop, goods, and what is filed, which the law keeps secret and whole."""


async def test_a_new_place_for_something_sealed_is_forgotten_too(owner_database: Database) -> None:
    rows = await owner_database.rows(
        """select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
           join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped
             and a.atttypid = 'bytea'::regtype and (a.attname ~ 'sealed' or a.attname in ('wish', 'payee'))"""
    )
    assert {(row["relname"], row["attname"]) for row in rows} == SEALED | OURS
    body = await owner_database.value(
        "select pg_get_functiondef('pseudonymise'::regproc) || pg_get_functiondef('forget_beside'::regproc)"
    )
    assert {table for table, _ in SEALED if table not in body} == {"case_evidence"}


@pytest.mark.parametrize(("mode", "years_count"), [("own_goods", 3), ("single_purpose_card", 5), ("licensed_psp", 10)])
async def test_each_mode_keeps_as_long_as_its_law_says_and_then_no_word_is_left(
    database: Database, owner_database: Database, settings: Settings, enrolment: Enrolment, mode: str, years_count: int  # noqa: F811
) -> None:  # fmt: skip
    await let_time_pass(owner_database)
    licence = "Z0000000000000" if mode == "licensed_psp" else ""
    rules = replace(LICENSED, eligibility=replace(LICENSED.eligibility, mode=mode, licence=licence))  # type: ignore[arg-type]
    async with open_shop(database, settings, enrolment=enrolment, rules=rules) as shop:  # noqa: F811
        if mode == "own_goods":
            await verify(shop, settings)  # it sells no balance
        else:
            await lived(shop, settings, closed=False)
        at, user_id = clock.now(), shop.user_id
        for sql in (
            "insert into notice_choices values ($1, 1, true, true, decode(repeat('aa', 40), 'hex'), $2, $2)",
            "insert into factors (user_id, shop_id, secret_sealed, since) values ($1, 1, decode(repeat('bb', 40), 'hex'), $2)",
            "insert into recovery_codes (id, user_id, code_blind, made_at) values (gen_random_uuid(), $1, sha256('x'), $2)",
        ):
            await owner_database.transact(lambda tx, sql=sql: tx.run(sql, user_id, at))  # type: ignore[misc]
        sql = "select set_standing($1, 'closed', 'asked', '', 'test', null, null)"
        await database.transact(lambda tx: tx.run(sql, user_id))
        await shop.later(years_count * YEAR_S - 86_400)
        assert await retention.forget(database, 1) == 0, "the law holds it for another day"
        assert await shop.program.house.identity.find(1, "13800138000") == user_id
        await shop.later(2 * 86_400)
        assert await retention.forget(database, 1) == 1
        row = await owner_database.row("select years, mode from pseudonyms where user_id = $1", user_id)
        assert row is not None
        assert tuple(row) == (years_count, mode)
        for table, column in SEALED - {
            ("supplies", "target_sealed"),
            ("case_messages", "text_sealed"),
            ("case_evidence", "content_sealed"),
        }:
            own = "id" if table == "users" else "user_id"
            left = f"select count(*) from {table} where {own} = $1 and {column} <> decode(repeat('00', 34), 'hex')"
            assert await owner_database.value(left, user_id) == 0, (table, column)
        assert await owner_database.value("select count(*) from recovery_codes where user_id = $1", user_id) == 0
        assert await owner_database.value("select count(*) from order_marks where payer is not null or device is not null") == 0
        await proved(database)
