"""The way to a channel's own page and back: led, looked into, never believed."""

from typing import TYPE_CHECKING

from daozhang.web.front.channel import _places

if TYPE_CHECKING:
    from tests.web.test_sessions import Browser


class _View:
    def __init__(self, url: str) -> None:
        self.payload = {"url": url}


async def test_who_comes_back_is_led_to_the_order_whatever_the_channel_appends(buyer: "Browser") -> None:
    shown = "RC-" + "0" * 26
    for answer in (
        await buyer.get(f"/back/{shown}?trade_status=TRADE_SUCCESS&total_amount=1"),
        await buyer.post(f"/back/{shown}", {"respCode": "00"}, origin="https://gateway.example"),
    ):
        assert (answer.status_code, answer.headers["location"]) == (303, f"/orders/{shown}/back")


async def test_a_number_that_is_none_leads_to_the_orders(buyer: "Browser") -> None:
    for bad in ("x", "RC-", "RC-" + "I" * 26):
        answer = await buyer.get(f"/back/{bad}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/orders")


def test_a_form_leads_to_its_channel_alone() -> None:
    assert _places(_View("https://gateway.95516.com/gateway/api/frontTransReq.do")) == "https:"  # type: ignore[arg-type]
    assert _places(_View("http://127.0.0.1:8421/gateway")) == "http://127.0.0.1:8421"  # type: ignore[arg-type]
