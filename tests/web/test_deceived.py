"""The page for a payer who was tricked: no account, one answer, bounded by network."""

from tests.cases.test_evidence import picture
from tests.web.stage import Stage
from tests.web.test_cases import multipart
from tests.web.test_sessions import Browser


async def send(browser: Browser, pictures: list[bytes], **fields: str) -> object:
    body, kind = multipart({"csrf": await browser.token("/deceived"), **fields}, pictures)
    return await browser.post("/deceived", body=body, content_type=kind)


async def test_a_stranger_reports_and_sees_where_it_stands(stage: Stage, shop_app: object) -> None:
    order = await stage.shop.place()
    await stage.shop.pay(order)
    await stage.shop.reach(order.id, "credited")
    number = await stage.shop.program.database.value("select channel_txn from attempts where order_id = $1", order.id)
    stranger = Browser(shop_app, ip="198.51.100.7")
    answers = [
        await send(stranger, [picture()], number=each, amount="50", text="<b>a job</b>")
        for each in (str(number), "4200000000000000000000000001")
    ]
    pages = []
    for answer in answers:
        assert answer.status_code == 303  # type: ignore[attr-defined]
        standing = await stranger.get(answer.headers["location"])  # type: ignore[attr-defined]
        assert standing.status_code == 200
        page = standing.text
        assert "a job" not in page
        assert str(number) not in page
        assert answer.headers["location"].rpartition("/")[2] in page, "the number to come back with stands there"  # type: ignore[attr-defined]
        pages.append(page.split("<main", 1)[1].split("CA-", 1)[0])
    assert pages[0].split("cure", 1)[0] == pages[1].split("cure", 1)[0], "known or not, it reads the same"
    assert await stage.shop.cash() == 0


async def test_rl_a_network_has_few_reports_a_day(stage: Stage, shop_app: object) -> None:
    stranger = Browser(shop_app, ip="198.51.100.9")
    seen = []
    for n in range(7):
        answer = await send(stranger, [], number=f"420000000000000000000000000{n}", amount="50", text="x")
        seen.append(answer.status_code)  # type: ignore[attr-defined]
    assert seen == [303] * 5 + [429] * 2


async def test_what_is_wrong_is_said_and_what_was_typed_stays(shop_app: object) -> None:
    stranger = Browser(shop_app, ip="198.51.100.11")
    answer = await send(stranger, [], number="x", amount="50", text="kept words")
    assert (answer.status_code, "kept words" in answer.text) == (422, True)  # type: ignore[attr-defined]
    answer = await send(stranger, [], number="42000000000000001", amount="1e3", text="kept words")
    assert (answer.status_code, "kept words" in answer.text) == (422, True)  # type: ignore[attr-defined]
    assert (await stranger.get("/deceived/CA-" + "0" * 26)).status_code == 404
