"""Facts that pass every check, the book of the defaults, and a user with a channel in a real database."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.flows.shop import LICENSED

from daozhang.policy.book import Book, make_book
from daozhang.policy.model import NEVER_S, Facts, Signals
from daozhang.postgres import Database

NOW = datetime(2026, 11, 22, 6, 2, 7, tzinfo=UTC)


@pytest.fixture
def book() -> Book:
    return make_book(1, 1, LICENSED)


CALM = Signals(
    user_age_s=400 * 86_400,
    verification="none",
    large_count=0,
    orders_hour_count=1,
    orders_day_count=1,
    orders_day_fen=5_000,
    unfrozen_s=NEVER_S,
    unfrozen_fen=0,
    device_known=True,
    device_s=300 * 86_400,
    device_accounts_count=1,
    device_day_fen=5_000,
    device_near_count=0,
    device_failures_count=0,
    place_known=True,
    place_usual=True,
    place_abroad=False,
    elsewhere_s=NEVER_S,
    tolerance_fen=5_000,
)
"""Nothing odd about the person, the device, the place or the payer."""


@pytest.fixture
def sound() -> Facts:
    """Everything known and nothing wrong."""
    return Facts(
        at=NOW,
        shop_id=1,
        user_id=7,
        standing="active",
        channel_id=3,
        channel_enabled=True,
        kind="wechatpay",
        methods=("native", "h5"),
        method="native",
        recent_fen=(5_000,),
        confirmed=False,
        amount_fen=5_000,
        no_credit=False,
        limits=(),
        admitted_fen=0,
        day_ends_at=NOW + timedelta(hours=10),
        page_version="p1",
        page_current="p1",
        database_writes=True,
        notify_door=True,
        available_fen=10_000_000,
        payer_known=False,
        signals=CALM,
        pass_fen=0,
        purchase=False,
        verified=True,
        age="adult",
        bought=True,
        stored_fen=0,
        month_fen=0,
        month_ends_at=NOW + timedelta(days=8),
        open_count=0,
        agreement_version=0,
        agreement_agreed=True,
        offer="none",
        coupon="none",
        offers_stack=True,
        region_rules=(),
        unbound_s=NEVER_S,
    )


@pytest.fixture
async def user_ids(owner_database: Database) -> list[int]:
    """Three users: active, frozen until tomorrow, closed."""
    made = []
    for number, standing, why, until in (
        (1, "active", None, None),
        (2, "frozen", "risk_review", "1 day"),
        (3, "closed", "asked", None),
    ):
        made.append(
            await owner_database.value(
                """insert into users (shop_id, phone_sealed, phone_blind, locale, standing, standing_why, standing_since,
                     standing_until, created_at, seen_at)
                   values (1, '\\x00', decode(lpad($1::text, 64, '0'), 'hex'), 'zh', $2, $3, clock_now(),
                     clock_now() + $4::text::interval, clock_now(), clock_now()) returning id""",
                str(number),
                standing,
                why,
                until,
            )
        )
    return made


@pytest.fixture
async def channel_id(owner_database: Database) -> int:
    """An open channel that offers native and h5."""
    channel_id: int = await owner_database.value(
        """insert into channels (shop_id, kind, name, merchant, app, methods, hosts, created_at, changed_at)
           values (1, 'wechatpay', '微信', 'm', 'a', '{native,h5}', '{h}', clock_now(), clock_now()) returning id"""
    )
    await owner_database.row(
        """insert into channel_keys (channel_id, version, sealed, created_at)
           values ($1, 1, decode(repeat('00', 40), 'hex'), clock_now())""",
        channel_id,
    )
    await owner_database.row("update channels set enabled = true where id = $1", channel_id)
    return channel_id
