"""Lists of a person: by position, twenty a page, and what is typed into their address is a position or nothing."""

from urllib.parse import quote

import pytest
from tests.web.stage import Stage
from tests.web.test_order import place
from tests.web.test_recharge import fill
from tests.web.test_sessions import Browser

from daozhang.postgres import Database
from daozhang.web.locale import load

INJECTIONS = (
    "' or 1=1 --", "1;drop table orders", "') union select phone_sealed from users --", "\\'; select pg_sleep(9) --", "${jndi:x}",
    "%27", "RC-' or ''='", "\x00", "../../etc/passwd", "0" * 26 + "'", "9" * 400,
)  # fmt: skip


@pytest.mark.parametrize("path", ["/orders", "/wallet"])
async def test_in_02_a_position_that_is_none_is_the_newest_page(buyer: Browser, stage: Stage, path: str) -> None:
    """Nothing that is typed there reaches a statement as anything but a parameter; the page is the same as without it."""
    _, order_id = await place(buyer)
    await stage.pay(order_id)
    plain = await buyer.get(path)
    for text in INJECTIONS:
        for name in ("before", "sort", "order", "limit", "date"):
            seen = await buyer.get(f"{path}?{name}={quote(text, safe='')}")
            assert (seen.status_code, seen.text.count("<li")) == (200, plain.text.count("<li")), (name, text)
    assert await stage.shop.cash() == 5_000


@pytest.mark.parametrize("field", ["amount", "other_amount", "method", "key", "page_version"])
async def test_in_02_a_field_of_the_form_is_a_value(buyer: Browser, stage: Stage, field: str) -> None:
    for text in INJECTIONS:
        seen = await buyer.post("/recharge", await fill(buyer, **{field: text}))
        assert seen.status_code in {303, 400, 409, 422}, (text, seen.status_code)
    assert await stage.house.database.value("select count(*) from users") == 1
    assert await stage.shop.cash() == 0


async def test_every_booking_that_moves_cash_has_words_in_both_languages(database: Database) -> None:
    kinds = await database.rows("select distinct kind from transfer_kinds where 'user_cash' in (from_kind, to_kind) order by kind")
    assert len(kinds) > 6
    for row in kinds:
        key = "statement." + row["kind"].replace(".", "_")
        assert [load(code).has(key) for code in ("zh", "en")] == [True, True], key
