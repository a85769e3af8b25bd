"""The registers at the desk: for the role alone, the trail names nobody, and a file leaves with its hash on record."""

import json

from tests.web.console.conftest import Hire
from tests.web.stage import Stage


async def test_the_role_writes_files_and_exports_and_the_trail_names_nobody(hire: Hire, stage: Stage) -> None:
    someone = await hire("wang", "aml")
    page = await someone.get("/desk/register")
    assert page.status_code == 200
    assert "/desk/register" in page.text
    fields = {"user": "424242", "pattern": "多个账户一个付款人", "facts": "见单号", "orders": "RC-" + "0" * 26, "measures": ""}
    assert (await someone.do("/desk/register", "/desk/register", **fields)).status_code == 303
    page = await someone.get("/desk/register")
    assert "多个账户一个付款人" in page.text
    number = await stage.house.database.value("select id from suspicions")
    answer = await someone.do("/desk/register", f"/desk/register/{number}/end", reference="2026-77", why="")
    assert answer.status_code == 303
    told = json.loads((await someone.get("/desk/register/export")).content)
    assert [(each["state"], each["reference"], each["content"]["user_id"]) for each in told["suspicions"]] == [
        ("filed", "2026-77", 424242)
    ]
    lines = await stage.house.database.rows("select * from staff_actions")
    assert not [line for line in lines if "424242" in str(dict(line)) or "付款人" in str(dict(line))]


async def test_the_owner_is_not_shown_that_there_is_a_register(hire: Hire) -> None:
    owner = await hire("boss", "owner")
    assert "/desk/register" not in (await owner.get("/desk")).text
    assert (await owner.get("/desk/register")).status_code == 403
