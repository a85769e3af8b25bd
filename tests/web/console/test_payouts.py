"""Paying back by hand at the desk: one proposes, another approves, the account is shown on record, the bank's number ends it."""

import re

from tests.flows.test_payouts import NAME, closed, verified
from tests.web.console.conftest import Hire
from tests.web.console.test_offers import login
from tests.web.stage import Stage

from daozhang import clock
from daozhang.events.audit import trail

ACCOUNT = {"name": NAME, "bank": "工商银行北京分行", "number": "6222020200012345678"}


async def test_two_people_pay_back_by_hand(hire: Hire, stage: Stage) -> None:
    fen, wei = await hire("fen", "finance"), await hire("wei", "owner")
    await verified(stage.shop, NAME)
    order = await closed(stage.shop)
    asked = {"order": order.shown, "amount": "50.00", "why": "the payer's account is gone", **ACCOUNT}
    wrong = await fen.do("/desk/payouts", "/desk/payouts", **{**asked, "name": "王小明"})
    assert "payout.other_name" in wrong.text
    assert (await fen.do("/desk/payouts", "/desk/payouts", **asked)).status_code == 303
    page = (await fen.get("/desk/payouts")).text
    found = re.search(r"/desk/payouts/([0-9a-f-]+)/reject", page)
    assert found is not None
    address = f"/desk/payouts/{found[1]}"
    assert f'action="{address}/approve"' not in page, "who proposed is not offered to approve"
    assert "payout.same_person" in (await fen.do("/desk/payouts", f"{address}/approve")).text
    assert (await wei.do("/desk/payouts", f"{address}/approve")).status_code == 303
    assert ACCOUNT["number"] not in (await fen.get("/desk/payouts")).text
    shown = (await fen.do("/desk/payouts", f"{address}/account")).text
    assert ACCOUNT["number"] in shown
    assert "payout.malformed" in (await fen.do("/desk/payouts", f"{address}/paid", reference="?")).text
    assert (await fen.do("/desk/payouts", f"{address}/paid", reference="ICBC20261128001")).status_code == 303
    page = (await fen.get("/desk/payouts")).text
    assert f"{address}/account" not in page
    assert f'action="{address}/bounced"' in page, "a bank may still send it back"
    assert "staff.why_required" in (await fen.do("/desk/payouts", f"{address}/bounced", why="")).text
    assert (await fen.do("/desk/payouts", f"{address}/bounced", why="账号不存在")).status_code == 303
    assert address not in (await fen.get("/desk/payouts")).text
    assert (await stage.shop.program.desk.wallet(stage.shop.user_id)).cash_fen == 5_000
    lines = [(line.action, line.outcome) for line in await trail(stage.house.database, 1, subject=f"payout {found[1]}")]
    assert lines == [
        ("payout.bounced", "done"), ("payout.bounced", "refused"),
        ("payout.paid", "done"), ("payout.paid", "refused"), ("payout.account", "done"), ("payout.approve", "done"),
        ("payout.approve", "refused"),
    ]  # fmt: skip
    held = str([dict(row) for row in await stage.house.database.rows("select * from staff_actions")])
    assert ACCOUNT["number"] not in held


async def test_alone_one_is_told_from_when_and_how_much(hire: Hire, stage: Stage, free_clock: None) -> None:
    boss = await hire("boss", "owner")
    await verified(stage.shop, NAME)
    order = await closed(stage.shop)
    asked = {"order": order.shown, "amount": "50.00", "why": "the payer's account is gone", **ACCOUNT}
    assert (await boss.do("/desk/payouts", "/desk/payouts", **asked)).status_code == 303
    page = (await boss.get("/desk/payouts")).text
    assert "You may approve it yourself from" in page
    found = re.search(r"/desk/payouts/([0-9a-f-]+)/reject", page)
    assert found is not None
    address = f"/desk/payouts/{found[1]}/approve"
    assert address not in page
    assert "payout.same_person" in (await boss.do("/desk/payouts", address)).text
    assert await stage.house.database.value("select count(*) from alarms where kind = 'staff.alone' and key like 'payout:%'") == 1
    await stage.shop.later(86_401)
    await login(boss)
    assert address in (await boss.get("/desk/payouts")).text
    assert (await boss.do("/desk/payouts", address)).status_code == 303
    assert await stage.house.database.value("select alone from payouts where state = 'approved'") is True
    clock.shift(0)
