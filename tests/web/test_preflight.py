"""POST /v1/preflight: the same verdicts as placing, and nothing is changed by asking."""

import json
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang import agreements
from daozhang.identity import Bucket
from daozhang.policy.book import ConfirmRules, defaults
from daozhang.policy.books import Books
from daozhang.policy.model import Stage as When


async def ask(client: Browser, body: Any, **headers: str) -> httpx.Response:
    sent = {"content_type": "application/json", "accept": "application/json", **headers}
    return await client.post("/v1/preflight", body=json.dumps(body).encode(), **sent)


def still(bucket: Bucket) -> Bucket:
    """The same bucket, into which nothing flows while a test is at it."""
    return Bucket(bucket.capacity, bucket.per_s / 1_000)


async def counts(stage: Stage) -> list[int]:
    database = stage.shop.program.database
    tables = ("orders", "attempts", "order_marks", "tolerance_days", "transfers", "events")
    return [await database.value(f"select count(*) from {table}") for table in tables]


@pytest.fixture
def client(buyer: Browser) -> Browser:
    return buyer


async def test_a_sound_wish_goes_every_way_and_changes_nothing(stage: Stage, client: Browser) -> None:
    before = await counts(stage)
    answer = await ask(client, {"amount": "50"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["amount_fen"] == 5_000
    assert body["note"]
    assert {method["go"] for method in body["methods"]} == {"yes"}
    assert len(body["methods"]) >= 2
    assert await counts(stage) == before
    kept = await stage.shop.program.database.rows("select stage, order_id from decisions")
    assert {tuple(row) for row in kept} == {(When.ASKED.value, None)}


async def test_what_goes_with_one_more_step_says_which(stage: Stage, client: Browser) -> None:
    asked_from = replace(defaults(), confirm=ConfirmRules(from_fen=30_000, day_fen=30_000))
    books = Books(stage.house.database)
    await books.publish(1, asked_from, version=(await books.current(1)).version + 1, author="anna", note="a code above 300 yuan")
    before = await counts(stage)
    body = (await ask(client, {"amount": "400", "ways": [{"channel_id": stage.channel_id, "method": "native"}]})).json()
    (method,) = body["methods"]
    assert method["go"] == "extra_step", body
    assert [each["reason"] for each in method["because"]] == ["operation.confirm_needed"]
    assert method["because"][0]["cure"]
    assert await counts(stage) == before


async def test_what_would_be_refused_is_told_with_its_cure(stage: Stage, client: Browser) -> None:
    body = (await ask(client, {"amount": "6000", "ways": [{"channel_id": stage.channel_id, "method": "native"}]})).json()
    (method,) = body["methods"]
    assert (method["go"], method["because"][0]["reason"]) == ("no", "operation.amount.too_large")
    assert method["because"][0]["cure"]
    assert method["instead"] == []


async def test_a_way_that_is_not_there_is_answered_with_those_that_are(stage: Stage, client: Browser) -> None:
    ways = [{"channel_id": stage.channel_id, "method": "carrier_pigeon"}, {"channel_id": stage.channel_id, "method": "native"}]
    body = (await ask(client, {"amount": "50", "ways": ways})).json()
    assert body["methods"][0]["because"][0]["reason"] == "channel.method_unsupported"
    instead = body["methods"][0]["instead"]
    assert {"channel_id": stage.channel_id, "method": "native"} in instead
    assert ways[0] not in instead


async def test_who_asks_about_one_way_is_told_which_others_go_and_only_the_question_is_kept(stage: Stage, client: Browser) -> None:
    body = (await ask(client, {"amount": "50", "ways": [{"channel_id": stage.channel_id, "method": "carrier_pigeon"}]})).json()
    (method,) = body["methods"]
    assert {"channel_id": stage.channel_id, "method": "native"} in method["instead"]
    assert await stage.house.database.value("select count(*) from decisions") == 1


async def test_an_agreement_that_will_be_ticked_is_counted_as_placing_would(stage: Stage, client: Browser) -> None:
    version = await agreements.publish(stage.house.database, 1, "协议", "Agreement", author="anna")
    asked = {"amount": "50", "ways": [{"channel_id": stage.channel_id, "method": "native"}]}
    (unticked,) = (await ask(client, asked)).json()["methods"]
    assert [each["reason"] for each in unticked["because"]] == ["eligibility.agreement"]
    (ticked,) = (await ask(client, {**asked, "agreement": version})).json()["methods"]
    assert ticked["go"] == "yes"


async def test_a_frozen_account_is_told_why_and_offered_no_way_round(stage: Stage, client: Browser) -> None:
    await stage.house.identity.freeze(stage.shop.user_id, actor="tester", reason="risk_review")
    body = (await ask(client, {"amount": "50"})).json()
    assert {method["because"][0]["reason"] for method in body["methods"]} == {"account.frozen"}
    assert all(not method["instead"] for method in body["methods"])


@pytest.mark.parametrize(
    "body",
    [{}, {"amount": 50}, {"amount": "50", "extra": 1}, {"amount": "50", "ways": [{"channel_id": -1, "method": "native"}]}, [], "x"],
)
async def test_a_body_that_is_none_of_ours_is_refused(client: Browser, body: Any) -> None:
    answer = await ask(client, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("amount", ["-1", "1e3", "NaN", "１００", "1,000", "0.001", "50\n"])
async def test_am_01_an_amount_that_is_none_is_refused(client: Browser, amount: str) -> None:
    assert (await ask(client, {"amount": amount})).status_code in (400, 422)


async def test_az_09_another_site_and_another_type_are_refused(client: Browser) -> None:
    foreign = await ask(client, {"amount": "50"}, origin="https://evil.example")
    assert foreign.status_code == 403
    text = await ask(client, {"amount": "50"}, content_type="text/plain")
    assert text.status_code == 400


async def test_nobody_asks_without_a_session_and_nobody_asks_for_ever(stage: Stage, client: Browser, shop_app: Any) -> None:
    assert (await ask(Browser(shop_app), {"amount": "50"})).status_code == 401
    allowed = stage.house.limiter.buckets["preflight.user"]
    # Nothing comes back meanwhile, however slow the machine is.
    stage.house.limiter.buckets = {**stage.house.limiter.buckets, "preflight.user": still(allowed)}
    seen = [(await ask(client, {"amount": "50"})).status_code for _ in range(int(allowed.capacity) + 2)]
    assert seen[-2:] == [429] * 2
