"""Where the money is: which steps are told, in whose words, and what is awaited."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from daozhang import clock, ids
from daozhang.recharge.model import OrderView, RefundView, Step
from daozhang.recharge.states import ORDER_MOVES
from daozhang.web import locale
from daozhang.web.front.order import face_of
from daozhang.web.front.path import steps
from daozhang.web.front.refunds import lines

ZH, EN = locale.load("zh"), locale.load("en")


def view(*moves: str, **changes: Any) -> OrderView:
    """An order that made these moves, three seconds apart."""
    order_id, now = ids.new_id(), clock.now()
    made = OrderView(
        id=order_id,
        shown=f"RC-{ids.text26(order_id)}",
        user_id=1,
        state="awaiting_payment",
        money="none",
        terminal=False,
        amount_fen=5_000,
        refunded_fen=0,
        channel_id=1,
        kind="wechatpay",
        method="native",
        created_at=now,
        expires_at=None,
        credited_at=None,
        action="qr",
        payload={"text": "weixin://wxpay/bizpayurl?pr=x"},
        reason=None,
        reason_facts={},
        native_code="",
        channel_txn="",
        anomalies=(),
        verdicts=(),
        steps=tuple(Step(now + timedelta(seconds=3 * n), move, "test") for n, move in enumerate(moves)),
        version=1,
    )
    return replace(made, **changes)


def test_every_move_of_an_order_has_words_of_its_own() -> None:
    for _, move in ORDER_MOVES:
        assert ZH.has(f"step.{move}"), move
        assert EN.has(f"step.{move}"), move


def test_what_is_awaited_comes_last_and_has_no_time() -> None:
    lines = steps(view("order.created", "order.submitted", "attempt.opened"), EN)
    assert [line.text for line in lines] == ["Ordered ¥50.00", "Sent to WeChat Pay, waiting for payment", "Waiting for you to pay"]
    assert [line.mark for line in lines] == ["done", "done", "wait"]
    assert lines[-1].at is None


def test_an_attempt_is_told_by_its_order_but_for_a_doubt_and_an_end_of_its_own() -> None:
    doubted = steps(view("order.created", "attempt.doubted", money="checking"), EN)
    assert [line.text for line in doubted][1:] == ["WeChat Pay has not answered, asking again", "Waiting for WeChat Pay to answer"]
    ended = steps(view("order.created", "attempt.closed", "order.closed", state="cancelled", terminal=True), EN)
    assert len(ended) == 2
    retried = steps(view("order.created", "attempt.closed", "order.retried", state="created"), EN)
    assert "The earlier try is closed at WeChat Pay" in [line.text for line in retried]


def test_a_step_of_a_later_version_is_told_without_a_brace() -> None:
    assert steps(view("order.teleported", state="credited", terminal=True), ZH)[0].text == "有更新"


def test_what_we_do_not_know_never_wears_the_face_of_a_failure() -> None:
    assert face_of(view()) == "cashier"
    assert face_of(view(action=None, money="checking")) == "checking"
    assert face_of(view(state="created", money="checking")) == "checking"
    assert face_of(view(state="closing", money="checking")) == "closing"
    assert face_of(view(state="created", action=None)) == "preparing"
    for money in ("received", "returning", "returned"):
        assert face_of(view(state="held", money=money)) == "received"
    assert face_of(view(state="credited", money="credited")) == "credited"
    for state in ("failed", "expired", "cancelled", "refused", "abandoned"):
        assert face_of(view(state=state, terminal=True)) == "ended"


def test_a_refund_on_its_way_is_not_called_returned_and_a_stuck_one_not_on_its_way() -> None:
    for state, waits, said, limit, fen in (
        ("sent", False, "正在退回", "零钱", (2_000, 0)),
        ("sent", True, "需要人工处理", "", (2_000, 0)),
        ("done", False, "已退回", None, (0, 2_000)),
        ("failed", False, "没有退成", None, (0, 0)),
    ):
        made = view("credited", refunded_fen=sum(fen))
        back = RefundView(
            ids.new_id(), made.id, state, 2_000, made.created_at, made.created_at, None, kind="wechatpay", waits=waits
        )
        made = replace(made, state="credited", refunds=(back,))
        assert lines(made, ZH)[0].said == said
        assert (made.going_fen, made.gone_fen) == fen
        awaited = steps(made, ZH)[-1]
        assert (awaited.mark == "wait") is (limit is not None)
        assert limit is None or awaited.limit[:2] == limit
