"""What an answer says of its channel: the channel's faults count, its payers' and ours do not."""

from datetime import timedelta

import pytest

from daozhang import clock
from daozhang.channels.native import unmapped
from daozhang.channels.port import Answer, Native, Notification, OrderRequest, Outcome, Prepay, Report
from daozhang.status.counts import Count, Sampler, Word
from daozhang.status.observe import Observed, call_word, order_word

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


class Teller:
    """A channel that tells of payments as it is told to."""

    id, kind, merchant, app, methods = 1, "wechatpay", "1", "1", ("native",)

    def __init__(self, report: Report) -> None:
        self.report, self.answer = report, Prepay(Outcome.SUCCESS, "qr")
        self.found = Answer(Outcome.SUCCESS, report, exists=True)

    async def query(self, out_trade_no: str) -> Answer:  # noqa: ARG002 - as the port has it
        return self.found

    async def read(self, headers: dict[str, str], body: bytes) -> Notification:  # noqa: ARG002
        return Notification("k", "TRANSACTION.SUCCESS", self.report)

    async def order(self, request: OrderRequest) -> Prepay:  # noqa: ARG002
        return self.answer


def told(seconds_ago: float) -> tuple[Sampler, Observed]:
    made_at = clock.now() - timedelta(seconds=seconds_ago)
    report = Report("query", "payment", 1, "N1", Outcome.SUCCESS, 1, "CNY", "1", "1", happened_at=made_at, bank="icbc")
    sampler = Sampler(None)  # type: ignore[arg-type]
    return sampler, Observed(sampler, Teller(report))  # type: ignore[arg-type]


async def test_nf02_a_payment_is_counted_once_with_its_way_its_bank_and_how_late_it_was_told() -> None:
    sampler, channel = told(seconds_ago=4)
    await channel.order(OrderRequest("N1", "native", 1, "x", clock.now(), "http://127.0.0.1/"))
    await channel.read({}, b"")
    await channel.read({}, b"")
    await channel.query("N1")
    paid = {key: count for key, count in sampler._counts.items() if count.paid}
    ((key, count),) = paid.items()
    assert (key.method, key.bank, count.paid, count.late, count.lag) == ("native", "icbc", 1, 0, [0, 0, 1, 0, 0, 0, 0, 0])


async def test_a_payment_that_its_bank_refused_counts_for_that_bank_once_and_closes_nothing() -> None:
    sampler = Sampler(None)  # type: ignore[arg-type]
    teller = Teller(None)  # type: ignore[arg-type]
    channel = Observed(sampler, teller)  # type: ignore[arg-type]
    await channel.order(OrderRequest("N1", "qr", 1, "x", clock.now(), "http://127.0.0.1/", bank="ccb"))
    for reason in ("account.payer_balance_short", "account.issuer_refused", "account.issuer_refused"):
        teller.found = Answer(Outcome.FAILURE, exists=True, reason=reason, native=Native("01"))
        await channel.query("N1")
    counted = [(key.method, key.bank, count.unpaid) for key, count in sampler._counts.items() if count.unpaid]
    assert counted == [("qr", "ccb", 1)], "what the payer lacks is no fault of the bank"
    assert sum(count.bad for key, count in sampler._counts.items() if key.method == "qr") == 0


@pytest.mark.parametrize(("seconds_ago", "late"), [(5, 0), (59, 0), (62, 1)])
async def test_nf02_a_payment_found_by_asking_is_late_only_after_a_minute(seconds_ago: float, late: int) -> None:
    sampler, channel = told(seconds_ago)
    await channel.query("N1")
    assert sum(count.late for count in sampler._counts.values()) == late


async def test_one_order_that_cannot_be_digested_closes_nothing() -> None:
    """It is asked for again and again; only its first failure speaks for its way to pay."""
    sampler = Sampler(None)  # type: ignore[arg-type]
    teller = Teller(None)  # type: ignore[arg-type]
    channel = Observed(sampler, teller)  # type: ignore[arg-type]
    teller.answer = Prepay(Outcome.UNKNOWN, reason="channel.checking", native=Native("SYSTEM_ERROR", http=500))
    for _ in range(10):
        await channel.order(OrderRequest("N1", "native", 1, "x", clock.now(), "http://127.0.0.1/"))
    bad = {lane: sum(count.bad for key, count in sampler._counts.items() if key.method == lane) for lane in ("native", "")}
    assert bad == {"native": 1, "": 9}
    teller.answer = Prepay(Outcome.SUCCESS, "qr")
    await channel.order(OrderRequest("N1", "native", 1, "x", clock.now(), "http://127.0.0.1/"))
    assert sum(count.good for key, count in sampler._counts.items() if key.method == "native") == 1


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


def test_what_nobody_was_asked_for_says_nothing_of_a_channel() -> None:
    signed_here = Prepay(Outcome.SUCCESS, "form", {"url": "https://gateway.example", "fields": {}})
    assert order_word("unionpay", signed_here) is Word.OURS
