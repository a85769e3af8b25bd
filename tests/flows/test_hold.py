"""Held money has a case that asks, two who decide, and always an end; a frozen account comes back the same way."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from tests.cases.test_evidence import picture
from tests.flows.shop import Shop, refuses

from daozhang import alarms, notices
from daozhang.cases import Case, escalated
from daozhang.cases.unfreeze import ask
from daozhang.recharge.model import OrderView
from daozhang.recharge.release import reject, release, returned


async def held(shop: Shop, amount_fen: int = 5_000) -> tuple[OrderView, Case]:
    """Money that arrives while its owner is frozen."""
    placed = await shop.place(amount_fen)
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    await shop.pay(placed)
    order = await shop.reach(placed.id, "held")
    case = await shop.program.house.cases.open_about(1, "hold", order.shown)
    assert case is not None
    return order, case


async def told(shop: Shop) -> list[tuple[str, str]]:
    """What the owner was told of money, and where it leads; the oldest first."""
    found = await notices.recent(shop.program.database, shop.user_id)
    return [(each.kind, each.link) for each in reversed(found) if each.kind.startswith("money_")]


async def test_held_money_asks_its_owner_and_is_credited_when_two_agree(shop: Shop) -> None:
    order, case = await held(shop)
    cases = shop.program.house.cases
    assert (case.user_id, case.turn, case.question) == (shop.user_id, "user", "source")
    assert await told(shop) == [("money_asked", f"/cases/{case.shown}")], "he may have closed the page"
    await cases.answer(shop.user_id, case.id, "工资", [picture()])
    await cases.propose(case.id, "staff:1", "approved", "fits")
    assert await shop.cash() == 0
    await cases.confirm(case.id, "staff:2")
    assert (await shop.order(order.id)).state == "credited"
    assert await shop.cash() == 5_000
    assert (await told(shop))[1:] == [("money_released", f"/orders/{order.shown}")]


async def test_a_rejection_sends_it_back_to_where_it_came_from(shop: Shop) -> None:
    order, case = await held(shop)
    cases = shop.program.house.cases
    await cases.answer(shop.user_id, case.id, "x")
    await cases.propose(case.id, "staff:1", "rejected", "looks like laundering")
    await cases.confirm(case.id, "staff:2")
    for _ in range(10):
        await shop.sim.quiet()
        await shop.later(61)
        await shop.work()
    assert (await shop.order(order.id)).state == "refunded"
    assert shop.sim.books.refund_totals().sum_fen == 5_000
    await shop.program.interface_log.drain()
    asked = "select string_agg(request, ' ') from interface_log where refund_id is not null"
    told = await shop.program.database.value(asked)
    assert "原路退回" in told
    assert "laundering" not in told, "what staff noted is not written on the payer's statement"


async def test_that_it_went_back_by_hand_is_said_by_the_second_of_two_who_both_wanted_that(shop: Shop) -> None:
    """Who agrees to a release has not agreed to a return, and one person alone does not book that money has left."""
    order, case = await held(shop)
    cases, program = shop.program.house.cases, shop.program

    async def gone(actor: str) -> None:
        await returned(program.database, program.accounts, order.id, actor, "in the merchant platform", cases, case.id)

    with refuses("cases.not_waiting"):
        await gone("staff:2")
    await cases.propose(case.id, "staff:1", "approved", "fits")
    with refuses("cases.not_waiting"):
        await gone("staff:2")
    await cases.object(case.id, "staff:2", "went back yesterday")
    await cases.propose(case.id, "staff:1", "rejected", "so it did")
    with refuses("cases.second_person"):
        await gone("staff:1")
    assert (await shop.order(order.id)).state == "held"
    await gone("staff:2")
    assert ((await shop.order(order.id)).state, await shop.cash()) == ("refunded", 0)


async def test_seven_silent_days_send_it_back_and_never_release(shop: Shop) -> None:
    order, case = await held(shop)
    await shop.later(timedelta(days=7, minutes=1).total_seconds())
    for _ in range(10):
        await shop.work()
        await shop.sim.quiet()
        await shop.later(61)
    assert (await shop.order(order.id)).state == "refunded"
    closed = await shop.program.house.cases.case(case.id)
    assert closed is not None
    assert (closed.state, closed.verdict) == ("closed", "rejected")
    assert await shop.cash() == 0
    assert [kind for kind, _ in await told(shop)][-1] == "money_returned"


async def test_a_frozen_account_works_again_at_once_when_a_second_person_approves(shop: Shop) -> None:
    identity, cases = shop.program.house.identity, shop.program.house.cases
    await identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    assert (await shop.place()).reason == "account.frozen"
    case_id = await ask(shop.program.database, cases, 1, shop.user_id, "risk_review", {})
    assert await ask(shop.program.database, cases, 1, shop.user_id, "risk_review", {}) == case_id
    await cases.answer(shop.user_id, case_id, "是我本人", [picture()])
    await cases.propose(case_id, "staff:1", "approved", "identity card fits")
    assert (await shop.place()).state == "refused"
    await cases.confirm(case_id, "staff:2")
    placed = await shop.place()
    await shop.pay(placed)
    await shop.reach(placed.id, "credited")


async def test_what_the_law_froze_only_the_law_frees(shop: Shop) -> None:
    identity, cases = shop.program.house.identity, shop.program.house.cases
    await identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    case_id = await ask(shop.program.database, cases, 1, shop.user_id, "risk_review", {})
    await cases.answer(shop.user_id, case_id, "x")
    await cases.propose(case_id, "staff:1", "approved", "fits")
    await identity.freeze(shop.user_id, actor="staff:1", reason="court_order")
    with refuses("account.frozen_by_law"):
        await cases.confirm(case_id, "staff:2")
    with refuses("account.frozen_by_law"):
        await ask(shop.program.database, cases, 1, shop.user_id, "court_order", {})
    assert (await shop.place()).reason in ("account.frozen", "account.frozen_by_law")


async def test_what_a_person_decided_by_hand_is_not_decided_again(shop: Shop) -> None:
    order, case = await held(shop)
    await release(shop.program.database, shop.program.accounts, order.id, "staff:1", "by hand")
    cases = shop.program.house.cases
    await cases.answer(shop.user_id, case.id, "x")
    await cases.propose(case.id, "staff:1", "approved", "late")
    with refuses("operation.not_waiting"):
        await cases.confirm(case.id, "staff:2")
    assert await shop.cash() == 5_000, "credited once"


@pytest.mark.parametrize("decide", [release, reject, returned])
async def test_what_a_person_decided_by_hand_ends_its_case(shop: Shop, decide: Callable[..., Awaitable[None]]) -> None:
    order, case = await held(shop)
    cases = shop.program.house.cases
    await decide(shop.program.database, shop.program.accounts, order.id, "staff:1", "by hand", cases=cases)
    ended = await cases.case(case.id)
    assert ended is not None
    assert (ended.state, ended.verdict) == ("closed", None)
    with refuses("cases.closed"):
        await cases.answer(shop.user_id, case.id, "x")


async def test_fifteen_days_without_an_answer_of_ours_send_it_back_and_never_release(shop: Shop) -> None:
    order, case = await held(shop)
    cases = shop.program.house.cases
    await cases.answer(shop.user_id, case.id, "工资")
    await shop.later(timedelta(days=1, minutes=1).total_seconds())
    await shop.work()
    assert await escalated.tell(shop.program.database, 1) == 1
    await shop.later(timedelta(days=14).total_seconds())
    for _ in range(10):
        await shop.work()
        await shop.sim.quiet()
        await shop.later(601)
    assert (await shop.order(order.id)).state == "refunded"
    closed = await cases.case(case.id)
    assert closed is not None
    assert (closed.state, closed.verdict) == ("closed", "rejected")
    await escalated.tell(shop.program.database, 1)
    assert [each for each in await alarms.open_alarms(shop.program.database) if each.kind == "case.escalated"] == []
