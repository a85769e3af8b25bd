"""Days and stories of ninety days: nothing is counted twice, nothing lasts longer than the time there was."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from daozhang import clock
from daozhang.status.chronicle import DAYS, Incident, days, stories, uptime

NOW = datetime(2026, 11, 28, 4, 0, tzinfo=UTC)
"""Noon in Shanghai."""
HOUR = timedelta(hours=1)
METHODS = ("native", "h5")


def incident(
    hours_ago: float, hours: float | None, *, method: str = "native", severity: str = "down", channel_id: int = 1
) -> Incident:
    began = NOW - HOUR * hours_ago
    return Incident(channel_id, method, severity, "failing", began, None if hours is None else began + HOUR * hours)


INCIDENTS = st.lists(
    st.builds(
        incident, st.floats(0.01, 3_000), st.none() | st.floats(0, 100), method=st.sampled_from(METHODS),
        severity=st.sampled_from(["down", "degraded"]), channel_id=st.integers(1, 2),
    ), max_size=20,
)  # fmt: skip


@given(INCIDENTS)
@settings(max_examples=100, deadline=None)
def test_no_day_is_longer_than_it_was(incidents: list[Incident]) -> None:
    told = days(NOW, METHODS, {}, [each for each in incidents if each.channel_id == 1], [])
    assert len(told) == DAYS
    assert told[-1].day == clock.business_day(NOW)
    assert all(0 <= day.down_s <= 86_400 and 0 <= day.degraded_s <= 86_400 for day in told)
    assert told[-1].down_s <= 12 * 3_600
    up = uptime(told, NOW, len(METHODS))
    assert up is None or 0 <= up <= 1


@given(INCIDENTS)
@settings(max_examples=100, deadline=None)
def test_stories_tell_every_incident_once_and_no_channel_in_anothers(incidents: list[Incident]) -> None:
    told = stories(incidents, NOW)
    assert {story.channel_id for story in told} == {each.channel_id for each in incidents}
    for each in incidents:
        around = [
            story for story in told
            if story.channel_id == each.channel_id and story.began_at <= each.began_at <= (story.ended_at or NOW + HOUR * 100)
        ]  # fmt: skip
        assert any(each.method in story.methods for story in around)
    assert [story.began_at for story in told] == sorted((story.began_at for story in told), reverse=True)


def test_one_method_of_two_is_half_an_outage() -> None:
    (today,) = days(NOW, METHODS, {}, [incident(4, 2)], [])[-1:]
    assert (today.state, today.down_s) == ("down", 3_600)
    both = [incident(4, 2), incident(4, 2, method="h5"), incident(3, 1)]
    assert days(NOW, METHODS, {}, both, [])[-1].down_s == 7_200


def test_an_outage_over_midnight_is_in_both_days() -> None:
    told = days(NOW, ("native",), {}, [incident(13, 2)], [])
    assert [day.down_s for day in told[-2:]] == [3_600, 3_600]


def test_a_day_on_which_nobody_paid_is_no_good_day() -> None:
    today = clock.business_day(NOW)
    told = days(NOW, METHODS, {today: (98, 2), today - timedelta(days=1): (0, 0)}, [], [])
    assert [(day.state, day.rate) for day in told[-2:]] == [("none", None), ("ok", 0.98)]
    assert uptime(told[:-1], NOW, 2) is None
    assert uptime(told, NOW, 2) == 1


def test_maintenance_is_no_outage() -> None:
    told = days(NOW, METHODS, {}, [], [(NOW - HOUR * 3, NOW - HOUR)])
    assert (told[-1].state, told[-1].maintenance_s, told[-1].down_s) == ("maintenance", 7_200, 0)


def test_what_follows_within_minutes_is_one_story() -> None:
    told = stories(
        [incident(5, 1), incident(4, 0.5, severity="degraded"), incident(3.45, 0.2, method="h5"), incident(1, None)], NOW
    )
    assert [(story.methods, story.severity, story.ended_at is None) for story in told] == [
        (("native",), "down", True), (("h5", "native"), "down", False),
    ]  # fmt: skip
    assert told[1].down_s == round(3_600 * 1.2)
