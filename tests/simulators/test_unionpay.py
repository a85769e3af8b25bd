"""The simulated UnionPay is true to its protocol: what it answers, what it tells, how often, and what it keeps."""

import asyncio
import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from math import ceil
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from daozhang import clock
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.station import NotPayable
from daozhang.simulators.unionpay.books import Notice
from daozhang.simulators.unionpay.enrolment import Enrolment, enrol
from daozhang.simulators.unionpay.station import UnionPay
from daozhang.simulators.watch import digits

Fields = dict[str, str]


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol()


@pytest.fixture
async def sim(enrolment: Enrolment) -> AsyncIterator[Simulator]:
    async with Simulator(kinds=("unionpay",), makers={"unionpay": lambda world: UnionPay(world, enrolment)}) as running:
        yield running


class Shop:
    """A merchant who does everything by hand, and a door that answers as it is told."""

    def __init__(self, sim: Simulator) -> None:
        self.sim, self.station = sim, sim.station(UnionPay)
        self.heard: list[tuple[str, Fields]] = []
        self.answer = 200
        self.url = ""
        self._key = load_pem_private_key(self.station.merchant.private_key.encode(), None)

    async def door(self, request: web.Request) -> web.Response:
        self.heard.append((request.content_type, dict(await request.post())))
        return web.Response(status=self.answer, text="anything")

    def signed(self, fields: Fields) -> Fields:
        merchant = self.station.merchant
        whole = {"version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "accessType": "0", "merId": merchant.mer_id}
        whole |= {"certId": merchant.cert_id} | fields
        text = "&".join(f"{name}={whole[name]}" for name in sorted(whole) if whole[name])
        digest = hashlib.sha256(text.encode()).hexdigest().encode()
        return whole | {"signature": b64encode(self._key.sign(digest, PKCS1v15(), hashes.SHA256())).decode()}

    def order(self, number: str = "A" * 26, **changes: str) -> Fields:
        return {
            "txnType": "01", "txnSubType": "07", "bizType": "000000", "channelType": "08", "orderId": number,
            "txnTime": digits(clock.now_s()), "txnAmt": "5000", "currencyCode": "156", "backUrl": self.url,
        } | changes  # fmt: skip

    async def post(self, path: str, fields: Fields, *, sign: bool = True) -> tuple[int, str, Fields]:
        body = urlencode(self.signed(fields) if sign else fields).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        async with aiohttp.ClientSession() as session, session.post(self.sim.url + path, data=body, headers=headers) as answer:
            text = await answer.text()
        told = dict(part.partition("=")[::2] for part in text.split("&")) if "respCode=" in text else {}
        return answer.status, text, told

    async def back(self, fields: Fields, **how: bool) -> Fields:
        return (await self.post("/gateway/api/backTransReq.do", fields, **how))[2]

    async def query(self, fields: Fields) -> Fields:
        asked = {name: fields[name] for name in ("orderId", "txnTime")}
        asked |= {"txnType": "00", "txnSubType": "00", "bizType": "000000"}
        return (await self.post("/gateway/api/queryTrans.do", asked))[2]


@pytest.fixture
async def shop(sim: Simulator) -> AsyncIterator[Shop]:
    made = Shop(sim)
    application = web.Application()
    application.router.add_post("/notify", made.door)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/notify"
    yield made
    await runner.cleanup()


async def test_answers_are_plain_signed_twice_and_carry_their_certificate(shop: Shop, enrolment: Enrolment) -> None:
    status, text, told = await shop.post("/gateway/api/backTransReq.do", shop.order())
    assert (status, told["respCode"], told["respMsg"]) == (200, "00", "成功[0000000]")
    assert "%" not in text
    assert told["signPubKeyCert"] == enrolment.signer
    assert "\r\n" in told["signPubKeyCert"]
    plain = "&".join(f"{name}={told[name]}" for name in sorted(told) if name != "signature")
    key = load_pem_x509_certificate(told["signPubKeyCert"].encode()).public_key()
    key.verify(b64decode(told["signature"]), hashlib.sha256(plain.encode()).hexdigest().encode(), PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"orderId": ""}, "13"),
        ({"orderId": "A-1_2345678"}, "10"),
        ({"orderId": "A" * 41}, "10"),
        ({"txnTime": "20261332000000"}, "10"),
        ({"txnTime": "20200101000000"}, "10"),
        ({"txnAmt": "0"}, "10"),
        ({"txnAmt": "1.00"}, "10"),
        ({"txnAmt": "-1"}, "10"),
        ({"currencyCode": "840"}, "10"),
        ({"backUrl": "ftp://x"}, "10"),
        ({"txnType": "13"}, "10"),
        ({"version": "5.0.0"}, "10"),
        ({"signMethod": "11"}, "10"),
        ({"certId": "12345"}, "11"),
        ({"bizType": "000201"}, "10"),
        ({"payTimeout": "20200101000000"}, "10"),
    ],
    ids=str,
)
async def test_what_is_out_of_shape_is_refused_in_unionpays_words(shop: Shop, change: Fields, code: str) -> None:
    told = await shop.back(shop.order(**change))
    assert told["respCode"] == code
    assert told["signature"]


async def test_a_wrong_signature_and_an_unknown_merchant(shop: Shop) -> None:
    fields = shop.signed(shop.order()) | {"txnAmt": "1"}
    assert (await shop.back(fields, sign=False))["respCode"] == "11"
    stranger = await shop.back(fields | {"merId": "777290058199999"}, sign=False)
    assert (stranger["respCode"], "signature" in stranger) == ("31", False)
    assert (await shop.post("/gateway/api/backTransReq.do", {"x": "1"}, sign=False))[2]["respCode"] == "13"


async def test_paths_and_verbs_that_are_none(shop: Shop) -> None:
    async with aiohttp.ClientSession() as session:
        for verb, path, status in (
            ("GET", "/gateway/api/queryTrans.do", 405),
            ("POST", "/gateway/api/appTransReq.do", 404),
            ("GET", "/gateway/return/0", 404),
            ("POST", "/filedownload/x", 404),
        ):
            async with session.request(verb, shop.sim.url + path) as answer:
                assert answer.status == status, path
        async with session.post(shop.sim.url + "/gateway/api/queryTrans.do", data=b"a=" + b"x" * 70_000) as answer:
            assert answer.status == 413


async def test_a_number_and_time_are_used_once_and_the_time_is_part_of_the_name(shop: Shop) -> None:
    order = shop.order()
    assert (await shop.back(order))["respCode"] == "00"
    assert (await shop.back(order))["respCode"] == "12"
    later = order | {"txnTime": digits(clock.now_s() + 1)}
    assert (await shop.query(later))["respCode"] == "34"
    assert (await shop.back(later))["respCode"] == "00"


async def test_a_notice_is_sent_five_times_at_most_until_the_status_is_200(shop: Shop) -> None:
    def last(number: str) -> Notice:
        return shop.station.books.notices(number)[0]

    shop.sim.habits.time_scale = 1.0
    for number, yes_after in (("B" * 26, 0), ("C" * 26, 3)):
        await shop.back(shop.order(number))
        shop.answer = 500
        shop.heard.clear()
        shop.sim.phone.pay(number)
        waits = []
        try:
            for step in range(1, 6 if not yes_after else yes_after + 2):
                await until(lambda step=step, number=number: len(shop.heard) == step and last(number).state != "sending")
                notice = last(number)
                # To the next five seconds: a busy machine takes some of them until it looks.
                waits.append(ceil((notice.next_s - clock.now_s()) / 5) * 5 if notice.next_s else None)
                shop.answer = 204 if step == 2 else 200 if step == yes_after else 500
                clock.shift(clock._offset_s + (waits[-1] or 0) + 1)
                shop.station.look()
            await shop.sim.quiet()
            # Nothing is under way any more, and a day later nothing has come due either.
            clock.shift(clock._offset_s + 86_400)
            shop.station.look()
            await shop.sim.quiet()
        finally:
            clock.shift(0)
        assert waits[: 5 if not yes_after else 3] == [60, 120, 240, 300, None][: 5 if not yes_after else 3]
        assert (last(number).state, len(shop.heard)) == (("given_up", 5) if not yes_after else ("acknowledged", 4))


async def until(done, within_s: float = 60.0) -> None:
    """Wait for something to become true. Raises `TimeoutError`."""
    async with asyncio.timeout(within_s):
        while not done():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)


async def test_a_notice_is_an_encoded_form_with_everything_the_query_tells(shop: Shop) -> None:
    order = shop.order()
    await shop.back(order)
    paid = shop.sim.phone.pay(order["orderId"], way="credit")
    await shop.sim.quiet()
    content_type, told = shop.heard[0]
    assert content_type == "application/x-www-form-urlencoded"
    asked = await shop.query(order)
    assert asked["origRespCode"] == "00"
    for name in ("orderId", "txnTime", "txnAmt", "queryId", "traceNo", "traceTime", "settleDate", "accNo", "payCardType", "merId"):
        assert told[name] == asked[name], name
    assert (told["queryId"], len(told["queryId"]), told["queryId"][-6:]) == (paid.txn, 21, told["traceNo"])
    assert told["accNo"].count("*") == 8


async def test_the_settlement_date_turns_at_2300(shop: Shop) -> None:
    local = clock.now().astimezone(clock.SHANGHAI)
    for hour, days in ((22, 1), (23, 2)):
        moment = local.replace(hour=hour, minute=30, second=0) + timedelta(days=1)
        clock.shift((moment - local).total_seconds())
        try:
            order = shop.order(f"{hour}" * 13)
            await shop.back(order)
            shop.sim.phone.pay(order["orderId"])
            assert (await shop.query(order))["settleDate"] == f"{local + timedelta(days=days):%m%d}"
        finally:
            clock.shift(0)


async def test_the_hand_knows_what_can_be_paid(shop: Shop) -> None:
    hand = shop.station.hand
    order = shop.order()
    told = await shop.back(order)
    code = hand.scan(told["qrCode"])
    assert hand.find(code).number == order["orderId"]
    assert hand.scan("weixin://wxpay/bizpayurl?pr=x") is None
    assert [each.code for each in hand.waiting(5)] == [code]
    assert hand.decline(code).phone == "declined"
    hand.refuse(code, "not_enough")
    assert (await shop.query(order))["origRespCode"] == "64"
    hand.pay(code)
    for act in (hand.pay, hand.decline, hand.leave, hand.see):
        with pytest.raises(NotPayable, match="paid"):
            act(code)
    with pytest.raises(NotPayable, match="unknown"):
        hand.find("nobody")
    assert (hand.waiting(5), [each.code for each in hand.paid(5)]) == ([], [code])


async def test_returns_are_judged_and_the_balance_follows(shop: Shop) -> None:
    order = shop.order()
    await shop.back(order)
    txn = shop.sim.phone.pay(order["orderId"]).txn
    books, mer_id = shop.station.books, shop.station.merchant.mer_id
    assert books.balance_fen(mer_id) == 5_000

    def refund(number: str, fen: str, kind: str = "04", origin: str = txn) -> Fields:
        return shop.order(
            number, txnType=kind, txnSubType="00", bizType="000201", channelType="07", txnAmt=fen, origQryId=origin, txnTime=moment
        )

    # One moment for all: the time is part of a number's name, and a second may begin between two of them.
    moment = order["txnTime"]
    assert (await shop.back(refund("R" * 20, "2000")))["respCode"] == "00"
    assert (await shop.back(refund("R" * 20, "2000")))["respCode"] == "12"
    assert (await shop.back(refund(order["orderId"], "1")))["respCode"] == "12"
    assert (await shop.back(refund("S" * 20, "3001")))["respCode"] == "36"
    assert (await shop.back(refund("T" * 20, "3000", kind="31")))["respCode"] == "36"
    assert (await shop.back(refund("U" * 20, "1", origin="0" * 21)))["respCode"] == "35"
    assert books.balance_fen(mer_id) == 3_000
    await shop.sim.quiet()
    assert books.refund_totals().sum_fen == 2_000
    clock.shift(331 * 86_400)
    moment = digits(clock.now_s())
    try:
        late = await shop.back(refund("V" * 20, "1"))
        assert (late["respCode"], late["respMsg"][-9:]) == ("35", "[4040007]")
    finally:
        clock.shift(0)


def test_keys_and_books_outlive_a_restart(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        simulator = Simulator(kinds=("unionpay",), folder=tmp_path)
        made.append(simulator.station(UnionPay).enrolment)
        simulator.station(UnionPay).close()
        simulator._socket.close()
    assert made[0] == made[1]
    assert (tmp_path / "unionpay" / "enrolment.json").stat().st_mode & 0o777 == 0o600
