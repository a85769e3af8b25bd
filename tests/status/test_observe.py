"""What an answer says of its channel: the channel's faults count, its payers' and ours do not."""

import pytest

from daozhang.channels.native import unmapped
from daozhang.channels.port import Answer, Native, Outcome, Prepay
from daozhang.status.counts import Count, Word
from daozhang.status.observe import call_word, order_word

ORDERS = [
    (Prepay(Outcome.SUCCESS, "qr"), Word.GOOD),
    (Prepay(Outcome.FAILURE, reason="channel.unreachable", native=Native("UNREACHABLE")), Word.BAD),
    (Prepay(Outcome.UNKNOWN, reason="channel.checking", native=Native("NO_ANSWER")), Word.BAD),
    (Prepay(Outcome.UNKNOWN, reason="channel.unknown_answer", native=Native("UNCLEAR", http=200)), Word.BAD),
    (Prepay(Outcome.UNKNOWN, reason="channel.checking", native=Native("SYSTEM_ERROR", http=500)), Word.BAD),
    (Prepay(Outcome.UNKNOWN, reason="channel.bank_fault", native=Native("BANK_ERROR", http=500)), Word.BAD),
    (Prepay(Outcome.FAILURE, reason="channel.busy", native=Native("RATELIMIT_EXCEEDED", http=429)), Word.BAD),
    (Prepay(Outcome.FAILURE, reason="channel.product_not_enabled", native=Native("NO_AUTH", http=403)), Word.HEAVY),
    (Prepay(Outcome.FAILURE, reason="channel.misconfigured", native=Native("SIGN_ERROR", http=401)), Word.HEAVY),
    (Prepay(Outcome.FAILURE, reason="account.payer_balance_short", native=Native("NOTENOUGH", http=403)), Word.USERS),
    (Prepay(Outcome.FAILURE, reason="account.payer_abnormal", native=Native("ACCOUNT_ERROR", http=403)), Word.USERS),
    (Prepay(Outcome.PENDING, reason="channel.payer_confirming", native=Native("USERPAYING", http=202)), Word.USERS),
    (Prepay(Outcome.FAILURE, reason="channel.rule_limit", native=Native("RULE_LIMIT", http=403)), Word.USERS),
    (Prepay(Outcome.FAILURE, reason="channel.request_rejected", native=Native("PARAM_ERROR", http=400)), Word.OURS),
    (Prepay(Outcome.FAILURE, reason="channel.not_configured"), Word.OURS),
    (Prepay(Outcome.FAILURE, reason="channel.method_unsupported"), Word.OURS),
]

CALLS = [
    (Answer(Outcome.SUCCESS), Word.GOOD),
    (Answer(Outcome.PENDING), Word.GOOD),
    (Answer(Outcome.FAILURE, reason="operation.already_paid", native=Native("ORDERPAID", http=400)), Word.GOOD),
    (Answer(Outcome.UNKNOWN, exists=False, reason="channel.order_unknown", native=Native("ORDER_NOT_EXIST", http=404)), Word.GOOD),
    (Answer(Outcome.UNKNOWN, reason="channel.unreachable", native=Native("UNREACHABLE")), Word.BAD),
    (Answer(Outcome.UNKNOWN, reason="channel.checking", native=Native("SYSTEM_ERROR", http=500)), Word.BAD),
    (Answer(Outcome.UNKNOWN, reason="channel.busy", native=Native("FREQUENCY_LIMITED", http=429)), Word.OURS),
    (Answer(Outcome.UNKNOWN, reason="channel.not_configured"), Word.OURS),
]


@pytest.mark.parametrize(("answer", "word"), ORDERS, ids=lambda each: str(each)[:60])
def test_nf04_an_answer_to_an_order(answer: Prepay, word: Word) -> None:
    unmapped.clear()
    assert order_word("wechatpay", answer) is word
    assert list(unmapped) == []


@pytest.mark.parametrize(("answer", "word"), CALLS, ids=lambda each: str(each)[:60])
def test_an_answer_to_anything_else(answer: Answer, word: Word) -> None:
    assert call_word("wechatpay", "query", answer) is word


def test_counts_add_up_whatever_is_cut_apart() -> None:
    """A second counted in two halves is the second counted at once."""
    words = [Word.GOOD, Word.BAD, Word.HEAVY, Word.USERS, Word.GOOD, Word.BAD, Word.OURS, Word.HEAVY]
    whole = Count()
    for word in words:
        whole.answer(word, 300)
    for cut in range(len(words) + 1):
        first, then = Count(), Count()
        for place, word in enumerate(words):
            (first if place < cut else then).answer(word, 300)
        first.before(then)
        assert first == whole, cut
    assert (whole.good, whole.bad, whole.run, whole.users, whole.ours) == (2, 4, 4, 1, 1)
