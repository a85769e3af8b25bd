"""Each check of eligibility: what it stops, what it lets through, and what it says."""

import msgspec
import pytest
from tests.flows.shop import LICENSED

from daozhang.policy.book import BadBook, Book, checked, defaults, make_book
from daozhang.policy.decide import decide, shown
from daozhang.policy.model import Facts, Stage
from daozhang.policy.plans import UNANSWERED


@pytest.fixture
def book() -> Book:
    """As every new shop begins."""
    return make_book(1, 1, msgspec.structs.replace(defaults(), confirm=LICENSED.confirm))


def with_(facts: Facts, **changes: object) -> Facts:
    return msgspec.structs.replace(facts, **changes)


def test_what_is_not_agreed_to_is_asked_for(sound: Facts, book: Book) -> None:
    refused = decide(Stage.PLACE, with_(sound, agreement_version=3, agreement_agreed=False, agreement_ticked=2), book)
    assert (refused.reason, refused.facts) == ("eligibility.agreement", {"version": 3})
    assert decide(Stage.PLACE, with_(sound, agreement_version=3, agreement_ticked=3), book).admits
    assert decide(Stage.PLACE, with_(sound, agreement_agreed=None), book).reason == UNANSWERED, "not knowing is no consent"


def test_on_the_page_it_is_a_rule_and_no_stop(sound: Facts, book: Book) -> None:
    lines = shown(with_(sound, agreement_version=3, agreement_agreed=None), book)
    (line,) = [line for line in lines if line.check == "eligibility.agreement"]
    assert (line.outcome, line.facts) == (None, {"version": 3})


def ruled(book: Book, **changes: object) -> Book:
    return msgspec.structs.replace(book, eligibility=msgspec.structs.replace(book.eligibility, **changes))


def test_a_shop_begins_as_a_single_purpose_card(book: Book) -> None:
    assert (book.eligibility.mode, book.eligibility.first_purchase) == ("single_purpose_card", False)


def test_new_users_buy_once_where_the_book_says_so(sound: Facts, book: Book) -> None:
    new, strict = with_(sound, bought=False), ruled(book, first_purchase=True)
    assert decide(Stage.PLACE, new, book).admits
    assert decide(Stage.PLACE, new, strict).reason == "eligibility.first_purchase"
    assert decide(Stage.PLACE, with_(new, purchase=True), strict).admits, "buying is the cure"
    assert decide(Stage.PLACE, with_(sound, bought=None), strict).reason == UNANSWERED


def test_the_balance_has_a_ceiling_with_and_without_a_name(sound: Facts, book: Book) -> None:
    unnamed = with_(sound, verified=False, age="unverified", stored_fen=95_000)
    assert decide(Stage.PLACE, with_(unnamed, amount_fen=5_000), book).admits
    refused = decide(Stage.PLACE, with_(unnamed, amount_fen=5_001), book)
    assert refused.reason == "eligibility.ceiling_unnamed"
    assert refused.facts == {"limit_fen": 100_000, "left_fen": 5_000, "named_fen": 500_000}
    assert decide(Stage.PLACE, with_(unnamed, amount_fen=5_001, purchase=True), book).admits, "a purchase stays in no balance"
    named = with_(sound, stored_fen=495_000)
    assert decide(Stage.PLACE, with_(named, amount_fen=5_000), book).admits
    assert decide(Stage.PLACE, with_(named, amount_fen=5_001), book).reason == "eligibility.ceiling_named"
    full = decide(Stage.SHOWN, with_(unnamed, stored_fen=100_000, amount_fen=None), book)
    assert full.reason == "eligibility.ceiling_unnamed", "told before anything is typed"


def test_own_goods_sell_no_balance_and_a_licence_has_no_ceiling(sound: Facts, book: Book) -> None:
    goods = ruled(book, mode="own_goods")
    assert decide(Stage.PLACE, sound, goods).reason == "eligibility.no_stored_value"
    assert decide(Stage.PLACE, with_(sound, purchase=True), goods).admits
    assert decide(Stage.PLACE, with_(sound, verified=False, stored_fen=10**8), ruled(book, mode="licensed_psp")).admits


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "licensed_psp"},
        {"mode": "licensed_psp", "licence": "  "},
        {"unnamed_ceiling_fen": 100_001},
        {"named_ceiling_fen": 500_001},
        {"name_warn_fen": 2_000_000},
        {"from_8_order_fen": 20_001},
    ],
)
def test_a_book_beyond_the_law_is_not_published(wrong: dict[str, object]) -> None:
    rules = defaults()
    broken = msgspec.structs.replace(rules, eligibility=msgspec.structs.replace(rules.eligibility, **wrong))
    with pytest.raises(BadBook):
        checked(broken)


@pytest.mark.parametrize(
    ("age", "amount_fen", "month_fen", "reason"),
    [
        ("unverified", 100_000, 0, None),
        ("adult", 100_000, 0, None),
        ("from_16", 10_000, 30_000, None),
        ("from_16", 10_001, 0, "eligibility.minor_order"),
        ("from_16", 10_000, 30_001, "eligibility.minor_month"),
        ("from_8", 5_000, 15_000, None),
        ("from_8", 5_001, 0, "eligibility.minor_order"),
        ("from_8", 5_000, 15_001, "eligibility.minor_month"),
        ("below_8", 100, 0, "eligibility.minor_below_8"),
        ("an age of the future", 100, 0, "eligibility.minor_below_8"),
    ],
)
def test_minors_have_limits_by_age(sound: Facts, book: Book, age: str, amount_fen: int, month_fen: int, reason: str | None) -> None:
    facts = with_(sound, age=age, verified=age != "unverified", amount_fen=amount_fen, month_fen=month_fen)
    assert decide(Stage.PLACE, facts, book).reason == reason


def test_a_name_is_asked_for_above_an_amount_and_told_before(sound: Facts, book: Book) -> None:
    licensed = ruled(book, mode="licensed_psp")
    unnamed = with_(sound, verified=False, age="unverified", amount_fen=100_000)
    assert decide(Stage.PLACE, with_(unnamed, admitted_fen=699_999), licensed).reason is None
    warned = decide(Stage.PLACE, with_(unnamed, admitted_fen=700_000), licensed)
    assert (warned.admits, warned.reason) == (True, "eligibility.name_soon")
    assert decide(Stage.PLACE, with_(unnamed, admitted_fen=900_000), licensed).reason == "eligibility.name_needed"
    assert decide(Stage.PLACE, with_(unnamed, admitted_fen=900_000, verified=True), licensed).reason is None
