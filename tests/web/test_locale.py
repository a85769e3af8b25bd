"""Languages: the same keys in both, a choice for every header, and amounts in words."""

import string
from datetime import UTC, datetime, timedelta

import pytest

from daozhang import clock
from daozhang.web import locale, words

ZH, EN = locale.load("zh"), locale.load("en")


def test_both_languages_have_the_same_texts_with_the_same_facts() -> None:
    assert ZH.texts.keys() == EN.texts.keys()

    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert {key for key in ZH.texts if names(ZH.texts[key]) != names(EN.texts[key])} <= {"cured_by.channel"}


@pytest.mark.parametrize(
    ("cookie", "header", "code"),
    [
        (None, "", "zh"),
        (None, "en-US,en;q=0.9", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en;q=0.2, zh;q=0.9", "zh"),
        (None, "fr-FR,fr;q=0.9", "en"),
        (None, "*", "zh"),
        (None, ";;;q=,\x00", "en"),
        (None, "en;q=9" * 500, "en"),
        ("en", "zh-CN", "en"),
        ("xx", "zh-CN", "zh"),
        ("../../etc", "", "zh"),
    ],
)
def test_a_language_is_chosen_for_every_reader(cookie: str | None, header: str, code: str) -> None:
    assert locale.choose(cookie, header).code == code


@pytest.mark.parametrize(
    ("fen", "said"),
    [
        (0, "Zero yuan"),
        (1, "One fen"),
        (5000, "Fifty yuan"),
        (1234, "Twelve yuan and thirty-four fen"),
        (10000, "One hundred yuan"),
        (10100, "One hundred and one yuan"),
        (100500, "One thousand and five yuan"),
        (500000, "Five thousand yuan"),
        (
            99999999_99,
            "Ninety-nine million nine hundred and ninety-nine thousand nine hundred and ninety-nine yuan and ninety-nine fen",
        ),
    ],
)
def test_amounts_in_english_words(fen: int, said: str) -> None:
    assert words.english(fen) == said


def test_money_days_and_spans() -> None:
    assert (ZH.money(-1234567), EN.short_money(500000), EN.signed(-50)) == ("−¥12,345.67", "¥5,000", "−0.50")
    assert ZH.words(5000) == "伍拾元整"
    now = clock.now()
    assert ZH.when(now).startswith("今天 ")
    assert EN.when(now - timedelta(days=1)).startswith("Yesterday ")
    assert EN.when(datetime(2020, 2, 3, 4, 5, tzinfo=UTC)) == "3 Feb 2020 12:05"
    assert (ZH.took(3.21), EN.took(75), EN.took(3700)) == ("3.2 秒", "1 min 15 s", "1 h 1 min")


def test_sentences_are_joined_as_the_language_sets_them() -> None:
    assert locale.load("zh").joined("原账户已注销", "", "钱在余额里。", "不用操作。") == "原账户已注销。钱在余额里。不用操作。"
    assert locale.load("en").joined("It is closed", "It is here.", "") == "It is closed. It is here."


def test_a_day_is_named_and_set_as_it_is_read() -> None:
    now = clock.now()
    assert ZH.when(now + timedelta(days=1)).startswith("明天 ")
    assert EN.when(now + timedelta(days=1)).startswith("Tomorrow ")
    assert (ZH.clock(now), EN.clock(now)) == (ZH.time(now), EN.time(now)), "of today the time to the second"
    assert ZH.clock(now - timedelta(days=1)) == ZH.when(now - timedelta(days=1)), "of another day its day, too"
    assert (ZH.month(datetime(2020, 2, 3, tzinfo=UTC)), EN.month(datetime(2020, 2, 3, tzinfo=UTC))) == (
        "2020 年 2 月",
        "February 2020",
    )
    assert ZH.t("step_limit.expires", when=ZH.when(now)).startswith("最晚今天 "), "no space between two characters"
    assert EN.t("step_limit.expires", when=EN.when(now)).startswith("By today "), "no capital within a sentence"
    assert ZH.t("step_limit.expires", when="12月3日 8:05").startswith("最晚 12月3日 8:05"), "one before digits"
