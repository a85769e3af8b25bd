"""The judge of a way to pay, on series: quick to see an outage, quick to see its end, and steady in between."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.status.series import START, Story, play

from daozhang.status.counts import Word
from daozhang.status.judge import judge, wilson_low
from daozhang.status.model import FEWEST, Breaker, Phase, Sign, Slot

RATES = (0.05, 0.2, 1.0, 5.0, 40.0)


def good(_: float) -> Word:
    return Word.GOOD


def bad(_: float) -> Word:
    return Word.BAD


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", range(4))
def test_nf07_an_outage_trips_within_twenty_failures_or_thirty_seconds(rate: float, seed: int) -> None:
    story = Story()
    play(story, begin=START, seconds=max(120, 30 / rate), rate=rate, works=good, seed=seed)
    assert story.phases() == [Phase.CLOSED]
    begin = START + max(120, 30 / rate)
    failed, tripped = play(story, begin=begin, seconds=max(60, 20 / rate), rate=rate, works=bad, seed=seed + 99)
    assert tripped is not None
    assert failed <= 20 or tripped <= 30


@pytest.mark.parametrize("seed", range(8))
def test_nf07_a_silent_channel_is_seen_by_its_probes_alone_within_thirty_seconds(seed: int) -> None:
    story, chance = Story(), random.Random(seed)
    for second in range(0, 120, 10):
        story.call(START + second, Word.GOOD)
        story.look(START + second)
    # The worst case: it falls silent right after a probe; the next comes ten seconds later, each waits three for nothing.
    at = START + 120 + chance.random()
    begin, at = at, at + 10 + 3
    while story.look(at).phase is Phase.CLOSED:
        story.call(at, Word.BAD)
        story.look(at)
        at += 3
        assert at - begin < 60
    assert story.told[-1][0] - begin <= 30
    assert story.breaker.sign is Sign.SILENT


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", range(4))
def test_rl07_it_closes_by_itself_within_a_minute_of_the_recovery(rate: float, seed: int) -> None:
    story, chance = Story(), random.Random(seed)
    outage = max(60, 40 / rate) + chance.random() * 100
    play(story, begin=START, seconds=outage, rate=rate, works=bad, seed=seed)
    recovered = START + outage
    play(story, begin=recovered, seconds=90, rate=rate, works=good, seed=seed + 7)
    closed = [at for at, breaker in story.told if breaker.phase is Phase.CLOSED and at >= recovered]
    assert (closed[0] if closed else recovered) - recovered <= 60
    assert story.breaker.phase is Phase.CLOSED


@pytest.mark.parametrize("seed", range(8))
def test_it_closes_without_any_payer_once_the_channel_answers(seed: int) -> None:
    story, chance = Story(), random.Random(seed)
    for second in range(20):
        story.call(START + second * 3, Word.BAD)
        story.look(START + second * 3)
    assert story.breaker.phase is Phase.TRIPPED
    recovered = START + 60 + chance.random() * 3
    at = recovered
    while story.look(at).phase is not Phase.CLOSED:
        story.call(at, Word.GOOD)
        at += 1
        assert at - recovered <= 60
    assert story.phases() == [Phase.CLOSED, Phase.TRIPPED, Phase.TRIAL, Phase.CLOSED]


@pytest.mark.parametrize("rate", [2.0, 40.0])
@pytest.mark.parametrize("seed", range(5))
def test_five_in_a_hundred_failing_at_random_never_flap(rate: float, seed: int) -> None:
    story, chance = Story(), random.Random(seed)
    play(
        story, begin=START, seconds=10_000 / rate, rate=rate, seed=seed, probed_s=10,
        works=lambda _: Word.BAD if chance.random() < 0.05 else Word.GOOD,
    )  # fmt: skip
    assert story.told == []


def test_a_naive_breaker_flaps_on_the_same_series() -> None:
    """The control: three failures in a row, the usual rule, close a channel that works."""
    chance, run, trips = random.Random(0), 0, 0
    for _ in range(60_000):
        run = run + 1 if chance.random() < 0.05 else 0
        trips += run == 3
    assert trips > 0


@given(
    words=st.lists(st.sampled_from([Word.USERS, Word.OURS]), max_size=400),
    step=st.floats(0.01, 30),
    good_too=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_payers_faults_and_our_own_never_count(words: list[Word], step: float, good_too: bool) -> None:  # noqa: FBT001
    story = Story()
    for place, word in enumerate(words):
        story.order(START + place * step, word)
        if good_too and place % 7 == 0:
            story.order(START + place * step, Word.GOOD)
        story.look(START + place * step)
    assert story.told == []
    if story.last:
        assert story.last.evidence.failed == 0


@given(unpaid=st.integers(0, 400), step=st.floats(0.05, 5), calls=st.booleans())
@settings(max_examples=60, deadline=None)
def test_unpaid_codes_are_weak_evidence(unpaid: int, step: float, calls: bool) -> None:  # noqa: FBT001
    """However many: they show, after fifty in a row, and never close anything."""
    story = Story()
    for place in range(unpaid):
        at = START + place * step
        story.order(at, Word.GOOD)
        story.unpaid(at)
        if calls:
            story.call(at, Word.GOOD)
        story.look(at)
    assert story.phases() == [Phase.CLOSED]
    if unpaid < 50:
        assert story.breaker.degraded is Sign.NONE
    elif unpaid * step < 500:
        assert story.breaker.degraded is Sign.UNPAID


def test_one_payment_ends_the_doubt_about_unpaid_codes() -> None:
    story = Story()
    for place in range(60):
        story.unpaid(START + place)
    assert story.look(START + 60).degraded is Sign.UNPAID
    story.paid(START + 61, 1)
    assert story.look(START + 62).degraded is Sign.NONE


@given(
    slots=st.lists(
        st.builds(
            Slot, st.floats(0, 700).map(lambda s: START + s), *[st.integers(0, 50)] * 3, *[st.integers(0, 5)] * 6
        ), max_size=60,
    ),
    phase=st.sampled_from(Phase),
    since=st.floats(0, 700),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_whatever_happened_only_legal_moves_are_made(slots: list[Slot], phase: Phase, since: float) -> None:
    ordered = sorted(slots, key=lambda slot: slot.at)
    breaker = Breaker(phase, START + since, trial_at=START + since + 10)
    ruling = judge(START + 700, breaker, ordered, ordered, ordered)
    legal = {
        Phase.CLOSED: {Phase.CLOSED, Phase.TRIPPED}, Phase.TRIPPED: {Phase.TRIPPED, Phase.TRIAL},
        Phase.TRIAL: {Phase.TRIAL, Phase.TRIPPED, Phase.CLOSED},
    }  # fmt: skip
    assert ruling.breaker.phase in legal[phase]
    assert ruling.changed == (ruling.breaker != breaker)
    assert 0 <= (ruling.evidence.rate or 0) <= 1


@given(good_count=st.integers(1, 300), step=st.floats(0.01, 20))
@settings(max_examples=60, deadline=None)
def test_what_works_is_never_held_against_a_channel(good_count: int, step: float) -> None:
    story = Story()
    for place in range(good_count):
        story.order(START + place * step, Word.GOOD)
        story.look(START + place * step)
    assert story.told == []


def test_little_traffic_says_no_recent_data_instead_of_a_guess() -> None:
    story = Story()
    for second in range(FEWEST - 1):
        story.order(START + second, Word.GOOD)
    story.look(START + 10)
    assert story.last is not None
    assert story.last.evidence.rate is None
    story.order(START + 11, Word.GOOD)
    story.look(START + 12)
    assert story.last.evidence.rate == 1.0
    story.look(START + 400)
    assert story.last.evidence.rate is None


def test_evidence_says_how_many_and_since_when() -> None:
    story = Story()
    story.order(START, Word.GOOD)
    for second in range(10, 15):
        story.order(START + second, Word.BAD)
    story.look(START + 15)
    assert story.last is not None
    seen = story.last.evidence
    assert (seen.asked, seen.failed, seen.run, seen.began) == (6, 5, 5, START + 10)


def test_nf07_what_is_refused_to_everybody_closes_after_two() -> None:
    story = Story()
    for second in range(2):
        story.order(START + second, Word.HEAVY)
        story.look(START + second)
    assert (story.breaker.phase, story.breaker.sign) == (Phase.TRIPPED, Sign.REFUSING)


def test_nf09_a_fifth_of_answers_slow_shows_and_does_not_close() -> None:
    story, chance = Story(), random.Random(1)
    for place in range(400):
        story.order(START + place * 0.5, Word.GOOD, 6_000 if chance.random() < 0.2 else 200)
        story.look(START + place * 0.5)
    assert (story.breaker.phase, story.breaker.degraded) == (Phase.CLOSED, Sign.SLOW)
    for place in range(800):
        story.order(START + 200 + place * 0.5, Word.GOOD, 200)
        story.look(START + 200 + place * 0.5)
    assert story.breaker.degraded is Sign.NONE


def test_nf02_payments_that_had_to_be_asked_for_show() -> None:
    story = Story()
    for place in range(60):
        story.paid(START + place, None if place % 3 == 0 else 2.0)
    assert story.look(START + 61).degraded is Sign.LATE


def test_queries_that_are_answered_do_not_excuse_orders_that_fail() -> None:
    story = Story()
    for second in range(6):
        story.order(START + second, Word.BAD)
        story.call(START + second, Word.GOOD)
        story.look(START + second)
    assert story.breaker.phase is Phase.TRIPPED


def test_orders_that_are_taken_excuse_queries_that_fail() -> None:
    story = Story()
    for second in range(60):
        story.order(START + second, Word.GOOD)
        story.call(START + second, Word.BAD)
        story.look(START + second)
    assert story.phases() == [Phase.CLOSED]


def test_a_failed_trial_waits_and_the_next_one_closes() -> None:
    story = Story()
    play(story, begin=START, seconds=60, rate=2, works=bad)
    assert story.phases()[:4] == [Phase.CLOSED, Phase.TRIPPED, Phase.TRIAL, Phase.TRIPPED]
    play(story, begin=START + 60, seconds=60, rate=2, works=good)
    assert story.phases()[-2:] == [Phase.TRIAL, Phase.CLOSED]


@pytest.mark.parametrize("seed", range(5))
def test_a_lasting_outage_lets_only_a_bounded_share_through(seed: int) -> None:
    story, through = Story(), 0

    def count(_: float) -> Word:
        nonlocal through
        through += 1
        return Word.BAD

    play(story, begin=START, seconds=600, rate=20, works=count, seed=seed)
    assert through < 0.02 * 600 * 20


def test_after_a_recovery_three_failures_are_enough() -> None:
    story = Story()
    play(story, begin=START, seconds=20, rate=2, works=bad)
    play(story, begin=START + 20, seconds=40, rate=2, works=good)
    assert story.breaker.phase is Phase.CLOSED
    begin = story.breaker.since + 30
    for second in range(3):
        story.order(begin + second, Word.BAD)
        story.look(begin + second)
    assert story.breaker.phase is Phase.TRIPPED


def test_nothing_before_the_end_of_a_maintenance_counts() -> None:
    slots = [Slot(START + second, bad=1, run=1) for second in range(30)]
    assert judge(START + 30, Breaker(), slots, []).breaker.phase is Phase.TRIPPED
    assert judge(START + 30, Breaker(), slots, [], not_before=START + 28).breaker.phase is Phase.CLOSED


@pytest.mark.parametrize(("hits", "of"), [(0, 0), (0, 10), (1, 1), (5, 10), (10, 100), (100, 1000)])
def test_a_sure_share_is_never_above_the_seen_one(hits: int, of: int) -> None:
    assert 0 <= wilson_low(hits, of) <= (hits / of if of else 0)
    assert wilson_low(hits * 10, of * 10) >= wilson_low(hits, of)
