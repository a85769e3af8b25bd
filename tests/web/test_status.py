"""The status page and `/v1/channels`: one reading for both, served when the database is away, and honest about its age."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from tests.flows.shop import Shop, open_shop
from tests.patience import until
from tests.web.status_scene import play

from daozhang import clock, ids
from daozhang.policy import regulation
from daozhang.policy.regulation import Draft
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.status import calendar

METHODS = {"wechatpay": ("native", "h5", "jsapi")}


async def read_anew(shop: Shop) -> None:
    """What was read of the past is forgotten, and nobody is still at reading it."""
    history = shop.program.house.history
    await asyncio.gather(*history._reading.values())
    history._readings.clear()


@pytest.fixture
async def told(
    database: Database, owner_database: Database, settings: Settings, enrolment: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    """A shop with ninety days behind it, which it does not look at by itself."""
    monkeypatch.setattr("daozhang.status.history.KEEP_WARM_S", 86_400.0)
    async with open_shop(database, settings, enrolment=enrolment) as shop:
        await play(owner_database, {"wechatpay": shop.channel_id}, METHODS)
        await shop.program.board.load()
        await read_anew(shop)
        yield shop


async def get(shop: Shop, path: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    async with (
        aiohttp.ClientSession(trust_env=False) as client,
        client.get(shop.url + path, headers={name.replace("_", "-"): value for name, value in headers.items()}) as answer,
    ):
        body = await (answer.json(content_type=None) if "json" in answer.headers.get("content-type", "") else answer.text())
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, body


async def test_programs_get_the_state_of_every_way_to_pay(told: Shop) -> None:
    status, headers, body = await get(told, "/v1/channels", accept_language="en")
    assert (status, headers["content-type"]) == (200, "application/json")
    (channel,) = body["channels"]
    native, h5, _ = channel["methods"]
    assert (native["method"], native["status"], native["usable"], native["reason"]) == ("native", "open", True, None)
    assert len(channel["days"]) == 90
    assert {day["state"] for day in channel["days"]} >= {"ok", "down", "degraded", "none"}
    assert 0.99 < channel["uptime_90_days"] < 1
    assert [each["severity"] for each in body["incidents"]] == ["down", "degraded", "down"]
    assert body["maintenance"][0]["note"] == "渠道升级系统"
    assert native["recent"]["no_recent_data"] is True
    assert (h5["recent"]["success_rate"], h5["recent"]["took_p95_ms"], h5["recent"]["notice_lag_p95_s"]) == (1.0, 800, 5)


async def test_nobody_learns_whose_merchant_account_it_is(told: Shop) -> None:
    _, _, body = await get(told, "/v1/channels")
    _, _, page = await get(told, "/status", accept="text/html")
    for secret in (told.sim.merchant.mchid, told.sim.merchant.appid):
        assert secret not in str(body)
        assert secret not in page


async def test_what_did_not_change_is_not_sent_again(told: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    # The reading is the same one, however long the answers take.
    monkeypatch.setattr("daozhang.status.history.FRESH_S", 3_600.0)
    _, first, _ = await get(told, "/v1/channels")
    status, headers, body = await get(told, "/v1/channels", if_none_match=first["etag"])
    assert (status, body, headers["etag"]) == (304, "", first["etag"])
    status, headers, _ = await get(told, "/v1/channels", if_none_match=first["etag"], accept_language="en")
    assert status == 200 or headers["etag"] == first["etag"]


async def test_page_and_interface_say_the_same(told: Shop, owner_database: Database) -> None:
    await breaker(owner_database, told.channel_id, "native", "tripped")
    await told.program.board.load()
    history = told.program.house.history
    report = await history.report(1)
    assert [way.standing.why for way in report.channels[0].ways] == ["channel.down", None, None]


async def test_it_is_served_while_the_database_is_away_and_says_so(told: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await get(told, "/v1/channels")

    told.program.database.pool.terminate()
    real = clock.now_s
    monkeypatch.setattr(clock, "now_s", lambda: real() + 120)
    status, headers, body = await get(told, "/v1/channels")
    assert (status, body["stale"]) == (200, True)
    assert int(headers["age"]) >= 120
    status, _, page = await get(told, "/status", accept="text/html", accept_language="zh")
    assert status == 200
    assert "数据库现在很忙或连不上" in page
    assert "现在的情况不清楚" in page
    assert "现在都能付" not in page
    assert "2 分" in page


async def test_it_is_served_from_the_last_reading_while_the_database_is_busy(
    told: Shop, owner_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads does not wait for a database that has something else to do: here the counts are locked away."""
    await get(told, "/v1/channels")
    real = clock.now_s
    monkeypatch.setattr(clock, "now_s", lambda: real() + 45)
    async with owner_database.pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table status_slots in access exclusive mode")
        status, headers, body = await get(told, "/v1/channels")
        assert (status, len(body["channels"])) == (200, 1)
        assert int(headers["age"]) >= 45
        assert (await get(told, "/status", accept="text/html"))[0] == 200
        reading = told.program.house.history._reading[1]
        assert not reading.done(), "the new reading still waits for the database, and nobody waited for it"
    await reading
    await told.program.board.load()
    _, headers, body = await get(told, "/v1/channels")
    assert int(headers["age"]) < 45


async def test_a_process_that_never_read_anything_says_so_as_a_problem(told: Shop) -> None:
    await read_anew(told)
    told.program.database.pool.terminate()
    status, headers, body = await get(told, "/v1/channels")
    assert (status, headers["content-type"], body["code"]) == (503, "application/problem+json", "platform.database")
    async with aiohttp.ClientSession(trust_env=False) as client, client.post(f"{told.url}/v1/channels") as answer:
        assert (answer.status, answer.content_type) == (405, "application/problem+json")


@pytest.mark.parametrize(
    ("language", "words"), [("zh", ["服务状态", "维护日程", "近 90 天"]), ("en", ["Service status", "Last 90 days"])]
)
async def test_the_page_is_for_everybody_in_both_languages(told: Shop, language: str, words: list[str]) -> None:
    status, _, page = await get(told, "/status", accept="text/html", accept_language=language)
    assert status == 200
    for word in words:
        assert word in page
    assert "{" not in page.split("<main", 1)[1].split("</main>", 1)[0]
    assert page.count('class="day ') == 90 + 5


async def test_a_maintenance_under_way_is_told_with_its_end(told: Shop, database: Database) -> None:
    await calendar.plan(database, told.channel_id, clock.now(), clock.now() + timedelta(hours=1), note="升级")
    await told.program.board.load()
    await read_anew(told)
    _, _, body = await get(told, "/v1/channels", accept_language="en")
    assert {way["status"] for way in body["channels"][0]["methods"]} == {"maintenance"}
    assert all(way["until_at"] and "maintenance" in way["reason"]["title"].lower() for way in body["channels"][0]["methods"])


async def test_a_suspension_tells_payers_that_it_is_and_never_why(told: Shop, database: Database) -> None:
    await calendar.suspend(database, reference="令 2026-17", reason="court of Hefei", channel_class="wallet")
    await told.program.board.load()
    for language in ("zh", "en"):
        status, _, page = await get(told, "/status", accept="text/html", accept_language=language)
        assert status == 200
        assert ("停用" if language == "zh" else "Suspended") in page
        assert "2026-17" not in page
        assert "Hefei" not in page
    _, _, body = await get(told, "/v1/channels")
    assert {way["reason"]["code"] for way in body["channels"][0]["methods"]} == {"channel.suspended"}
    assert "Hefei" not in str(body)


async def breaker(owner: Database, channel_id: int, method: str, phase: str, degraded: str = "") -> None:
    """A way to pay stands so from now on."""
    state = "insert into status_breakers values ($1, $2, $3, $4, 'failing', 1, $5, $5, $5, 0, 0, 5, $5)"
    await owner.transact(lambda tx: tx.run(state, channel_id, method, phase, degraded, clock.now()))


@pytest.mark.parametrize(
    ("phase", "degraded", "words"),
    [("tripped", "", "中断"), ("trial", "", "正在恢复"), ("closed", "slow", "应答很慢"), ("closed", "unpaid", "最近很少有人付成")],
)
async def test_every_state_is_told_in_plain_words(
    told: Shop, owner_database: Database, phase: str, degraded: str, words: str
) -> None:
    await breaker(owner_database, told.channel_id, "h5", phase, degraded)
    await told.program.board.load()
    status, _, page = await get(told, "/status", accept="text/html", accept_language="zh")
    assert status == 200
    assert words in page


async def test_where_nobody_was_heard_nothing_is_claimed(database: Database, settings: Settings, enrolment: Any) -> None:
    async with open_shop(database, settings, enrolment=enrolment) as shop:
        _, _, page = await get(shop, "/status", accept="text/html", accept_language="en")
        assert "Nothing is known to be wrong" in page
        assert page.count("No recent data") == 4
        channel = shop.program.registry.get(shop.channel_id)
        assert channel is not None
        await channel.query(ids.text26(ids.new_id()))
        await shop.program.watch.once()
        await read_anew(shop)
        _, _, page = await get(shop, "/status", accept="text/html", accept_language="en")
        assert "Every way to pay works" in page
        assert "the channel answers" in page


async def closed(shop: Shop, region: str, channel_class: str, goods_class: str = "*", **more: Any) -> int:
    """A row in force."""
    draft = Draft(
        region, channel_class, goods_class, "粤金〔2026〕17号", "暂停钱包类充值，可改用银行卡。", "Wallets are closed; cards work.",
        "finish", clock.now() - timedelta(minutes=1), **more,
    )  # fmt: skip
    number = await regulation.propose(shop.program.database, 1, draft, "anna")
    await regulation.approve(shop.program.database, 1, number, "ben")
    return number


async def test_what_a_region_closes_is_told_to_everybody_from_the_rows_of_the_policy_alone(told: Shop) -> None:
    async def looked() -> tuple[list[Any], str]:
        _, _, body = await get(told, "/v1/channels", accept_language="en")
        _, _, page = await get(told, "/status", accept="text/html", accept_language="en")
        return body["regulation"], page

    rows, page = await looked()
    assert (rows, "Closed by regulation" in page) == ([], False)
    waits = Draft("33", "*", "*", "x", "x", "waits", "finish", clock.now())
    await regulation.propose(told.program.database, 1, waits, "anna")
    number = await closed(told, "44", "wallet")
    await closed(told, "3301", "card", "game_card", until_at=clock.now() + timedelta(days=30))
    # The program looks once a second by itself; nothing here is told to it.
    await until(lambda: len(told.program.house.regulated()) == 2)
    rows, page = await looked()
    assert [(row["region"], row["region_name"], row["channel_class"], row["kinds"], row["goods_class"]) for row in rows] == [
        ("44", "Guangdong", "wallet", ["wechatpay"], "*"), ("3301", "Zhejiang 3301", "card", [], "game_card"),
    ]  # fmt: skip
    assert (rows[0]["reference"], rows[0]["notice"]) == ("粤金〔2026〕17号", "Wallets are closed; cards work.")
    assert rows[1]["until_at"] is not None
    assert "Regulation closes some channels in some regions" in page
    for said in (
        "Guangdong · wallets (WeChat Pay)",
        "Zhejiang 3301 · bank cards · for Game cards",
        "Wallets are closed; cards work.",
    ):
        assert said in page
    native = (await get(told, "/v1/channels"))[2]["channels"][0]["methods"][0]
    assert native["usable"], "elsewhere it is open"
    await regulation.end(told.program.database, 1, number, "anna", "over")
    await regulation.end(told.program.database, 1, number, "ben", "over")
    await until(lambda: len(told.program.house.regulated()) == 1)
    assert [row["region"] for row in (await looked())[0]] == ["3301"]
