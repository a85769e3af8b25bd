"""Evidence made by hand: an order in a state, with what was decided, tried and said about it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from daozhang import clock, ids
from daozhang.diagnosis.model import Evidence, Heard, Judged, Tried
from daozhang.policy.checks import CHECKS
from daozhang.policy.model import Decision, Outcome, Stage, Verdict
from daozhang.recharge.model import Considered, OrderView, Step
from daozhang.recharge.states import ORDER_STATES

AT = datetime.fromisoformat("2026-03-04T06:02:07+00:00")
SECOND = timedelta(seconds=1)


def order(state: str, *, reason: str | None = None, money: str = "", facts: dict[str, Any] | None = None, **more: Any) -> OrderView:
    order_id = ids.new_id()
    made = OrderView(
        id=order_id, shown=f"RC-{ids.text26(order_id)}", user_id=7, state=state,
        money=money or ORDER_STATES[state].money,  # type: ignore[arg-type]
        terminal=ORDER_STATES[state].terminal, amount_fen=5_000, refunded_fen=0, channel_id=1, kind="wechatpay", method="native",
        created_at=AT, expires_at=AT + 900 * SECOND, credited_at=None, action=None, payload={}, reason=reason,
        reason_facts=facts or {}, native_code="", channel_txn="", anomalies=(), verdicts=(),
        steps=(Step(AT, "order.created", "buyer"),), version=1,
    )  # fmt: skip
    return replace(made, **more)


def tried(state: str = "closed", *, native: str = "", reason: str | None = None, answered: bool = False) -> Tried:
    return Tried(
        ids.new_id(), 1, "wechatpay", "native", state, native, reason, AT, AT + 900 * SECOND, AT + 4 * SECOND, None, None,
        asked_at=AT + 5 * SECOND if answered else None, answered_at=AT + 5 * SECOND if answered else None,
    )  # fmt: skip


def judged(stage: Stage = Stage.PLACE, **hits: tuple[str, dict[str, Any]]) -> Judged:
    """What every check of a stage said; `hits` names those that objected, dots written as two underscores."""
    verdicts = []
    for check in CHECKS:
        if stage not in check.stages:
            continue
        hit = hits.get(check.name.replace(".", "__"))
        outcome = None if check.constant else Outcome.ADMIT
        made = Verdict(check=check.name, layer=check.layer, outcome=outcome, shown=check.shown)
        if hit:
            made = Verdict(
                check=check.name, layer=check.layer, outcome=Outcome.REFUSE, reason=hit[0], facts=hit[1], shown=check.shown
            )
        verdicts.append(made)
    worst = "refuse" if hits else "admit"
    return Judged(stage.value, worst, next(iter(hits.values()))[0] if hits else None, tuple(verdicts), AT)


def considered(
    channel_id: int = 1, kind: str = "wechatpay", method: str = "native", *, outcome: Outcome = Outcome.ADMIT,
    reason: str | None = None, facts: dict[str, Any] | None = None, check: str = "channel.status",
) -> Considered:  # fmt: skip
    found = judged(Stage.ASKED, **({check.replace(".", "__"): (reason, facts or {})} if reason else {}))
    decision = Decision(
        stage=Stage.ASKED, outcome=outcome, reason=reason, facts=facts or {}, verdicts=found.verdicts, book_version=1
    )
    return Considered(channel_id, kind, method, decision, AT)


def evidence(of: OrderView | None, **more: Any) -> Evidence:
    made = Evidence(
        at=AT + 60 * SECOND, shop_id=1, user_id=7, amount_fen=5_000, standing="active", order=of, decisions=(judged(),),
        now=(considered(), considered(2, "alipay", "page")),
        states=((1, "native", "open", None, {}), (2, "page", "open", None, {})),
    )  # fmt: skip
    return replace(made, **more)


def heard(pick: str, reason: str | None) -> tuple[Heard, ...]:
    return (Heard(pick, reason, "", clock.now()),)
