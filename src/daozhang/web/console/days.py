"""Days as forms of the desk write them: the end of a day in Shanghai, ahead and within a year."""

from datetime import date, datetime, time, timedelta

from daozhang import clock
from daozhang.reasons import Refusal

LONGEST_DAYS = 366


def end_of_day(text: str) -> datetime | None:
    """The end of a day, from today to a year ahead; None for nothing. Raises `staff.malformed`."""
    if not text.strip():
        return None
    try:
        moment = datetime.combine(date.fromisoformat(text.strip()), time(), clock.SHANGHAI) + timedelta(days=1)
    except ValueError:
        raise Refusal("staff.malformed", field="date") from None
    if not clock.now() < moment < clock.now() + timedelta(days=LONGEST_DAYS):
        raise Refusal("staff.malformed", field="date")
    return moment


def tomorrow() -> date:
    """The first day that a form offers."""
    return clock.now().astimezone(clock.SHANGHAI).date() + timedelta(days=1)
