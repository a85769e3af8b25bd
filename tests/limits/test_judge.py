"""Limits, judged: what an amount is stopped by, what is left, and when the hours of service begin."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daozhang.limits.judge import fee_bp, opens_at, room, stopped
from daozhang.limits.model import AXES, Limit
from daozhang.reasons import catalogue

AT = datetime(2026, 11, 22, 6, 2, tzinfo=UTC)
"""14:02 in Shanghai."""


def limit(**given: Any) -> Limit:
    """A row of the channel's."""
    return Limit(**{"id": 1, "owner": "channel", "at": AT, "day_ends_at": AT + timedelta(hours=10),
                    "month_ends_at": AT + timedelta(days=8), **given})  # fmt: skip


@pytest.mark.parametrize(("amount_fen", "stops"), [(4_999, False), (5_000, False), (5_001, True)])
@pytest.mark.parametrize("axis", ["single", "day", "month"])
def test_am_07_a_limit_takes_its_own_amount_and_not_a_fen_more(axis: str, amount_fen: int, stops: bool) -> None:  # noqa: FBT001
    row = limit(**{f"{axis}_fen": 8_000}, day_used_fen=3_000, month_used_fen=3_000)
    row = limit(single_fen=5_000) if axis == "single" else row
    stop = stopped([row], amount_fen, axis)
    assert (stop is not None) == stops
    if stop:
        assert stop.reason in catalogue()
        assert stop.facts["limit_fen"] == (5_000 if axis == "single" else 8_000)


def test_the_tightest_row_is_told() -> None:
    rows = [limit(id=1, single_fen=9_000), limit(id=2, owner="bank", bank="icbc", single_fen=5_000), limit(id=3, single_fen=7_000)]
    stop = stopped(rows, 10_000, "single")
    assert stop is not None
    assert (stop.limit.id, stop.facts["bank"], stop.facts["whose"]) == (2, "icbc", "bank")
    least = stopped([limit(min_fen=100), limit(id=2, min_fen=300)], 50, "min")
    assert least is not None
    assert least.facts["min_fen"] == 300
    assert "¥3" in catalogue().get(least.reason).told("en", least.facts).text


def test_without_an_amount_only_what_is_used_up_stops() -> None:
    assert stopped([limit(single_fen=5_000, day_fen=5_000, day_used_fen=4_999)], None, "day") is None
    assert stopped([limit(day_fen=5_000, day_used_fen=5_000)], None, "day") is not None
    assert stopped([limit(single_fen=5_000)], None, "single") is None
    assert stopped([limit(min_fen=5_000)], None, "min") is None


def test_room_is_the_least_of_all_rows() -> None:
    left = room(
        [limit(single_fen=5_000, day_fen=9_000, day_used_fen=6_000), limit(month_fen=4_000, month_used_fen=500, min_fen=100)]
    )
    assert (left.single_fen, left.day_left_fen, left.month_left_fen, left.min_fen, left.most_fen) == (
        5_000,
        3_000,
        3_500,
        100,
        3_000,
    )
    assert room([limit(day_fen=100, day_used_fen=900)]).day_left_fen == 0
    assert room([]).most_fen is None
    assert room([limit(single_fen=5_000, changed_axis="single", changed_fen=4_000)]).doubted


@pytest.mark.parametrize(
    ("opens", "closes", "waits_min"),
    [(0, 1439, None), (14 * 60 + 2, 23 * 60, None), (14 * 60 + 3, 23 * 60, 1), (60, 14 * 60 + 2, 658),
     (60, 14 * 60 + 3, None), (22 * 60, 14 * 60 + 3, None), (22 * 60, 14 * 60 + 2, 478), (600, 600, None)],
)  # fmt: skip
def test_hours_of_service_may_run_through_midnight(opens: int, closes: int, waits_min: int | None) -> None:
    begins = opens_at(limit(opens_min=opens, closes_min=closes))
    assert begins == (None if waits_min is None else AT + timedelta(minutes=waits_min))
    stop = stopped([limit(opens_min=opens, closes_min=closes)], None, "hours")
    assert (stop is not None) == (waits_min is not None)


def test_the_row_that_names_a_way_most_closely_says_what_it_costs() -> None:
    assert fee_bp([limit(fee_bp=60), limit(id=2, fee_bp=38, kind="epay", method="qr"), limit(id=3, fee_bp=100, kind="epay")]) == 38
    assert fee_bp([limit(id=1, fee_bp=60, kind="epay", method="qr"), limit(id=2, fee_bp=10, channel_id=3)]) == 10
    assert fee_bp([limit(single_fen=1)]) is None


def test_every_axis_has_a_reason_that_reads_well_without_numbers() -> None:
    """A channel's own refusal comes without facts of ours."""
    for axis in AXES:
        for locale in ("zh", "en"):
            told = catalogue().get(f"channel.limit.{axis}").told(locale, {})
            assert told.title
            assert told.cure
            assert "{" not in told.title + told.text + told.cure
