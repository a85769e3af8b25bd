"""Regulation at the desk: a row is written by one, confirmed by another, and ended by two."""

import re

from tests.flows.shop import refuses
from tests.web.console.conftest import Hire
from tests.web.stage import Stage

from daozhang.cases.model import parse_shown
from daozhang.policy import regulation

ROW = {
    "region": "44", "channel_class": "wallet", "goods_class": "", "reference": "粤金〔2026〕17号", "begins": "", "until": "",
    "in_flight": "finish", "notice_zh": "广东暂停钱包类充值，可改用银行卡。",
    "notice_en": "Wallets are closed in Guangdong; cards work.",
}  # fmt: skip


async def test_a_row_takes_two_people_to_begin_and_two_to_end(hire: Hire, stage: Stage) -> None:
    mei, tao, lin = await hire("mei", "aml"), await hire("tao", "aml"), await hire("lin", "support")
    assert (await mei.do("/desk/regions", "/desk/regions", **{**ROW, "region": "99"})).status_code == 422
    assert (await mei.do("/desk/regions", "/desk/regions", **{**ROW, "begins": "soon"})).status_code == 422
    assert (await mei.do("/desk/regions", "/desk/regions", **ROW)).status_code == 303
    page = (await tao.get("/desk/regions")).text
    found = re.search(r"/desk/regions/(\d+)/approve", page)
    assert found is not None
    assert "Guangdong" in page
    assert found[0] not in (await mei.get("/desk/regions")).text
    assert found[0] not in (await lin.get("/desk/regions")).text
    assert "regulation.second_person" in (await mei.do("/desk/regions", found[0])).text
    assert (await tao.do("/desk/regions", found[0])).status_code == 303
    assert "in force" in (await lin.get("/desk/regions")).text
    end = f"/desk/regions/{found[1]}/end"
    assert (await mei.do("/desk/regions", end, why="the letter was withdrawn")).status_code == 303
    assert "end requested" in (await lin.get("/desk/regions")).text
    assert (await tao.do("/desk/regions", end, why="seen")).status_code == 303
    assert end not in (await mei.get("/desk/regions")).text


async def test_a_region_that_was_chosen_wrongly_is_put_right_by_two(hire: Hire, stage: Stage) -> None:
    lin, ren, kim = await hire("lin", "support"), await hire("ren", "risk"), await hire("kim", "finance")
    database, user_id = stage.shop.program.database, stage.shop.user_id
    await regulation.choose(database, 1, user_id, "44")
    page = f"/desk/users/{user_id}"
    assert f"{page}/region" in (await lin.get(page)).text
    assert f"{page}/region" not in (await kim.get(page)).text
    assert (await lin.do(page, f"{page}/region", region="99", why="moved last week")).status_code == 422
    answer = await lin.do(page, f"{page}/region", region="31", why="moved last week")
    assert answer.status_code == 303
    case = answer.headers["location"]
    assert await regulation.declared(database, user_id) == "44"
    text = (await ren.get(case)).text
    assert "广东 → 上海: moved last week" in text
    assert "Keep the new region" in text
    assert "cases.not_waiting" in (await ren.do(page, f"{page}/region", region="32", why="no, this one")).text
    assert (await lin.do(case, f"{case}/confirm", verdict="approved")).status_code == 403
    assert await regulation.declared(database, user_id) == "44"
    assert (await ren.do(case, f"{case}/confirm", verdict="approved")).status_code == 303
    assert await regulation.declared(database, user_id) == "31"


async def test_a_correction_stands_whatever_its_customer_answers(hire: Hire, stage: Stage) -> None:
    lin, ren = await hire("lin", "support"), await hire("ren", "risk")
    house, user_id = stage.house, stage.shop.user_id
    await regulation.choose(house.database, 1, user_id, "44")
    page = f"/desk/users/{user_id}"
    case = (await lin.do(page, f"{page}/region", region="31", why="an address in Shanghai")).headers["location"]
    case_id = parse_shown(case.rsplit("/", 1)[1])
    assert case_id is not None
    await house.cases.answer(user_id, case_id, "I never moved")
    with refuses("cases.not_withdrawable"):
        await house.cases.withdraw(user_id, case_id)
    found = await house.cases.case(case_id)
    assert found is not None
    assert (found.state, found.withdrawable) == ("need_staff", False), "it is looked at anew"
    assert (await lin.do(case, f"{case}/propose", verdict="approved", why="an address in Shanghai")).status_code == 303
    assert (await ren.do(case, f"{case}/confirm", verdict="approved")).status_code == 303
    assert await regulation.declared(house.database, user_id) == "31"


async def test_the_region_that_holds_already_opens_no_case(hire: Hire, stage: Stage) -> None:
    lin, database, user_id = await hire("lin", "support"), stage.shop.program.database, stage.shop.user_id
    await regulation.choose(database, 1, user_id, "44")
    page = f"/desk/users/{user_id}"
    answer = await lin.do(page, f"{page}/region", region="44", why="asked to")
    assert (answer.status_code, "This is the region already" in answer.text) == (409, True)
    assert await stage.house.cases.open_about(1, "region", f"user:{user_id}") is None
