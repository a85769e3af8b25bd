"""How a fact is written for a person. The unit is in its name: `_fen` money, `_s` a duration, `_at` a moment, `_count` a number.

Any other fact is a word: looked up in the catalogue's word lists when there is one of that name, else shown as bounded plain text.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from daozhang import clock
from daozhang.money import yuan

Words = dict[str, dict[str, dict[str, str]]]
"""name of the fact -> its value -> language -> what people read."""

FACT = re.compile(r"\{([a-z][a-z0-9_]*)\}", re.ASCII)
"""A fact's place in a text."""

_SENTENCES = {"zh": re.compile("(?<=[。！？])"), "en": re.compile("(?<=[.!?]) ")}
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
_UNITS = ((172_800, 86_400, "天", "day"), (3_600, 3_600, "小时", "hour"), (60, 60, "分钟", "minute"), (1, 1, "秒", "second"))
"""From how many seconds on a unit is used, its size, its names: below two days hours say more."""
_TEXT_LIMIT = 64
_BEFORE_DAY = re.compile(r"(?<=[\u4e00-\u9fff]) (?=今天|昨天|明天)")


def fill(text: str, facts: Mapping[str, Any], locale: Literal["zh", "en"], words: Words) -> str:
    """Put the facts in, leaving out each sentence that names a fact which is not there."""
    if "{" not in text:
        return text
    kept = []
    for sentence in _SENTENCES[locale].split(text):
        written = {name: write(name, facts.get(name), locale, words) for name in FACT.findall(sentence)}
        if None not in written.values():
            kept.append(sentence.format_map(written))
    return " ".join(kept).strip() if locale == "en" else close_up("".join(kept).strip())


def close_up(text: str) -> str:
    """Chinese as it is set: a space stands before digits, and none before `今天` where a fact turned out to begin with it."""
    return _BEFORE_DAY.sub("", text)


def write(name: str, value: Any, locale: Literal["zh", "en"], words: Words) -> str | None:
    """The fact as text, or None when there is nothing to write or it does not have the unit that its name promises."""
    if value is None or isinstance(value, bool):
        return None
    if name.endswith(("_fen", "_s", "_count")):
        if isinstance(value, float) and name.endswith("_s"):
            value = -int(-value // 1)
        if not isinstance(value, int):
            return None
        if name.endswith("_fen"):
            return money(value)
        return duration(value, locale) if name.endswith("_s") else f"{value:,}"
    if name.endswith("_at"):
        at = _moment(value)
        return moment(at, locale) if at else None
    return _word(name, value, locale, words)


def money(amount_fen: int) -> str:
    """Yuan with the sign, without `.00`: 500000 -> `¥5,000`, 1050 -> `¥10.50`."""
    text = yuan(abs(amount_fen)).removesuffix(".00")
    return f"-¥{text}" if amount_fen < 0 else f"¥{text}"


def duration(seconds: int, locale: Literal["zh", "en"]) -> str:
    """A wait in the largest unit that fits, rounded up so that nobody comes back too early: 61 -> `2 分钟`."""
    seconds = max(seconds, 1)
    for least_s, size_s, zh, en in _UNITS:
        if seconds >= least_s:
            count = -(-seconds // size_s)
            return f"{count} {zh}" if locale == "zh" else f"{count} {en}{'' if count == 1 else 's'}"
    raise AssertionError(seconds)


def moment(at: datetime, locale: Literal["zh", "en"]) -> str:
    """A moment on the clock of China: `今天 23:30`, `明天 00:00`, `12月3日 08:05`; the year only when it is another one."""
    local, today = at.astimezone(clock.SHANGHAI), clock.business_day(clock.now())
    time = f"{local:%H:%M}"
    day = local.date()
    if locale == "zh":
        near = {today - timedelta(days=1): "昨天", today: "今天", today + timedelta(days=1): "明天"}.get(day)
        date = near or (f"{day.month}月{day.day}日" if day.year == today.year else f"{day.year}年{day.month}月{day.day}日")
        return f"{date} {time}"
    near = {today - timedelta(days=1): "yesterday", today: "today", today + timedelta(days=1): "tomorrow"}.get(day)
    date = near or f"{day.day} {_MONTHS[day.month - 1]}" + ("" if day.year == today.year else f" {day.year}")
    return f"{time} {date} (Beijing time)" if near else f"{time} on {date} (Beijing time)"


def _moment(value: Any) -> datetime | None:
    """A moment as a value, or as a stored decision's JSON holds it. Without a zone it is no moment."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.tzinfo is not None else None


def _word(name: str, value: Any, locale: Literal["zh", "en"], words: Mapping[str, Mapping[str, Mapping[str, str]]]) -> str | None:
    text = str(value)
    known = words.get(name)
    if known is not None:
        entry = known.get(text) or known.get("other")
        return entry[locale] if entry else None
    return "".join(letter for letter in text if letter.isprintable())[:_TEXT_LIMIT] or None
