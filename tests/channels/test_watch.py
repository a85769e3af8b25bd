"""A person hears of codes that nobody has mapped, and of certificates before they end."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.channels.test_registry import raw_keys

from daozhang import alarms, clock
from daozhang.channels import console, native, watch
from daozhang.channels.catalogue import KINDS
from daozhang.channels.console import NewKeys
from daozhang.channels.native import native_codes
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol
from daozhang.vault import Vault


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol()


@pytest.fixture
async def vault(database: Database, settings: Settings) -> Vault:
    return await Vault.open(database, settings)


async def test_an_unmapped_code_rings_once_and_is_told_in_words(database: Database) -> None:
    native.unmapped.clear()
    for _ in range(3):
        meaning = native_codes("wechatpay").read("order", "BRAND_NEW", "", 400)
    assert meaning.reason == "channel.refused_unexplained"
    assert await watch.tell_unmapped(database, 1) == 3
    assert await watch.tell_unmapped(database, 1) == 0
    (alarm,) = await alarms.open_alarms(database)
    assert (alarm.kind, alarm.facts) == ("channel.code_unmapped", {"kind": "wechatpay", "operation": "order", "code": "BRAND_NEW"})


async def test_a_mapped_code_and_a_bare_status_ring_nothing(database: Database) -> None:
    native.unmapped.clear()
    native_codes("wechatpay").read("query", "SYSTEM_ERROR", "", 500)
    native_codes("wechatpay").read("query", "HTTP_502_EMPTY", "", 502)
    assert await watch.tell_unmapped(database, 1) == 0


def test_what_is_noted_is_bounded() -> None:
    native.unmapped.clear()
    for number in range(3_000):
        native_codes("wechatpay").read("order", f"X{number}", "", 400)
    assert len(native.unmapped) == 1_000
    native.unmapped.clear()


@pytest.mark.parametrize(("days", "kind"), [(31, None), (30, "30"), (8, "30"), (7, "7"), (2, "7"), (1, "1"), (0, "1"), (-5, "1")])
def test_the_alarm_that_fits(days: int, kind: str | None) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert watch.warning(at + timedelta(days=days), at) == (kind and f"channel.certificate_{kind}")


async def test_a_certificate_rings_sooner_and_sooner_and_stops_when_it_is_replaced(
    database: Database, vault: Vault, settings: Settings, enrolment: Enrolment
) -> None:
    merchant = enrolment.merchant
    wanted = console.ChannelSettings(
        kind="wechatpay", merchant=merchant.mchid, app=merchant.appid, keys=raw_keys(merchant), hosts=("http://127.0.0.1:9",)
    )
    channel_id = await console.add(database, vault, settings, wanted)
    ((serial, ends_at),) = KINDS["wechatpay"].expiries(KINDS["wechatpay"].read_keys(raw_keys(merchant)))
    left = ends_at - clock.now()
    try:
        clock.shift((left - timedelta(days=20)).total_seconds())
        await watch.watch_certificates(vault, database)
        assert await alarms.open_alarms(database) == [], "a channel that is off needs no certificate"
        await console.enable(database, vault, settings, channel_id)
        for days, kind in ((20, "30"), (5, "7"), (0.5, "1")):
            clock.shift((left - timedelta(days=days)).total_seconds())
            await watch.watch_certificates(vault, database)
            (alarm,) = await alarms.open_alarms(database)
            assert alarm.kind == f"channel.certificate_{kind}"
            assert alarm.key == f"{channel_id} {serial}"
        clock.shift(0)
        await console.rotate(database, vault, channel_id, NewKeys(raw_keys(merchant)))
        await watch.watch_certificates(vault, database)
        assert await alarms.open_alarms(database) == []
    finally:
        clock.shift(0)
