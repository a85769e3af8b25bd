"""Messages that leave the site: safety to the number, else as their reader chose; never with a name or a sum."""

import re

import pytest
from tests.flows.shop import PASSWORD, PHONE
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang import clock, notices
from daozhang.mine import outward
from daozhang.web.locale import load

ADDRESS = "buyer.one@example.com"


async def sent(stage: Stage) -> list[tuple[str, str]]:
    """What arrived since the last look, once what is due was sent."""
    (due,) = [each for each in stage.shop.program.dues if each.name == "outward"]
    while await due.once():
        pass
    messages = stage.shop.sim.services.messages
    found = [(each.to, each.text) for each in messages]
    messages.clear()
    return found


async def told(stage: Stage, kind: str) -> None:
    """Tell the user something, as a room does in its transaction."""
    facts = {"amount_fen": 123_400, "until_at": clock.now()}
    await stage.house.database.transact(lambda tx: notices.tell(tx, 1, stage.shop.user_id, clock.now(), kind, facts, "/me"))


@pytest.mark.usefixtures("services")
async def test_what_is_sent_where_is_the_readers_choice_and_safety_always_goes_to_the_number(
    stage: Stage, buyer: Browser, free_clock: None
) -> None:
    await told(stage, "money_free")
    assert await sent(stage) == [], "on the site only, until something was chosen"
    await buyer.submit("/me", "/me/password", old=PASSWORD, password="a kettle sings at dusk 9")
    ((to, text),) = await sent(stage)
    assert (to, "密码已修改" in text, "绝不会" in text) == (PHONE, True, True)
    refused = await buyer.submit("/me/notices", "/me/notices", email="1")
    assert refused.status_code == 409
    wrong = await buyer.submit("/me/notices", "/me/notices/email/ask", address="nobody at home")
    assert wrong.status_code == 422
    await buyer.submit("/me/notices", "/me/notices/email/ask", address=ADDRESS)
    ((to, letter),) = await sent(stage)
    link = re.search(r"/me/notices/email\?t=([\w=-]+)", letter)
    assert (to, link is not None) == (ADDRESS, True)
    assert link is not None
    assert ADDRESS not in (await buyer.get("/me/notices")).text, "not before it was proved"
    page = f"/me/notices/email?t={link[1]}"
    assert (await buyer.submit(page, "/me/notices/email", t=link[1][:-8] + "AAAAAAA=")).status_code == 409
    assert (await buyer.submit(page, "/me/notices/email", t=link[1])).headers["location"] == "/me/notices?done=proved"
    assert "b***@example.com" in (await buyer.get("/me/notices")).text
    await told(stage, "money_free")
    assert [to for to, _ in await sent(stage)] == [ADDRESS]
    await buyer.submit("/me/notices", "/me/notices", sms="1", email="1")
    await told(stage, "money_free")
    assert sorted(to for to, _ in await sent(stage)) == sorted([PHONE, ADDRESS])
    # While nobody knows, it is tried again under the same number: what was done once is not done twice.
    stage.sim.services.turn("lost")
    await told(stage, "device_unbound")
    assert len(await sent(stage)) == 2
    stage.sim.services.turn("")
    await stage.shop.later(11)
    assert await sent(stage) == [], "the provider knew the number"
    states = await stage.house.database.rows("select state from notice_sends where kind = 'device_unbound'")
    assert {row["state"] for row in states} == {"sent"}
    await buyer.submit("/me/notices", "/me/notices/email/forget")
    assert await stage.house.database.value("select email_sealed from notice_choices") is None


@pytest.mark.usefixtures("services")
async def test_pd_what_leaves_the_site_names_nobody_and_no_sum(stage: Stage) -> None:
    """Every kind that there is, in both languages: no digit, no name, whatever its facts hold."""
    zh, en = (load("zh").texts, load("en").texts)
    kinds = {name.removeprefix("notice.") for name in zh if name.startswith("notice.")} - {"other"}
    assert kinds <= set(outward.words()["what"]), "every message can be said outside"
    assert kinds == {name.removeprefix("notice.") for name in en if name.startswith("notice.")} - {"other"}
    assert kinds >= notices.SAFETY
    chosen = (stage.shop.user_id, 1, True, False)
    for language in ("zh", "en"):
        await stage.house.identity.speak(stage.shop.user_id, language)  # type: ignore[arg-type]
        await stage.house.database.transact(lambda tx: tx.run(outward.sql.choose_notices, *chosen, clock.now()))
        for kind in sorted(kinds):
            await told(stage, kind)
        texts = [text for _, text in await sent(stage)]
        assert len(texts) == len(kinds)
        assert not [text for text in texts if re.search(r"[0-9¥]|138|http", text)]
