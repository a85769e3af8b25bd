"""The one clock. Test mode may shift it (one row in the database, read by SQL's `clock_now()` and by simulators too)."""

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")

_offset_s = 0.0


def now() -> datetime:
    """The present moment in UTC, shifted by the test clock's offset if there is one."""
    return datetime.fromtimestamp(now_s(), UTC)


def now_s() -> float:
    """Seconds since 1970, shifted like `now`."""
    return time.time() + _offset_s


def now_ms() -> int:
    """Milliseconds since 1970, shifted like `now`."""
    return int(now_s() * 1000)


def shift(offset_s: float) -> None:
    """Follow the offset row of the database. Only test mode ever writes that row."""
    global _offset_s  # noqa: PLW0603 - one clock per process, moved by the test clock only
    _offset_s = offset_s


def business_day(moment: datetime) -> date:
    """The calendar day of a shop in China: Asia/Shanghai, whatever the machine's zone."""
    return moment.astimezone(SHANGHAI).date()


def day_start(moment: datetime) -> datetime:
    """Midnight in Shanghai of the business day that holds `moment`."""
    local = moment.astimezone(SHANGHAI)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def next_day(moment: datetime) -> datetime:
    """When the business day after the one that holds `moment` begins."""
    return day_start(moment) + timedelta(days=1)
