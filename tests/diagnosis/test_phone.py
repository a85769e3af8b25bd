"""What a wallet showed is read as one of few things, and what says nothing is never guessed at."""

import pytest

from daozhang.channels.native import native_codes
from daozhang.diagnosis import phone
from daozhang.reasons import catalogue

READ = [
    ("wechatpay", "当前交易存在风险，已被拦截", "risk.channel_stopped"),
    ("wechatpay", "为保护您的资金安全，暂不支持付款", "risk.channel_stopped"),
    ("wechatpay", "零钱余额不足，请更换支付方式", "account.payer_balance_short"),
    ("wechatpay", "超出银行单日支付限额", "account.wallet_limit_day"),
    ("alipay", "今日限额已用完", "account.wallet_limit_day"),
    ("alipay", "超过单笔支付限额", "account.wallet_limit_single"),
    ("alipay", "本月限额已满", "account.wallet_limit_month"),
    ("alipay", "请先完成实名认证", "account.wallet_uncertified"),
    ("alipay", "ACQ.BUYER_BALANCE_NOT_ENOUGH", "account.payer_balance_short"),
    ("wechatpay", "二维码已过期，请重新获取", "operation.link_expired"),
    ("wechatpay", "支付密码错误，请重试", "account.payer_card_failed"),
    ("wechatpay", "该商家收款功能受限", "channel.receiving_limited"),
    ("wechatpay", "网络异常，请检查网络", "operation.wallet_offline"),
    ("wechatpay", "支付请求已失效，请重新发起支付", "operation.link_expired"),
    ("wechatpay", "今日收款超出单日收款最大金额", "channel.receiving_cap_reached"),
    ("unionpay", "交易失败[1000061]", "account.issuer_refused"),
    ("wechatpay", "系统繁忙，请稍后再试", "channel.busy"),
    ("alipay", "Your card was declined: insufficient funds", "account.payer_balance_short"),
]
UNREAD = ["", "出错了", "50元", "余额", "？？？", "61", "请联系 61 号客服", "ok", "订单 20261128"]


@pytest.mark.parametrize(("kind", "text", "reason"), READ)
def test_what_the_phone_says_leads_to_its_reason(kind: str, text: str, reason: str) -> None:
    assert phone.read(text, native_codes(kind)).reason == reason


@pytest.mark.parametrize("text", UNREAD)
@pytest.mark.parametrize("kind", ["wechatpay", "alipay", "unionpay", "epay"])
def test_what_says_nothing_is_not_guessed_at(kind: str, text: str) -> None:
    assert phone.read(text, native_codes(kind)) == phone.Words(phone.OTHER, None)


def test_two_digits_are_a_code_only_where_a_word_says_so() -> None:
    codes = native_codes("unionpay")
    assert phone.read("应答码：61", codes).native
    assert not phone.read("需要支付 61 元", codes).native


def test_success_on_a_phone_is_a_pick_and_no_proof() -> None:
    for text in ("支付成功", "付款成功 ¥50.00", "Payment successful"):
        assert phone.read(text, native_codes("wechatpay")) == phone.Words("paid", None)


def test_every_pick_has_a_reason_that_is_written() -> None:
    for pick in phone.picks():
        assert pick.reason is None or pick.reason in catalogue()
        assert phone.picked(pick.name) == phone.Words(pick.name, pick.reason)
    assert phone.picked("no such") is None


def test_the_text_is_bounded() -> None:
    assert phone.read("余额不足" + "x" * 100_000, None).reason == "account.payer_balance_short"
    assert phone.read("x" * 100_000 + "余额不足", None).reason is None
