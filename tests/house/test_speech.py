"""How reasons speak: short, active, without blame, with something to do; and never a way round a risk or legal stop."""

import re

import pytest
from tests.house.sources import nothing
from tests.house.test_i18n import read

from daozhang.policy.sentences import sentences
from daozhang.reasons import CuredBy, Disclosure, Layer, Reason, Retry, catalogue

REASONS = list(catalogue())
STOPS = [
    reason
    for reason in REASONS
    if reason.layer in {Layer.RISK, Layer.REGULATION}
    or reason.disclosure is not Disclosure.FULL
    or reason.code in {"account.frozen", "account.closed", "account.locked"}
]
"""Where no way round may be offered: it would teach a thief, or help to break the law."""

EMPTY = re.compile(
    r"系统异常|系统错误|未知错误|未知异常|管理员|非法|无效的|操作失败|请重试$"
    r"|\binvalid\b|\billegal\b|administrator|\boops\b|unknown error|something went wrong$",
    re.IGNORECASE,
)
BLAME = re.compile(
    r"您(操作|输入|填写)?(错误|有误)|您的错|(?<!不)是您的问题|your fault|you (failed|made a mistake|forgot)", re.IGNORECASE
)
WAY_ROUND = re.compile(
    r"换一?(个|种|张|台)|另(一|外)(个|种|台)?(账户|帐户|设备|渠道|手机|方式)|分(几|多|成|开)|拆|少一点|小一点|其他(账户|设备|渠道|方式)"
    r"|(another|other|different) (account|device|channel|way|card|phone|amount)"
    r"|\bsplit|\bsmaller|\bseveral\b.*(payment|recharge)|in parts",
    re.IGNORECASE,
)
SPLITTING = re.compile(r"分(几|多)(次|笔)|分成|分开充|拆(分|开|成)|\bsplit|in (several|smaller) (parts|payments)", re.IGNORECASE)
UNMOVED = re.compile(r"没有扣款|未扣款|钱没有动|nothing was taken|no money was taken|money has not moved", re.IGNORECASE)
CONFIRMED = {"operation.cancelled", "operation.expired", "operation.order_closed"}
"""Reasons that are given only after the channel has confirmed that nothing was taken."""


def texts(reason: Reason) -> list[str]:
    return [part for told in (reason.zh, reason.en) for part in (told.title, told.text, told.cure) if part]


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.code)
def test_it_is_told_in_both_languages_shortly_and_with_a_cure(reason: Reason) -> None:
    assert re.search("[\u4e00-\u9fff]", reason.zh.title + reason.zh.cure)
    assert not re.search("[\u4e00-\u9fff]", reason.en.title + reason.en.text + reason.en.cure)
    assert len(reason.zh.title) <= 20
    assert len(reason.en.title) <= 66
    assert not reason.zh.title.endswith("。")
    assert not reason.en.title.endswith(".")
    for zh in (reason.zh.text, reason.zh.cure):
        assert len(zh) <= 80
        assert not zh or zh.endswith("。"), zh
    for en in (reason.en.text, reason.en.cure):
        assert len(en) <= 170, len(en)
        assert not en or en.endswith("."), en


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.code)
def test_it_says_something_and_blames_nobody(reason: Reason) -> None:
    for part in texts(reason):
        assert not EMPTY.search(part), part
        assert not BLAME.search(part), part


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.code)
def test_who_sends_somebody_to_support_says_what_for(reason: Reason) -> None:
    for zh in (reason.zh.text, reason.zh.cure):
        if "联系客服" in zh or "告诉客服" in zh:
            assert re.search("说明|“|凭|选择|准备", zh), zh
    if reason.cured_by is CuredBy.SUPPORT:
        assert re.search("客服|财务", reason.zh.cure), reason.zh.cure
        assert re.search("support|finance", reason.en.cure, re.IGNORECASE), reason.en.cure


@pytest.mark.parametrize("reason", STOPS, ids=lambda reason: reason.code)
def test_no_way_round_a_risk_or_legal_stop_is_offered(reason: Reason) -> None:
    assert reason.retry is not Retry.OTHER_CHANNEL
    for part in texts(reason):
        assert not WAY_ROUND.search(part), part


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.code)
def test_nobody_is_told_to_split_an_amount(reason: Reason) -> None:
    for part in texts(reason):
        assert not SPLITTING.search(part), part


def test_money_is_called_untouched_only_when_the_channel_has_said_so() -> None:
    assert {reason.code for reason in REASONS if any(UNMOVED.search(part) for part in texts(reason))} <= CONFIRMED


def test_in_doubt_nobody_is_sent_to_pay_again() -> None:
    for code in (
        "channel.checking",
        "channel.unknown_answer",
        "channel.bank_fault",
        "channel.order_unknown",
        "platform.check_unanswered",
    ):
        reason = catalogue().get(code)
        assert re.search("请勿重复付款|请勿再付|不要再付", reason.zh.title + reason.zh.text + reason.zh.cure), code
        assert re.search("do not pay (again|twice)", reason.en.title + reason.en.text + reason.en.cure), code
        assert reason.retry is Retry.LATER


def test_what_only_time_or_nobody_cures_is_not_tried_at_once() -> None:
    for reason in REASONS:
        if reason.cured_by is CuredBy.TIME:
            assert reason.retry is not Retry.NOW, reason.code
        if reason.retry is Retry.OTHER_CHANNEL:
            assert reason.cured_by is not CuredBy.NOBODY, reason.code


def test_the_rules_see_what_they_forbid() -> None:
    """The control: each rule finds its own transgression."""
    assert EMPTY.search("系统异常，请联系管理员")
    assert EMPTY.search("Invalid amount")
    assert BLAME.search("您输入有误")
    assert WAY_ROUND.search("请换一个账户再试")
    assert WAY_ROUND.search("Use another device")
    assert SPLITTING.search("可以分几次充")
    assert UNMOVED.search("放心，没有扣款")


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_pages_speak_like_the_reasons(locale: str) -> None:
    spoken = read(locale)
    nothing(f"{key}: {said}" for key, said in spoken.items() if EMPTY.search(said) or BLAME.search(said) or SPLITTING.search(said))


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_checks_speak_like_the_reasons(locale: str) -> None:
    for name, entry in sentences().items():
        said = entry.zh if locale == "zh" else entry.en
        for part in (said.rule, said.passed):
            assert part.endswith("。" if locale == "zh" else "."), name
            assert not EMPTY.search(part), name
            assert not BLAME.search(part), name
