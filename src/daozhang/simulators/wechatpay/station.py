"""WeChat Pay as a station: its interface below `/v3/`, its H5 page, and the sheet that WeixinJSBridge opens (`/phone/jsapi`)."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from daozhang.simulators.faults import TRICKS
from daozhang.simulators.merchant import Enrolment, Merchant, enrol, load_enrolment
from daozhang.simulators.station import NotPayable, World
from daozhang.simulators.wechatpay.books import H5_VALID_S, Books, Refund
from daozhang.simulators.wechatpay.errors import STATUSES
from daozhang.simulators.wechatpay.hand import BANKS, REFUSALS, Hand
from daozhang.simulators.wechatpay.notices import Notices
from daozhang.simulators.wechatpay.orders import Orders
from daozhang.simulators.wechatpay.refunds import Refunds
from daozhang.simulators.wechatpay.server import ApiServer
from daozhang.simulators.wechatpay.signing import Keyring
from daozhang.simulators.wire import Answer, Receive, Scope, Send, lead_to_payment, write


class WeChatPay:
    """See `daozhang.simulators.station.Station`. `enrolments` are keys made before: making them takes about 0.3 s."""

    kind = "wechatpay"
    prefixes = ("/v3/", "/cgi-bin/", "/phone/jsapi")
    ways = tuple(BANKS)
    refusals = REFUSALS
    tricks = TRICKS
    codes = tuple(sorted(STATUSES))

    def __init__(self, world: World, *enrolments: Enrolment) -> None:
        enrolments = enrolments or (_enrolment(world.folder),)
        self._watch, self._url = world.watch, world.url
        self.merchant: Merchant = enrolments[0].merchant
        self.books = Books(str(world.folder / "books.sqlite") if world.folder else ":memory:", world.watch)
        self._keyrings = {each.merchant.mchid: Keyring(each) for each in enrolments}
        for mchid in self._keyrings:
            self.books.add_merchant(mchid)
        self.notices = Notices(self.books, world.watch, world.habits, world.dial, self._keyrings)
        self._refunds = Refunds(self.books, world.watch, world.habits)
        merchants = {mchid: keyring.merchant for mchid, keyring in self._keyrings.items()}
        self.hand = Hand(self.books, world.watch, world.dial, self.notices, merchants)
        orders = Orders(self.books, world.watch, world.url)
        self._api = ApiServer(self._keyrings, self.books, world.watch, world.habits, world.dial, orders, self._refunds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        if path.startswith("/v3/"):
            await self._api(scope, receive, send)
            return
        doors = {"/cgi-bin/mmpayweb-bin/checkmweb": self._h5, "/phone/jsapi": self._jsapi}
        if path not in doors:
            await write(send, Answer(404))
        elif scope["method"] not in ("GET", "HEAD"):
            await write(send, Answer(405, headers={"Allow": "GET"}))
        else:
            pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            await write(send, doors[path](dict(reversed(pairs))))

    async def run(self) -> None:
        """Send what is due until cancelled."""
        await self.notices.run()

    def card(self) -> dict[str, Any]:
        """What a merchant copies out of the merchant platform."""
        return card_of(self.merchant, self._url)

    def sums(self) -> dict[str, Any]:
        """The books in sum."""
        return {
            "paid": self.books.paid_totals(),
            "refunded": self.books.refund_totals(),
            "balance_fen": sum(self.books.balance_fen(mchid) for mchid in self._keyrings),
            "orders": self.books.order_counts(),
            "notices": self.books.notice_counts(),
        }

    def story(self, number: str) -> dict[str, Any]:
        """All about one payment."""
        order = self.hand.order(number)
        number = order.out_trade_no
        return {
            "order": order,
            "refunds": self.books.refunds_of(order),
            "notices": [{"id": each.id, "state": each.state, "step": each.step} for each in self.books.notices(number)],
            "sends": self.books.sends(number),
        }

    def busy(self) -> bool:
        """Whether a callback or refund still waits, is held or is being sent."""
        return self.notices.busy()

    def look(self) -> None:
        """Something may be due earlier than before."""
        self.notices.look()

    def wake(self) -> None:
        """Make every waiting callback due now."""
        self.books.wake_notices()
        self.notices.look()

    def close(self) -> None:
        """Let go of the books."""
        self.books.close()

    def refund_by_hand(self, out_trade_no: str, out_refund_no: str, amount_fen: int) -> Refund:
        """Refund as a person does in the merchant platform. Raises `ApiError` when the channel would refuse."""
        order = self.books.order(self.merchant.mchid, out_trade_no)
        if order is None:
            raise LookupError(out_trade_no)
        refund = self._refunds.by_hand(self.merchant, order, out_refund_no, amount_fen)
        self.notices.look()
        return refund

    def _h5(self, given: dict[str, str]) -> Answer:
        """What `h5_url` opens: good for five minutes, nothing may be appended but `redirect_url`."""
        order = self.hand.order(given.get("prepay_id", ""))
        if given.get("package") != order.code or not set(given) <= {"prepay_id", "package", "redirect_url", "lang"}:
            raise NotPayable("h5_changed")
        if order.paid_s is None and self._watch.now_s() >= order.created_s + H5_VALID_S:
            raise NotPayable("h5_stale")
        return lead_to_payment(order.code, given.get("redirect_url", ""))

    def _jsapi(self, given: dict[str, str]) -> Answer:
        """What WeixinJSBridge does with the six values a merchant's page hands it: the merchant's signature must hold."""
        prepay_id = given.get("package", "").removeprefix("prepay_id=")
        order = self.hand.order(prepay_id)
        message = f"{order.appid}\n{given.get('timeStamp', '')}\n{given.get('nonceStr', '')}\n{given.get('package', '')}\n"
        if given.get("signType") != "RSA" or not self._keyrings[order.mchid].verify(message.encode(), given.get("paySign", "")):
            raise NotPayable("sign")
        return lead_to_payment(order.code, given.get("back", ""))


def card_of(merchant: Merchant, url: str) -> dict[str, Any]:
    """What a merchant whose channel is at `url` enters in the shop."""
    return {
        "kind": WeChatPay.kind,
        "name": "微信支付",
        "merchant": merchant.mchid,
        "app": merchant.appid,
        "methods": ["native", "h5"],
        "hosts": [url],
        "keys": {
            "serial_no": merchant.serial_no,
            "private_key": merchant.private_key,
            "api_v3_key": merchant.api_v3_key,
            "platform_certificates": list(merchant.platform_certificates.values()),
            "public_key_id": merchant.public_key_id,
            "public_key": merchant.public_key,
        },
    }


def _enrolment(folder: Path | None) -> Enrolment:
    """The same keys as last time, so that a channel that was registered once still fits after a restart."""
    if folder is None:
        return enrol()
    path = folder / "enrolment.json"
    if path.exists():
        return load_enrolment(path)
    enrolment = enrol()
    enrolment.save(path)
    return enrolment
