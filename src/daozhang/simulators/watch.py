"""The simulators' own clock: the world outside keeps its own time, which tests may shift against ours."""

from datetime import UTC, datetime
from functools import lru_cache

from daozhang import clock
from daozhang.clock import SHANGHAI


class Watch:
    """Wall time of the simulated channels, `offset_s` seconds ahead of `daozhang.clock`."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self.offset_s = offset_s

    def now_s(self) -> float:
        """Seconds since 1970."""
        return clock.now_s() + self.offset_s

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.fromtimestamp(self.now_s(), UTC)


def rfc3339(moment_s: float) -> str:
    """Seconds since 1970 as WeChat Pay writes times: `2026-05-20T13:29:35+08:00`."""
    return datetime.fromtimestamp(moment_s, SHANGHAI).isoformat(timespec="seconds")


def digits(moment_s: float) -> str:
    """Seconds since 1970 as `yyyymmddHHMMSS` in Shanghai: the front part of many channel numbers."""
    return _digits(int(moment_s))


@lru_cache(maxsize=16)
def _digits(moment_s: int) -> str:
    return datetime.fromtimestamp(moment_s, SHANGHAI).strftime("%Y%m%d%H%M%S")
