"""One's own: messages, limits, the statement as a file, a copy of the data, the unused money back, closing the account."""

import asyncio
import csv
import io
import json
import re
import secrets
from datetime import timedelta
from typing import Any, get_args

import pytest
from tests.web.stage import PASSWORD, PHONE, Stage
from tests.web.test_factor import enrolled
from tests.web.test_sessions import Browser

from daozhang import clock, notices
from daozhang.goods import shelf
from daozhang.identity import factor
from daozhang.mine import Unused
from daozhang.proof import prove
from daozhang.recharge.freeze import Writ
from daozhang.recharge.model import Basket
from daozhang.web.locale import Code, load


async def fund(stage: Stage, amount_fen: int) -> None:
    placed = await stage.shop.place(amount_fen)
    await stage.pay(placed.id)


async def whole(stage: Stage) -> None:
    wrong = {check.name: check.culprits for check in (await prove(stage.house.database)).checks if check.wrong}
    assert not wrong


async def test_messages_are_new_once_and_stay(buyer: Browser, stage: Stage) -> None:
    assert "Nothing yet" in (await buyer.get("/me/messages")).text
    user_id, database = stage.shop.user_id, stage.house.database
    await database.transact(lambda tx: notices.tell(tx, 1, user_id, clock.now(), "money_free", {"amount_fen": 5_000}, "/wallet"))
    await database.transact(lambda tx: notices.tell(tx, 1, user_id, clock.now(), "something_newer", {"x": 1}))
    first, again = await buyer.get("/me/messages"), await buyer.get("/me/messages")
    assert "¥50 is free again" in first.text
    assert "There is news" in first.text, "a kind that this version does not know still says that there is something"
    assert first.text.count(">New<") == 2
    assert again.text.count(">New<") == 0


@pytest.mark.usefixtures("one_day")
async def test_limits_are_what_the_checks_would_say(buyer: Browser, stage: Stage) -> None:
    await stage.shop.place(50_000)
    text = (await buyer.get("/me/limits")).text
    assert "19,500.00" in text
    assert "WeChat Pay" in text


async def test_the_statement_is_filtered_and_taken_along(buyer: Browser, stage: Stage) -> None:
    await fund(stage, 5_000)
    await fund(stage, 7_000)
    page = await buyer.get("/wallet?only=out")
    assert "+70.00" not in page.text
    assert "+70.00" in (await buyer.get("/wallet?only=in")).text
    assert (await buyer.get("/wallet?only=' or 1=1")).status_code == 200
    file = await buyer.get("/wallet/statement.csv")
    assert file.headers["content-type"].startswith("text/csv")
    lines = file.content.decode("utf-8-sig").splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,.+,70\.00,120\.00,RC-[0-9A-Z]{26}", lines[1]), lines[1]
    assert (await buyer.get("/wallet/statement.csv?only=out")).content.decode("utf-8-sig").splitlines()[1:] == []


async def test_in_03_no_cell_of_the_statement_is_a_formula(buyer: Browser, stage: Stage) -> None:
    """A spreadsheet runs what begins with one of these; ours are the shop's own words, numbers and times, and nobody's input."""
    await fund(stage, 5_000)
    for code in get_args(Code):
        words = load(code).texts
        ours = [text for name, text in words.items() if name.startswith(("statement.", "statement_file."))]
        assert len(ours) > 10
        assert [text for text in ours if text.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    rows = list(csv.reader(io.StringIO((await buyer.get("/wallet/statement.csv")).content.decode("utf-8-sig"))))
    assert len(rows) == 2
    for cell in (cell for row in rows for cell in row):
        assert re.fullmatch(r"-?\d+\.\d\d", cell) or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell


async def test_orders_are_found_by_group_amount_and_number_and_every_try_is_there(buyer: Browser, stage: Stage) -> None:
    await fund(stage, 5_000)
    waiting = await stage.shop.place(7_700)
    stage.sim.fault("order", "error", code="NO_AUTH", http=403)
    failed = await stage.shop.place(8_800)
    assert failed.state == "failed"
    for group, there, not_there in (("waiting", "77.00", "88.00"), ("arrived", "50.00", "77.00"), ("ended", "88.00", "50.00")):
        text = (await buyer.get(f"/orders?group={group}")).text
        assert f"¥{there}" in text, group
        assert f"¥{not_there}" not in text, group
    assert "¥88.00" in (await buyer.get("/orders?q=88")).text
    assert "¥77.00" not in (await buyer.get("/orders?q=88")).text
    assert (await buyer.get(f"/orders?q={waiting.shown}")).headers["location"] == f"/orders/{waiting.shown}"
    assert (await buyer.get(f"/orders?q={waiting.shown.lower().removeprefix('rc-')}")).status_code == 303
    for text in ("zzz", "RC-0", "' or 1=1 --"):
        assert "Nothing found" in (await buyer.get(f"/orders?q={text}")).text, text
    again = await stage.shop.program.desk.retry(stage.shop.user_id, failed.id, stage.channel_id, "h5", "203.0.113.9")
    assert again.state == "awaiting_payment"
    text = (await buyer.get(f"/orders/{failed.shown}")).text
    assert "Every try" in text
    assert "Not paid" in text


async def test_a_copy_of_the_data_needs_the_password_and_holds_everything(buyer: Browser, stage: Stage) -> None:
    await fund(stage, 5_000)
    wrong = await buyer.submit("/me/data", "/me/data", password="not the password")
    assert (wrong.status_code, "content-disposition" in wrong.headers) == (422, False)
    file = await buyer.submit("/me/data", "/me/data", password=PASSWORD)
    content: dict[str, Any] = json.loads(file.content)
    assert content["user"]["phone"] == PHONE
    assert content["orders"][0]["amount_fen"] == 5_000
    assert content["statement"][0]["balance_after_fen"] == 5_000
    assert content["sessions"]
    row = await stage.house.database.row("select sha256 from exports")
    assert row is not None
    assert row["sha256"].hex() == file.headers["x-content-sha256"]


async def test_pd_a_copy_names_neither_who_decided_nor_what_was_noted_nor_an_authority(buyer: Browser, stage: Stage) -> None:
    """Everything of a person's is in it, and nothing of what is secret about him: notes, names, the number of a writ."""
    house, shop = stage.house, stage.shop
    placed = await shop.place(5_000)
    await house.identity.freeze(shop.user_id, actor="staff:77", reason="risk_review", note="SECRET suspicion", office="risk")
    await shop.pay(placed)
    order = await shop.reach(placed.id, "held")
    until = clock.now() + timedelta(days=30)
    await shop.program.desk.freezes.order(order.id, Writ("SECRET office", "SECRET-2026-1", until, None), "staff:77")
    assert not await shop.program.desk.freezes.lift(order.id, "staff:77", "SECRET why")
    assert await shop.program.desk.freezes.lift(order.id, "staff:78", "SECRET why")
    case = await house.cases.open_about(1, "hold", order.shown)
    assert case is not None
    await house.cases.ask(case.id, "staff:77", "source", "Where does it come from?")
    await house.cases.answer(shop.user_id, case.id, "My wages")
    await house.cases.propose(case.id, "staff:77", "rejected", "SECRET verdict")
    await house.cases.confirm(case.id, "staff:78")
    file = await buyer.submit("/me/data", "/me/data", password=PASSWORD)
    content: dict[str, Any] = json.loads(file.content)
    assert [each["to_standing"] for each in content["user"]["standing_history"]] == ["frozen"]
    told = next(each for each in content["cases"] if each["number"] == case.shown)
    assert (told["verdict"], [(line["by"], line["text"]) for line in told["thread"]]) == (
        "rejected", [("support", "Where does it come from?"), ("you", "My wages")],
    )  # fmt: skip
    for secret in ("SECRET", "staff:", "proposed_by", "verdict_why"):
        assert secret not in file.text, secret


async def test_the_unused_money_goes_back_as_it_was_quoted(buyer: Browser, stage: Stage) -> None:
    await fund(stage, 5_000)
    await fund(stage, 7_000)
    page = await buyer.get("/me/refund")
    assert "¥70.00" in page.text
    assert "¥50.00" in page.text
    token = await buyer.token("/me/refund")
    stale = await buyer.post("/me/refund", {"csrf": token, "agreed": "11999", "password": PASSWORD})
    assert stale.status_code == 409
    assert await stage.shop.cash() == 12_000, "a quote that is not the present one moves nothing"
    wrong = await buyer.post("/me/refund", {"csrf": token, "agreed": "12000", "password": "nope nope nope"})
    assert (wrong.status_code, await stage.shop.cash()) == (422, 12_000)
    done = await buyer.post("/me/refund", {"csrf": token, "agreed": "12000", "password": PASSWORD})
    assert done.status_code == 200
    assert "The refunds have begun" in done.text
    assert await stage.shop.cash() == 0
    again = await buyer.post("/me/refund", {"csrf": token, "agreed": "12000", "password": PASSWORD})
    assert again.status_code == 409, "a second press finds nothing to return"
    assert await stage.house.database.value("select sum(amount_fen) from refunds") == 12_000
    await whole(stage)


async def test_part_of_it_was_spent_and_the_newest_payment_gives_first(buyer: Browser, stage: Stage) -> None:
    await fund(stage, 5_000)
    await fund(stage, 7_000)
    owner = stage.house.purchases
    goods_id = await shelf.add_good(
        stage.house.database, 1, goods_class="voucher", name="v", price_fen=4_000, source="s", on_sale=True
    )
    await shelf.add_codes(stage.house.database, stage.shop.program.vault, 1, goods_id, ["ONE"])
    await owner.buy(stage.shop.user_id, Basket(goods_id, 1, 4_000), secrets.token_hex(8))
    way = await Unused(stage.house.database, stage.house.desk).quote(stage.shop.user_id)
    assert [part.amount_fen for part in way.parts] == [7_000, 1_000]
    assert (way.total_fen, way.rest_fen, way.stuck) == (8_000, 0, ())


async def test_closing_gives_the_money_back_waits_for_it_and_ends_for_good(buyer: Browser, stage: Stage, free_clock: None) -> None:
    await fund(stage, 5_000)
    waiting = await stage.shop.place(7_700)
    token = await buyer.token("/me/close")
    unsure = await buyer.post("/me/close", {"csrf": token, "password": PASSWORD})
    assert unsure.status_code == 422
    answer = await buyer.post("/me/close", {"csrf": token, "password": PASSWORD, "sure": "1"})
    assert answer.headers["location"] == "/me/close", "an order still waits for its payment"
    page = await buyer.get("/me/close")
    assert "Closing" in page.text
    assert "Orders without an end: 1" in page.text
    assert await stage.shop.cash() == 0
    await stage.shop.program.desk.cancel(stage.shop.user_id, waiting.id)
    for _ in range(600):
        # The channel's own clock pays the refund out; how many looks that takes is its affair.
        await stage.shop.later(70)
        await stage.shop.work()
        if await stage.house.database.value("select standing from users where id = $1", stage.shop.user_id) == "closed":
            break
        await asyncio.sleep(0.05)
    assert await stage.house.database.value("select standing from users where id = $1", stage.shop.user_id) == "closed"
    assert (await buyer.get("/me")).headers["location"].startswith("/login")
    assert await stage.house.database.value("select ended from closings") == "closed"
    await whole(stage)


async def test_who_changes_his_mind_stays(buyer: Browser, stage: Stage, free_clock: None) -> None:
    await stage.shop.place(7_700)
    await buyer.submit("/me/close", "/me/close", password=PASSWORD, sure="1")
    assert (await buyer.submit("/me/close", "/me/stay")).headers["location"] == "/me"
    await stage.shop.later(70)
    await stage.shop.work()
    assert (await buyer.get("/me")).status_code == 200


async def test_an_empty_account_closes_at_once(buyer: Browser, stage: Stage) -> None:
    answer = await buyer.submit("/me/close", "/me/close", password=PASSWORD, sure="1")
    assert answer.headers["location"] == "/login"
    assert await stage.house.database.value("select standing from users where id = $1", stage.shop.user_id) == "closed"


@pytest.mark.usefixtures("services")
async def test_pd_a_closed_account_keeps_no_key_of_its_person_and_the_fact_stays(buyer: Browser, stage: Stage) -> None:
    phone, _ = await enrolled(stage, buyer)
    database, user_id = stage.house.database, stage.shop.user_id
    await buyer.submit("/me/notices", "/me/notices/email/ask", address="buyer.one@example.com")
    letter = re.search(r"/me/notices/email\?t=([\w=-]+)", stage.shop.sim.services.messages[0].text)
    assert letter is not None
    await buyer.submit(f"/me/notices/email?t={letter[1]}", "/me/notices/email", t=letter[1])
    kept = "select f.secret_sealed, c.email_sealed from factors f join notice_choices c using (user_id) where user_id = $1"
    before = await database.row(kept, user_id)
    assert before is not None
    assert None not in tuple(before)
    await stage.house.identity.close(user_id, actor="staff:1", reason="owner_request")
    after = await database.row(f"{kept.replace('f.secret_sealed', 'f.secret_sealed, f.wanted_sealed')}", user_id)
    assert after is not None
    assert set(after) == {None}
    ended = await database.value("select ended_at from factors where user_id = $1", user_id)
    assert ended == await database.value("select standing_since from users where id = $1", user_id), "that there was one stays"
    assert await database.value("select count(*) from recovery_codes where void_at is null and used_at is null") == 0
    told = await database.rows("select kind from events where user_id = $1 and kind like 'user.%' order by xact, seq", user_id)
    assert [row["kind"] for row in told][-2:] == ["user.email_proved", "user.closed"]
    assert not await factor.right(database, stage.shop.program.vault, user_id, phone.code())
