"""The worst outcome wins, nothing unknown passes, and a person hears first what must be cured first."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.policy.conftest import NOW

from daozhang.policy.book import Book, EligibilityRules, defaults, make_book
from daozhang.policy.checks import BY_STAGE, CHECKS
from daozhang.policy.decide import decide, shown
from daozhang.policy.model import WISHED, Check, Facts, Outcome, Signals, Stage, Strength
from daozhang.policy.plans import UNANSWERED, plan
from daozhang.policy.record import judged
from daozhang.reasons import Layer, catalogue

BOOK = make_book(1, 1, defaults())
BOUNDED = make_book(1, 1, msgspec.structs.replace(defaults(), eligibility=EligibilityRules(mode="licensed_psp", licence="Z1")))
"""A book under which every check is one."""


def with_(facts: Facts, **changes: Any) -> Facts:
    return msgspec.structs.replace(facts, **changes)


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


any_facts = st.builds(
    Facts,
    at=st.just(NOW),
    shop_id=st.just(1),
    user_id=st.just(7),
    standing=maybe("active", "frozen", "closed", "a standing of the future", ""),
    standing_why=maybe("risk_review"),
    standing_until_at=maybe(NOW + timedelta(days=1)),
    locked_until_at=maybe(NOW - timedelta(seconds=1), NOW, NOW + timedelta(minutes=3)),
    channel_id=maybe(3),
    channel_enabled=st.sampled_from([None, True, False]),
    methods=maybe((), ("native",), ("native", "h5")),
    method=maybe("native", "h5", "jsapi", ""),
    amount_fen=st.none() | st.integers(min_value=-(10**6), max_value=10**10),
    admitted_fen=st.none() | st.integers(min_value=0, max_value=10**8),
    day_ends_at=maybe(NOW + timedelta(hours=1)),
    page_version=maybe("p1", "p0", ""),
    page_current=maybe("p1"),
    database_writes=st.sampled_from([None, True, False]),
    notify_door=st.sampled_from([None, True, False]),
)
stages = st.sampled_from(list(Stage))


def test_sound_facts_are_admitted_at_every_stage(sound: Facts, book: Book) -> None:
    for stage in Stage:
        decision = decide(stage, sound, book)
        assert (decision.outcome, decision.reason, decision.book_version) == (Outcome.ADMIT, None, 1)
        checked = [verdict.check for verdict in decision.verdicts if not verdict.check.startswith("rule.")]
        assert checked == [check.name for check in BY_STAGE[stage] if check.applies is None]
        assert decision.admits
        assert not decision.holds


@pytest.mark.parametrize(
    ("changes", "reason", "facts"),
    [
        ({"standing": "closed"}, "account.closed", {}),
        ({"standing": "frozen"}, "account.frozen", {"why": "other"}),
        ({"standing": "unheard of"}, UNANSWERED, {}),
        ({"locked_until_at": NOW + timedelta(seconds=61, microseconds=1)}, "account.locked", {"wait_s": 62}),
        ({"channel_enabled": False}, "channel.not_configured", {}),
        ({"method": "jsapi"}, "channel.method_unsupported", {"method": "jsapi"}),
        ({"methods": ()}, "channel.method_unsupported", {"method": "native"}),
        ({"amount_fen": 0}, "operation.amount.malformed", {}),
        ({"amount_fen": -5_000}, "operation.amount.malformed", {}),
        ({"amount_fen": 99}, "operation.amount.too_small", {"min_fen": 100}),
        ({"amount_fen": 500_001}, "operation.amount.too_large", {"limit_fen": 500_000}),
        (
            {"admitted_fen": 1_996_000},
            "limits.day",
            {"limit_fen": 2_000_000, "left_fen": 4_000, "until_at": NOW + timedelta(hours=10)},
        ),
        ({"page_version": "p0"}, "operation.page_outdated", {}),
        ({"page_version": ""}, "operation.page_outdated", {}),
        ({"page_version": "p1+0"}, "operation.page_outdated", {}),
        ({"page_version": "p1+-1"}, "operation.page_outdated", {}),
        ({"page_version": "p1+１"}, "operation.page_outdated", {}),
        ({"database_writes": False}, "platform.database", {}),
    ],
)
def test_one_thing_wrong_is_refused_with_its_reason(
    sound: Facts, book: Book, changes: dict[str, Any], reason: str, facts: dict[str, Any]
) -> None:
    decision = decide(Stage.PLACE, with_(sound, **changes), book)
    assert (decision.outcome, decision.reason, decision.facts) == (Outcome.REFUSE, reason, facts)
    told = catalogue().get(reason).told("zh", decision.facts)
    assert told.title


@pytest.mark.parametrize("page", ["p1", "p1+1", "p1+2"])
def test_a_page_that_showed_these_rules_newer_ones_or_none_is_taken(sound: Facts, book: Book, page: str) -> None:
    """Another process may know a newer version of the book already; a program that shows no rules names none."""
    assert decide(Stage.PLACE, with_(sound, page_version=page), book).admits


@pytest.mark.parametrize("amount_fen", [100, 500_000])
def test_the_bounds_themselves_are_allowed(sound: Facts, book: Book, amount_fen: int) -> None:
    assert decide(Stage.PLACE, with_(sound, amount_fen=amount_fen), book).admits


def test_the_last_fen_of_the_day_is_allowed_and_not_one_more(sound: Facts, book: Book) -> None:
    assert decide(Stage.PLACE, with_(sound, admitted_fen=1_995_000), book).admits
    assert decide(Stage.PLACE, with_(sound, admitted_fen=1_995_001), book).reason == "limits.day"


def test_a_closed_notify_door_is_noted_and_stops_nothing(sound: Facts, book: Book) -> None:
    decision = decide(Stage.PLACE, with_(sound, notify_door=False), book)
    assert (decision.outcome, decision.reason, decision.admits) == (Outcome.MONITOR, "platform.notify_door", True)


@pytest.mark.parametrize("standing", ["frozen", "closed", None, "unheard of"])
def test_money_that_has_arrived_is_held_and_never_refused(sound: Facts, book: Book, standing: str | None) -> None:
    decision = decide(Stage.PAID, with_(sound, standing=standing), book)
    assert decision.outcome is Outcome.HOLD
    assert decision.holds


def test_what_was_decided_before_the_payment_is_not_asked_again(sound: Facts, book: Book) -> None:
    spoilt = with_(sound, amount_fen=10**9, admitted_fen=10**9, channel_enabled=False, page_version="old", database_writes=False)
    assert decide(Stage.PAID, spoilt, book).outcome is Outcome.ADMIT


def test_the_headline_is_what_must_be_cured_first(sound: Facts, book: Book) -> None:
    everything = with_(
        sound,
        standing="frozen",
        locked_until_at=NOW + timedelta(hours=1),
        channel_enabled=False,
        amount_fen=0,
        page_version="old",
        database_writes=False,
    )
    assert decide(Stage.PLACE, everything, book).reason == "account.frozen"
    assert decide(Stage.PLACE, with_(everything, standing="active"), book).reason == "account.locked"
    passing_first = with_(sound, channel_enabled=False, amount_fen=0)
    assert decide(Stage.PLACE, passing_first, book).reason == "channel.not_configured"


def test_the_law_comes_before_the_account_and_what_lasts_before_what_passes(
    sound: Facts, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    from daozhang.policy.model import Hit  # noqa: PLC0415 -- only this test makes hits of its own

    def odd(name: str, layer: Layer, reason: str) -> Check:
        return Check(
            name=name,
            layer=layer,
            strength=Strength.HARD,
            stages=frozenset(Stage),
            needs=(),
            judge=lambda _facts, _book: Hit(Outcome.REFUSE, reason, {}),
            tells=lambda _facts, _book: {},
        )

    passing = odd("a", Layer.OPERATION, "operation.page_outdated")
    lasting = odd("b", Layer.OPERATION, "operation.form_foreign")
    account = odd("c", Layer.ACCOUNT, "account.closed")
    law = odd("d", Layer.REGULATION, "platform.database")
    for order, expected in (
        ((passing, lasting), "operation.form_foreign"),
        ((passing, lasting, account), "account.closed"),
        ((passing, lasting, account, law), "platform.database"),
    ):
        monkeypatch.setitem(BY_STAGE, Stage.PLACE, order)
        assert decide(Stage.PLACE, sound, book).reason == expected


def test_before_a_choice_is_made_its_rules_are_stated_and_not_judged(sound: Facts, book: Book) -> None:
    blank = with_(sound, **dict.fromkeys(WISHED))
    verdicts = {verdict.check: verdict.outcome for verdict in shown(blank, book)}
    assert verdicts["operation.amount"] is verdicts["channel.configured"] is verdicts["operation.page"] is None
    assert verdicts["account.standing"] is verdicts["operation.day"] is Outcome.ADMIT
    assert decide(Stage.SHOWN, blank, book).outcome is Outcome.ADMIT
    assert decide(Stage.ASKED, blank, book).outcome is Outcome.REFUSE


def test_a_spent_day_is_shown_before_an_amount_is_chosen(sound: Facts, book: Book) -> None:
    spent = with_(sound, amount_fen=None, admitted_fen=1_999_950)
    decision = decide(Stage.SHOWN, spent, book)
    assert (decision.reason, decision.facts["left_fen"]) == ("limits.day", 50)


odd_signals = st.builds(
    Signals,
    user_age_s=maybe(60, 400 * 86_400),
    verification=maybe("none", "identity"),
    large_count=st.none() | st.integers(0, 9),
    device_known=st.sampled_from([None, True, False]),
    device_s=maybe(60, 400 * 86_400),
    device_accounts_count=maybe(1, 50),
    device_near_count=maybe(0, 50),
    device_failures_count=maybe(0, 50),
    place_known=st.sampled_from([None, True, False]),
    place_usual=st.sampled_from([None, True, False]),
    elsewhere_s=maybe(5, 10**9),
    payer_flagged=st.sampled_from([None, True, False]),
    payer_near_count=maybe(0, 50),
    payer_failures_count=maybe(0, 50),
)
"""What rules judge by; of the large orders and the age of a device alone the criterion is published."""
_PUBLISHED = ("user_age_s", "large_count", "device_known", "device_s")


@given(any_facts, odd_signals)
def test_what_is_asked_beforehand_is_what_placing_says_of_everything_that_may_be_told(facts: Facts, signals: Signals) -> None:
    facts = with_(facts, signals=signals, pass_fen=0)
    for bounded in (BOOK, BOUNDED):
        asked, placed = decide(Stage.ASKED, facts, bounded), decide(Stage.PLACE, facts, bounded)
        said = {v.check: v for v in placed.verdicts}
        assert all(said[v.check] == v for v in asked.verdicts)
        hidden = [v for v in placed.verdicts if v.check not in {w.check for w in asked.verdicts}]
        assert all(not v.shown for v in hidden)
        assert placed.outcome.rank == max([asked.outcome.rank, *(v.outcome.rank for v in hidden if v.outcome)])


@given(st.sampled_from([Stage.SHOWN, Stage.ASKED]), any_facts, odd_signals, odd_signals, st.integers(0, 20_000))
def test_nothing_that_is_told_beforehand_rests_on_what_is_not_published(
    stage: Stage, facts: Facts, signals: Signals, others: Signals, left_fen: int
) -> None:
    """Neither a threshold of these rules nor what is left of a tolerance can be found out by asking."""
    same = {name: getattr(signals, name) for name in _PUBLISHED}
    one = with_(facts, signals=signals)
    other = with_(facts, signals=msgspec.structs.replace(others, tolerance_fen=left_fen, **same))
    assert decide(stage, one, BOOK) == decide(stage, other, BOOK)


@given(stages, any_facts)
def test_the_worst_verdict_is_the_outcome(stage: Stage, facts: Facts) -> None:
    decision = decide(stage, facts, BOOK)
    ranks = [verdict.outcome.rank for verdict in decision.verdicts if verdict.outcome is not None]
    assert decision.outcome.rank == max(ranks, default=0)
    assert (decision.reason is None) == (decision.outcome is Outcome.ADMIT)
    if decision.reason is not None:
        assert decision.reason in {v.reason for v in decision.verdicts if v.outcome is decision.outcome}
        assert decision.reason in catalogue()
    if stage is Stage.PAID:
        assert decision.outcome is not Outcome.REFUSE


@given(stages.filter(lambda stage: stage is not Stage.SHOWN), any_facts)
def test_no_hard_or_firm_check_passes_without_its_facts(stage: Stage, facts: Facts) -> None:
    decision = decide(stage, facts, BOUNDED)
    for check in BY_STAGE[stage]:
        if check.strength is Strength.SOFT or all(getattr(facts, name) is not None for name in check.needs):
            continue
        verdict = next(v for v in decision.verdicts if v.check == check.name)
        assert verdict.reason == UNANSWERED
        assert not decision.admits


@given(stages, any_facts, st.data())
def test_knowing_less_never_makes_it_milder(stage: Stage, facts: Facts, data: st.DataObject) -> None:
    if stage is Stage.SHOWN:
        return
    needed = sorted({name for check in BY_STAGE[stage] if check.strength is not Strength.SOFT for name in check.needs})
    forgotten = with_(facts, **{data.draw(st.sampled_from(needed)): None})
    assert decide(stage, forgotten, BOOK).outcome.rank >= decide(stage, facts, BOOK).outcome.rank


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=max(1, settings().max_examples // 8)
)
@given(st.lists(any_facts, min_size=8, max_size=8))
def test_adding_a_check_never_makes_it_milder(monkeypatch: pytest.MonkeyPatch, several: list[Facts]) -> None:
    """Eight at a time: checks are made ready anew for each set of them, which is most of what this costs."""
    every = BY_STAGE[Stage.PLACE]
    full = [decide(Stage.PLACE, facts, BOOK) for facts in several]
    for left_out in CHECKS:
        with monkeypatch.context() as patch:
            patch.setitem(BY_STAGE, Stage.PLACE, tuple(check for check in every if check is not left_out))
            for facts, decision in zip(several, full, strict=True):
                assert decide(Stage.PLACE, facts, BOOK).outcome.rank <= decision.outcome.rank


@given(stages, any_facts)
def test_the_naive_control_lets_money_through_that_we_stop(stage: Stage, facts: Facts) -> None:
    """A decision that treats an unknown fact as harmless must differ from ours exactly where a fact is missing."""

    def naive(objects: Callable[[Check], bool]) -> bool:
        return not any(objects(check) for check in BY_STAGE[stage])

    def objects(check: Check) -> bool:
        if any(getattr(facts, name) is None for name in check.needs):
            return False
        hit = check.judge(facts, BOOK)
        return hit is not None and hit.outcome is not Outcome.MONITOR

    if decide(stage, facts, BOOK).admits:
        assert naive(objects)


def test_a_fact_unknown_to_the_naive_control_is_a_payment_that_we_hold(sound: Facts, book: Book) -> None:
    unknown = with_(sound, standing=None)
    assert all(check.judge(unknown, book) is None for check in BY_STAGE[Stage.PAID] if "standing" not in check.needs)
    assert decide(Stage.PAID, unknown, book).reason == UNANSWERED


def test_the_checks_are_made_ready_once_for_a_book_and_what_passes_is_said_once(sound: Facts, book: Book) -> None:
    """What a decision costs is bounded by this; how long it takes is for `daozhang bench decide` to say."""
    assert plan(Stage.PAID, book) is plan(Stage.PAID, book)
    first, second = (judged(Stage.PAID, sound, book).decision.verdicts for _ in range(2))
    made_anew = [verdict.check for verdict, again in zip(first, second, strict=True) if verdict is not again]
    assert made_anew == []
