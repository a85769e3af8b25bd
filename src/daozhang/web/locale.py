"""Languages of the pages: which one a reader gets, its texts, and how it writes money, days and durations."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Literal

from babel.dates import format_date

from daozhang import clock, money
from daozhang.reasons.names import kind_names
from daozhang.reasons.writing import close_up
from daozhang.web import words

Code = Literal["zh", "en"]
COOKIE = "lang"
_RANGE = re.compile(r"\s*([a-zA-Z]{1,8}|\*)(?:-[a-zA-Z0-9]{1,8})*\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?))?\s*", re.ASCII)
_LONGEST_HEADER = 400
_DAY_WITHIN = re.compile(r"(?<=[\w,;:] )(?:Today|Yesterday|Tomorrow)(?= [0-9])")
"""A day with a capital is one that begins a line, and not one within a sentence."""


@dataclass(frozen=True)
class Locale:
    """One language. `t` finds a text by its dotted key; a missing key is our own bug and raises `KeyError`."""

    code: Code
    texts: Mapping[str, str]

    def t(self, key: str, **facts: Any) -> str:
        """The text of `key` with its `{names}` filled."""
        text = self.texts[key]
        said = text.format(**facts) if facts else text
        if not facts:
            return said
        return close_up(said) if self.code == "zh" else _DAY_WITHIN.sub(lambda day: day[0].lower(), said)

    def either(self, key: str, otherwise: str, **facts: Any) -> str:
        """The text of `key`, or of `otherwise` when the key comes from data this version does not know yet."""
        return self.t(key if key in self.texts else otherwise, **facts)

    def has(self, key: str) -> bool:
        """Whether there is a text of that key."""
        return key in self.texts

    def joined(self, *sentences: str) -> str:
        """Sentences one after the other, each with its stop, as the language sets them."""
        stop, gap = ("。", "") if self.code == "zh" else (".", " ")
        said = [each if each[-1:] in "。！？.!?" else each + stop for each in sentences if each]
        return gap.join(said)

    @property
    def tag(self) -> str:
        """The language tag for `<html lang>`."""
        return self.texts["site.tag"]

    def money(self, amount_fen: int) -> str:
        """`¥1,234.56`; a minus sign comes before the currency sign."""
        return f"{'−' if amount_fen < 0 else ''}¥{money.yuan(abs(amount_fen))}"

    def short_money(self, amount_fen: int) -> str:
        """Like `money`, without `.00`: for limits and presets."""
        return self.money(amount_fen).removesuffix(".00")

    def signed(self, amount_fen: int) -> str:
        """`+50.00` or `−12.30`: a movement on a statement."""
        return f"{'−' if amount_fen < 0 else '+'}{money.yuan(abs(amount_fen))}"

    def words(self, amount_fen: int) -> str:
        """The amount in words: Chinese capitals of cheques, or English words."""
        return money.capitals(amount_fen) if self.code == "zh" else words.english(amount_fen)

    def time(self, moment: datetime, *, seconds: bool = True) -> str:
        """`14:02:07` on a clock in Shanghai."""
        return moment.astimezone(clock.SHANGHAI).strftime("%H:%M:%S" if seconds else "%H:%M")

    def day(self, moment: datetime) -> str:
        """`11月22日` or `22 Nov`; with the year when it is not this one."""
        local = moment.astimezone(clock.SHANGHAI)
        same = local.year == clock.now().astimezone(clock.SHANGHAI).year
        forms = {"zh": ("M月d日", "y年M月d日"), "en": ("d MMM", "d MMM y")}[self.code]
        return format_date(local.date(), forms[0] if same else forms[1], locale="zh_CN" if self.code == "zh" else "en_GB")

    def when(self, moment: datetime) -> str:
        """`今天 14:02`, `昨天 09:30`, `明天 18:00` or a date with a time, as seen from Shanghai."""
        at, today = self.time(moment, seconds=False), clock.business_day(clock.now())
        day = clock.business_day(moment)
        if day == today:
            return self.t("time.today", time=at)
        if day == today - timedelta(days=1):
            return self.t("time.yesterday", time=at)
        if day == today + timedelta(days=1):
            return self.t("time.tomorrow", time=at)
        return f"{self.day(moment)} {at}"

    def clock(self, moment: datetime) -> str:
        """The time with seconds today, the day with the time before that."""
        return self.time(moment) if clock.business_day(moment) == clock.business_day(clock.now()) else self.when(moment)

    def month(self, moment: datetime) -> str:
        """`11 月` or `November`, as a statement is parted; with the year when it is not this one."""
        local = moment.astimezone(clock.SHANGHAI)
        same = local.year == clock.now().astimezone(clock.SHANGHAI).year
        forms = {"zh": ("M 月", "y 年 M 月"), "en": ("LLLL", "LLLL y")}[self.code]
        return format_date(local.date(), forms[0] if same else forms[1], locale="zh_CN" if self.code == "zh" else "en_GB")

    def took(self, seconds: float) -> str:
        """A short span with one decimal below ten seconds: `3.2 秒`, `3.2 s`, `2 分 5 秒`."""
        if seconds < 60:
            number = f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"
            return f"{number} 秒" if self.code == "zh" else f"{number} s"
        minutes, rest = divmod(int(seconds), 60)
        if minutes < 60:
            return f"{minutes} 分 {rest} 秒" if self.code == "zh" else f"{minutes} min {rest} s"
        hours, minutes = divmod(minutes, 60)
        return f"{hours} 小时 {minutes} 分" if self.code == "zh" else f"{hours} h {minutes} min"


@cache
def load(code: Code) -> Locale:
    """The language of that code, read once from `i18n/<code>/*.toml` and what each kind of channel calls itself."""
    said: dict[str, str] = {}
    for file in resources.files("daozhang.web").joinpath("i18n", code).iterdir():
        tree = tomllib.loads(file.read_text("utf-8"))
        said |= {f"{part}.{name}": text for part, names in tree.items() for name, text in names.items()}
    for kind, languages in kind_names().items():
        said |= {f"kind.{kind}": languages[code].name, f"kind_mark.{kind}": languages[code].mark}
    return Locale(code, said)


def choose(cookie: str | None, accept_language: str) -> Locale:
    """The reader's own choice (cookie) first, then the browser's wish, then Chinese. Takes any text, however broken."""
    if cookie in {"zh", "en"}:
        return load("zh" if cookie == "zh" else "en")
    best: Code | None = None
    best_weight = 0.0
    for part in accept_language[:_LONGEST_HEADER].split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        language, weight = match.group(1).lower(), float(match.group(2) or 1)
        if language in {"zh", "en", "*"} and weight > best_weight:
            best, best_weight = ("en" if language == "en" else "zh"), weight
    if best is None:
        best = "zh" if not accept_language.strip() or "zh" in accept_language.lower() else "en"
    return load(best)
