"""What a dated row of regulation closes: for whom, from when, by whom it is confirmed, and what becomes of money on its way."""

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.flows.conftest import enrolment, shop, stranger  # noqa: F401 -- fixtures of the flows
from tests.flows.shop import LICENSED, Shop, refuses
from tests.flows.test_refunds import refunds_end

from daozhang import __version__, clock
from daozhang.policy import regulation
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.decide import decide
from daozhang.policy.model import Facts, Outcome, RegionRule, Stage
from daozhang.policy.regions import code_of, names
from daozhang.policy.regulation import Draft, Feed
from daozhang.postgres import Database
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.recharge.preflight import Asker
from daozhang.recharge.regulated import send_back


def draft(region: str = "*", channel_class: str = "wallet", goods: str = "*", in_flight: Any = "finish", **more: Any) -> Draft:
    return Draft(
        region, channel_class, goods, "某局发〔2026〕7号", "暂停这类渠道，可用银行卡付款。",
        "These are closed; bank cards are open.", in_flight, more.pop("from_at", clock.now() - timedelta(seconds=1)), **more,
    )  # fmt: skip


async def force(database: Database, wanted: Draft) -> int:
    number = await regulation.propose(database, 1, wanted, "anna")
    await regulation.approve(database, 1, number, "ben")
    return number


async def place(shop: Shop, **more: Any) -> OrderView:  # noqa: F811
    return await shop.program.desk.place(
        PlaceRequest(1, shop.user_id, 5_000, shop.channel_id, "native", secrets.token_hex(16), __version__, "203.0.113.9", **more)
    )


def rule(region: str = "*", in_flight: str = "finish") -> RegionRule:
    return RegionRule(id=1, region=region, channel_class="wallet", goods_class="*", in_flight=in_flight)


@pytest.mark.parametrize(
    ("region", "rules", "reason"),
    [
        ("", (), None),
        ("", (rule(),), "regulation.suspended"),
        ("44", (rule("44"),), "regulation.suspended"),
        ("44", (rule("45"),), None),
        ("44", (rule("4403"),), None),
        ("", (rule("44"),), "regulation.region_unknown"),
    ],
)
def test_a_row_is_about_those_who_are_there(sound: Facts, book: Book, region: str, rules: Any, reason: str | None) -> None:
    assert decide(Stage.PLACE, replace(sound, region=region, region_rules=rules), book).reason == reason


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ((rule(in_flight="hold"),), "regulation.suspended"),
        ((rule(in_flight="refund"),), "regulation.returned"),
        ((rule(in_flight="refund"), rule(in_flight="hold")), "regulation.suspended"),
        ((rule("44", "refund"),), None),
    ],
)
def test_money_on_its_way_is_held_or_goes_back(sound: Facts, book: Book, rules: Any, reason: str | None) -> None:
    decision = decide(Stage.PAID, replace(sound, region="", region_rules=rules), book)
    assert (decision.outcome, decision.reason) == (Outcome.HOLD if reason else Outcome.ADMIT, reason)


def test_nobody_is_told_of_the_law_beforehand(sound: Facts, book: Book) -> None:
    verdicts = decide(Stage.SHOWN, replace(sound, region="", region_rules=(rule(),)), book).verdicts
    assert not [each for each in verdicts if each.shown and each.reason and each.reason.startswith("regulation.")]


def test_a_hard_check_without_its_facts_never_fails_open(sound: Facts, book: Book) -> None:
    assert decide(Stage.PLACE, replace(sound, region_rules=None), book).reason == "platform.check_unanswered"


def test_regions_are_known_by_code_and_by_the_names_of_files() -> None:
    told = ("44", "广东省", "广东", "内蒙古自治区", "HK", "Mars", None)
    assert [code_of(each) for each in told] == ["44", "44", "44", "15", "HK", "", ""]
    assert names("zh").keys() == names("en").keys()


@pytest.mark.parametrize("stage", [Stage.PLACE, Stage.PAID])
def test_payment_from_abroad_goes_by_instrument_and_currency_and_never_by_address(sound: Facts, book: Book, stage: Stage) -> None:
    assert decide(stage, replace(sound, instrument="overseas"), book).reason == "eligibility.cross_border"
    assert decide(stage, replace(sound, currency="USD"), book).reason == "eligibility.cross_border"
    assert decide(stage, replace(sound, instrument="debit", currency="CNY"), book).reason is None
    assert sound.signals is not None
    abroad = replace(sound, signals=replace(sound.signals, place_abroad=True))
    assert "eligibility.cross_border" not in {each.reason for each in decide(stage, abroad, book).verdicts}
    open_book = replace(book, eligibility=replace(book.eligibility, cross_border=True))
    assert decide(stage, replace(sound, instrument="overseas"), open_book).reason is None


async def test_a_row_closes_pages_pre_flight_and_orders_at_the_next_request(shop: Shop) -> None:  # noqa: F811
    desk, database = shop.program.desk, shop.program.database
    asker = Asker(1, shop.user_id, __version__)
    assert (await desk.quote(shop.user_id)).methods
    assert await desk.preflight(asker, 5_000)
    number = await regulation.propose(database, 1, draft(), "anna")
    assert (await place(shop)).state == "awaiting_payment", "a row that nobody confirmed closes nothing"
    await regulation.approve(database, 1, number, "ben")
    quote = await desk.quote(shop.user_id)
    assert quote.methods == ()
    assert [(each.reference, each.text_en) for each in quote.closed.notices] == [
        ("某局发〔2026〕7号", "These are closed; bank cards are open.")
    ]
    assert await desk.preflight(asker, 5_000) == []
    (answer,) = await desk.preflight(asker, 5_000, [(shop.channel_id, "native")])
    assert (answer.go, [each.reason for each in answer.because], answer.instead) == ("no", ["regulation.suspended"], ())
    refused = await place(shop)
    assert (refused.state, refused.reason, refused.reason_facts) == ("refused", "regulation.suspended", {})
    feed = Feed(1, database)
    await feed.load()
    assert [each.channel_class for each in feed.suspensions()] == ["wallet"]
    assert await regulation.end(database, 1, number, "anna", "lifted") is False
    assert (await place(shop)).reason == "regulation.suspended"
    with refuses("regulation.second_person"):
        await regulation.end(database, 1, number, "Anna", "lifted")
    assert await regulation.end(database, 1, number, "ben", "lifted") is True
    assert (await place(shop)).state == "awaiting_payment"


async def test_the_status_board_hears_of_it_without_a_list_of_its_own(shop: Shop) -> None:  # noqa: F811
    await force(shop.program.database, draft())
    standing = shop.program.board.now(1)[shop.channel_id, "native"]
    assert standing.usable
    board = shop.program.board
    feed = Feed(1, shop.program.database)
    board.feed(feed.suspensions)
    await feed.load()
    assert (board.now(1)[shop.channel_id, "native"].status, board.now(1)[shop.channel_id, "native"].usable) == ("suspended", False)


async def test_who_says_where_he_lives_may_go_on_and_an_address_says_nothing(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    await force(database, draft("44"))
    assert (await place(shop)).reason == "regulation.region_unknown"
    assert (await shop.program.desk.quote(shop.user_id)).closed.region_needed
    await regulation.declare(database, 1, shop.user_id, "33", "user:1")
    assert (await place(shop)).state == "awaiting_payment"
    await regulation.declare(database, 1, shop.user_id, "44", "user:1")
    assert (await place(shop)).reason == "regulation.suspended"
    assert (await shop.program.desk.quote(shop.user_id)).methods == ()
    with refuses("regulation.malformed"):
        await regulation.declare(database, 1, shop.user_id, "99", "user:1")


@pytest.mark.parametrize(("in_flight", "state"), [("finish", "credited"), ("hold", "held"), ("refund", "refunded")])
async def test_orders_on_their_way_follow_the_row_and_end(shop: Shop, in_flight: str, state: str) -> None:  # noqa: F811
    order = await place(shop)
    await force(shop.program.database, draft(in_flight=in_flight))
    await shop.pay(order)
    if state == "refunded":
        await shop.reach(order.id, "held")
        program = shop.program
        assert await send_back(program.database, program.accounts, program.house.cases, 1) == 1
        assert await send_back(program.database, program.accounts, program.house.cases, 1) == 0
        for _ in range(600):
            await shop.work()
            if (await shop.order(order.id)).state == "refunded":
                break
            await shop.later(61)
            await asyncio.sleep(0.02)
    await shop.reach(order.id, state)


async def test_money_that_its_channel_cannot_return_is_asked_about_and_not_sent_round_and_round(shop: Shop) -> None:  # noqa: F811
    order, program = await place(shop), shop.program
    await force(program.database, draft(in_flight="refund"))
    await shop.pay(order)
    await shop.reach(order.id, "held")
    shop.sim.habits.refund_fates = ["CLOSED"] * 9
    for _ in range(8):
        await send_back(program.database, program.accounts, program.house.cases, 1)
        await shop.later(61)
        await shop.work()
        await shop.sim.quiet()
    seen, cases = await shop.order(order.id), program.house.cases
    assert (seen.state, [each.state for each in seen.refunds]) == ("held", ["failed"])
    case = await cases.open_about(1, "hold", seen.shown)
    assert case is not None
    assert (case.turn, case.question) == ("staff", "account_for_refund")
    shop.sim.habits.refund_fates = []
    await cases.propose(case.id, "staff:1", "rejected", "the payer has another account")
    await cases.confirm(case.id, "staff:2")
    await refunds_end(shop)
    assert (await shop.order(order.id)).state == "refunded"


@pytest.mark.parametrize("in_flight", ["finish", "refund", "hold"])
@pytest.mark.parametrize("asks", ["owner", "person"])
async def test_an_order_that_waits_before_its_payment_ends_by_the_row_when_it_goes_on(
    shop: Shop, in_flight: str, asks: str  # noqa: F811
) -> None:  # fmt: skip
    """Whatever becomes of money on its way: here none is, and what the law closed meanwhile is not opened by an answer."""
    program, large_fen = shop.program, 600_000
    confirm = replace(LICENSED.confirm, from_fen=500_000 if asks == "owner" else 9_999_999_999)
    amount = replace(LICENSED.amount, max_fen=10_000_000)
    risk = replace(LICENSED.risk, large_count=1 if asks == "person" else 5)
    rules = replace(LICENSED, confirm=confirm, amount=amount, risk=risk)
    assert await Books(program.database).publish(1, rules, version=2, author="t", note="asks")
    await program.desk._books.current(1)
    order = await shop.place(large_fen)
    assert order.state == ("challenged" if asks == "owner" else "reviewing")
    await force(program.database, draft(in_flight=in_flight))
    if asks == "owner":
        assert await program.desk.resume.go(order.id, "challenged", f"user:{shop.user_id}", "confirm") is None
    else:
        await program.desk.resume.approve(order.id, "staff:1", "looked at")
    seen = await shop.order(order.id)
    assert (seen.state, seen.reason, seen.money) == ("refused", "regulation.suspended", "none")


async def test_an_urgent_row_holds_at_once_and_lapses_unless_it_is_confirmed(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    number = await regulation.propose(database, 1, draft(urgent=True), "anna")
    assert (await place(shop)).reason == "regulation.suspended"
    await shop.later(48 * 3_600 + 1)
    assert (await place(shop)).state == "awaiting_payment"
    assert {row.id: row.state for row in await regulation.listed(database, 1)} == {number: "over"}


async def test_one_person_alone_waits_a_day(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    number = await regulation.propose(database, 1, draft(from_at=clock.now() + timedelta(hours=30)), "anna")
    with refuses("regulation.second_person"):
        await regulation.approve(database, 1, number, "anna")
    await shop.later(86_401)
    await regulation.approve(database, 1, number, "anna")
    assert (await place(shop)).state == "awaiting_payment", "it begins at its moment"
    assert [row.state for row in await regulation.listed(database, 1)] == ["waiting"]
    await shop.later(31 * 3_600)
    assert (await place(shop)).reason == "regulation.suspended"


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("region", draft("4")), ("region", draft("99")), ("channel_class", draft(channel_class="bank")),
        ("in_flight", draft(goods="game_card", in_flight="refund")), ("until_at", draft(until_at=clock.now() - timedelta(days=2))),
    ],
)  # fmt: skip
async def test_a_row_that_does_not_hold_together_is_refused(database: Database, field: str, wanted: Draft) -> None:
    with refuses("regulation.malformed") as refused:
        await regulation.propose(database, 1, wanted, "anna")
    assert refused.value.facts == {"field": field}


async def test_a_board_that_is_behind_the_rows_neither_stops_an_order_nor_is_a_second_cause(shop: Shop) -> None:  # noqa: F811
    """The board is read once a second, the row in the order's own transaction: what the row says is what holds."""
    database, program = shop.program.database, shop.program
    number = await regulation.propose(database, 1, draft(), "anna")
    await regulation.approve(database, 1, number, "ben")
    feed = Feed(1, database)
    await feed.load()
    program.board.feed(feed.suspensions)
    asker = Asker(1, shop.user_id, __version__)
    (answer,) = await program.desk.preflight(asker, 5_000, [(shop.channel_id, "native")])
    assert [each.reason for each in answer.because] == ["regulation.suspended"]
    assert await regulation.end(database, 1, number, "anna", "lifted") is False
    assert await regulation.end(database, 1, number, "ben", "lifted") is True
    assert program.board.now(1)[shop.channel_id, "native"].usable is False, "the board has not looked since"
    assert (await place(shop)).state == "awaiting_payment"


@pytest.mark.parametrize("chosen", ["44", ""])
async def test_what_staff_put_right_is_chosen_again_only_once_it_has_settled(shop: Shop, chosen: str) -> None:  # noqa: F811
    """Never a silent nothing: what the user says is either kept or refused."""
    database, user_id = shop.program.database, shop.user_id
    if chosen:
        await regulation.choose(database, 1, user_id, chosen)
    await regulation.declare(database, 1, user_id, "31", "staff:1")
    with refuses("regulation.region_settled"):
        await regulation.choose(database, 1, user_id, "44")
    await regulation.choose(database, 1, user_id, "31")
    assert await regulation.declared(database, user_id) == "31"
    await shop.later(regulation.SETTLED.total_seconds() + 1)
    await regulation.choose(database, 1, user_id, "44")
    assert await regulation.declared(database, user_id) == "44"
