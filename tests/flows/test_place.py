"""Placing: the same wish twice is one order, limits hold under any haste, and an answer that says nothing sure is no failure."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.flows.shop import Shop, make_users, refuses
from tests.patience import until

from daozhang import clock, ids
from daozhang.channels import console
from daozhang.postgres.supervisor import Supervisor
from daozhang.recharge import place
from daozhang.recharge.model import PlaceRequest
from daozhang.recharge.place import Admitted
from daozhang.recharge.route import OPEN, Standing
from daozhang.settings import Settings


async def test_rc_01_one_key_fifty_times_at_once_is_one_order(shop: Shop) -> None:
    shop.sim.fault("order", "delay", seconds=0.3)
    seen = await asyncio.gather(*(shop.place(key="one-wish-only") for _ in range(50)))
    assert {order.id for order in seen} == {seen[0].id}
    assert {(order.state, str(order.payload)) for order in seen} == {("awaiting_payment", str(seen[0].payload))}
    assert await shop.program.database.value("select count(*) from attempts") == 1
    assert len(shop.sim.books.waiting()) == 1
    assert await shop.program.database.value("select seen from idempotency_keys") == 50


async def test_rc_01_a_replay_tells_what_became_of_the_order(shop: Shop) -> None:
    order = await shop.place(key="told-as-it-is-now")
    await shop.pay(order)
    await shop.reach(order.id, "credited")
    again = await shop.place(key="told-as-it-is-now")
    assert (again.id, again.state) == (order.id, "credited")


async def test_rc_01_a_rival_gives_up_with_the_orders_address(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "RIVAL_WAIT_S", 0.4)
    shop.sim.fault("order", "delay", seconds=60)
    first = asyncio.create_task(shop.place(key="slow-channel"))
    await until(lambda: shop.sim.dial.holds() == 1)
    # A rival believes an order that is older than its own patience to be nobody's; to this one it looks new.
    monkeypatch.setattr(clock, "now", lambda earlier=clock.now: earlier() - timedelta(minutes=1))
    with refuses("operation.key_busy") as told:
        await shop.place(key="slow-channel")
    shop.sim.dial.release()
    assert told.value.facts["order"] == (await first).shown


@pytest.mark.parametrize("other", [{"amount_fen": 5_001}, {"method": "h5"}])
async def test_rc_03_a_key_used_for_another_wish_is_refused(shop: Shop, other: dict[str, object]) -> None:
    order = await shop.place(5_000, key="used-before")
    with refuses("operation.key_reused"):
        await shop.place(**({"amount_fen": 5_000} | other), key="used-before")  # type: ignore[arg-type]
    assert await shop.program.database.value("select count(*) from orders") == 1
    assert (await shop.place(5_000, key="used-before")).id == order.id


@pytest.mark.parametrize("key", ["", "short", "x" * 65, "tab\there-and-more", "钥匙钥匙钥匙钥匙"])
async def test_rc_03_a_malformed_key_makes_nothing(stall: Shop, key: str) -> None:
    before = await stall.program.database.value("select count(*) from orders")
    with refuses("operation.key_malformed"):
        await stall.program.desk.place(_request(stall, key))
    assert await stall.program.database.value("select count(*) from orders") == before


@pytest.mark.parametrize("amount_fen", [0, -1, 10**10, 2**63])
async def test_am_03_an_amount_no_order_can_have_makes_nothing(stall: Shop, amount_fen: int) -> None:
    before = await stall.program.database.value("select count(*) from orders")
    with refuses("operation.amount.malformed"):
        await stall.place(amount_fen)
    assert await stall.program.database.value("select count(*) from orders") == before


@pytest.mark.parametrize(("amount_fen", "reason"), [(99, "operation.amount.too_small"), (500_001, "operation.amount.too_large")])
async def test_am_07_a_refusal_by_policy_is_an_order_with_its_reason(stall: Shop, amount_fen: int, reason: str) -> None:
    seen = await stall.place(amount_fen)
    assert (seen.state, seen.money, seen.reason, seen.terminal) == ("refused", "none", reason, True)
    assert seen.verdicts
    assert await stall.program.database.value("select count(*) from attempts where order_id = $1", seen.id) == 0


@pytest.mark.parametrize("amount_fen", [100, 500_000])
async def test_am_07_the_bounds_themselves_are_admitted(shop: Shop, amount_fen: int) -> None:
    assert (await shop.place(amount_fen)).state == "awaiting_payment"


async def test_am_07_twenty_orders_at_once_never_exceed_the_day(shop: Shop) -> None:
    """The day holds 2,000,000 fen; each wants 190,000: ten fit, and none of the others."""
    seen = await asyncio.gather(*(shop.place(190_000) for _ in range(20)))
    states = [order.state for order in seen]
    assert (states.count("awaiting_payment"), states.count("refused")) == (10, 10)
    assert {order.reason for order in seen if order.state == "refused"} == {"limits.day"}
    assert (await shop.place(100_000)).state == "awaiting_payment"
    assert (await shop.place(100)).state == "refused"


@pytest.mark.parametrize(
    "fault", ["hang", "booked_error", "error", "empty_503", "truncate", "garbage", "unsigned", "forge", "stale"]
)
async def test_nf_01_nf_04_an_unsure_answer_is_checking_and_never_failed(shop: Shop, fault: str) -> None:
    """Whether the order was placed we cannot know. The chase asks again in the same words: the channel has one order."""
    # A connection is there: what is waited for is the answer, and no busy machine.
    channel = shop.program.registry.get(shop.channel_id)
    assert channel is not None
    await channel.query(ids.text26(ids.new_id()))
    with patience_of(shop, 1.5 if fault == "hang" else None):
        shop.sim.fault("order", fault, http=500, seconds=60)
        order = await shop.place()
    shop.sim.dial.clear()
    shop.sim.dial.release()
    assert (order.state, order.money, order.reason) == ("created", "checking", "channel.checking")
    assert order.payload == {}
    number = await shop.number(order.id)
    await shop.later(6)
    await shop.work()
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.action) == ("awaiting_payment", "none", "qr")
    assert await shop.number(order.id) == number
    assert len(shop.sim.books.waiting()) == 1
    await shop.pay(seen)
    await shop.reach(order.id, "credited")


async def test_nf_01_a_channel_that_never_answers_ends_in_expired_and_not_before_it_is_sure(shop: Shop) -> None:
    shop.sim.fault("api", "error", http=500, times=None)
    order = await shop.place()
    await shop.later(20 * 60)
    await shop.work()
    assert (await shop.order(order.id)).money == "checking"
    shop.sim.dial.clear()
    await shop.later(10 * 60)
    await shop.work()
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.reason) == ("expired", "none", "channel.unreachable")


async def test_nf_01_nobody_at_home_at_the_channel_is_a_plain_failure(shop: Shop, settings: Settings) -> None:
    """A connection that was never made sent nothing, so nothing can have happened."""
    await console.point(shop.program.database, settings, shop.channel_id, ("http://127.0.0.1:9",))
    await shop.program.registry.load()
    order = await shop.place()
    assert (order.state, order.money, order.reason) == ("failed", "none", "channel.unreachable")


async def test_a_native_refusal_fails_the_order_with_its_reason_and_a_retry_is_a_new_attempt(shop: Shop) -> None:
    shop.sim.fault("order", "error", code="NO_AUTH", http=403)
    order = await shop.place()
    assert (order.state, order.money, order.native_code) == ("failed", "none", "NO_AUTH")
    first = await shop.number(order.id)
    again = await shop.program.desk.retry(shop.user_id, order.id, shop.channel_id, "native", "203.0.113.9")
    assert (again.id, again.state, again.reason) == (order.id, "awaiting_payment", None)
    assert await shop.number(order.id) != first
    await shop.pay(again)
    await shop.reach(order.id, "credited")
    with refuses("operation.not_retryable"):
        await shop.program.desk.retry(shop.user_id, order.id, shop.channel_id, "native", "203.0.113.9")


async def test_ten_retries_at_once_make_one_attempt_that_lives(shop: Shop) -> None:
    shop.sim.fault("order", "error", code="NO_AUTH", http=403)
    order = await shop.place()
    desk = shop.program.desk
    await asyncio.gather(
        *(desk.retry(shop.user_id, order.id, shop.channel_id, "native", "203.0.113.9") for _ in range(10)), return_exceptions=True
    )
    seen = await shop.order(order.id)
    assert seen.state == "awaiting_payment"
    await shop.pay(seen)
    await shop.reach(order.id, "credited")
    assert await shop.cash() == 5_000


async def test_somebody_elses_order_can_be_neither_cancelled_nor_retried(shop: Shop) -> None:
    order = await shop.place()
    for act in (
        shop.program.desk.cancel(shop.user_id + 1, order.id),
        shop.program.desk.cancel(shop.user_id, ids.new_id()),
        shop.program.desk.retry(shop.user_id + 1, order.id, shop.channel_id, "native", "203.0.113.9"),
    ):
        with refuses("operation.not_found"):
            await act
    assert (await shop.order(order.id)).state == "awaiting_payment"


@contextlib.contextmanager
def patience_of(shop: Shop, total_s: float | None) -> Iterator[None]:
    """Wait so long for the channel's answer; None changes nothing."""
    channel = shop.program.registry.get(shop.channel_id)
    transport = channel._transport  # type: ignore[union-attr]
    before = transport._total_s
    if total_s is not None:
        transport._total_s = total_s
    yield
    transport._total_s = before


def _request(shop: Shop, key: str) -> PlaceRequest:
    return PlaceRequest(1, shop.user_id, 5_000, shop.channel_id, "native", key, shop.program.desk.page_version, "203.0.113.9")


async def test_a_way_on_trial_is_asked_about_for_each_order_of_a_commit_and_an_open_one_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, asked = (
        [Standing("degraded", why="channel.recovering"), Standing("degraded", usable=False, why="channel.recovering")],
        [],
    )

    async def standing(channel_id: int, method: str) -> Standing:
        asked.append(method)
        return OPEN if method == "native" else trial[asked.count(method) > 1]

    monkeypatch.setattr(shop.program.desk.place_order, "standing", standing)
    native = _request(shop, "trial-key-1")
    wishes = [native, replace(native, method="h5"), native, replace(native, method="h5"), native]
    seen = await shop.program.desk.place_order._standings(wishes)
    assert seen == [OPEN, trial[0], OPEN, trial[1], OPEN]
    assert asked == ["native", "h5", "h5"]


async def test_a_commit_writes_only_what_is_new_and_tries_only_what_is_admitted(
    shop: Shop, fresh: str, server: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its columns are laid out before the database has said which those are: one key came again, one amount is refused."""
    for room in ("daozhang.policy.facts", "daozhang.recharge.ready"):
        monkeypatch.setattr(f"{room}.province_of", {"219.128.0.1": "广东"}.get)
    again, refused, new = await make_users(server.dsn("owner", fresh), 3)
    before = await shop.place(user_id=again, key="came-before")
    wishes = [
        replace(_request(shop, "came-before"), user_id=again),
        replace(_request(shop, "over-the-limit"), user_id=refused, amount_fen=9_999_999),
        replace(_request(shop, "sound-and-new"), user_id=new, amount_fen=7_000, client_ip="219.128.0.1"),
    ]
    replayed, turned_down, admitted = await shop.program.desk.place_order._admit_all(wishes)
    assert replayed == Admitted(before.id, None, replay=True)
    assert isinstance(turned_down, Admitted)
    assert isinstance(admitted, Admitted)
    assert turned_down.attempt is None
    assert admitted.attempt is not None
    rows = await shop.program.database.rows(
        """select o.user_id, o.amount_fen, o.state, o.version, o.currency, o.client_ip, k.key, d.outcome, a.id, a.amount_fen,
          a.state as tried
        from orders o join idempotency_keys k on k.order_id = o.id join decisions d on d.order_id = o.id
        left join attempts a on a.order_id = o.id
        where o.user_id = any ($1) order by o.user_id""",
        [refused, new],
    )
    assert [tuple(row) for row in rows] == [
        (refused, 9_999_999, "refused", 1, "CNY", "203.0.113.9", "over-the-limit", "refuse", None, None, None),
        (new, 7_000, "created", 0, "CNY", "219.128.0.1", "sound-and-new", "admit", admitted.attempt.attempt_id, 7_000, "prepared"),
    ]
    told = await shop.program.database.rows(
        "select kind, order_id from events where kind like 'order.%' and user_id = any ($1)", [refused, new]
    )
    assert {tuple(row) for row in told} >= {("order.refused", turned_down.order_id), ("order.created", admitted.order_id)}
    places = await shop.program.database.rows(
        "select user_id, province, login_at from place_days where user_id = any ($1)", [refused, new]
    )
    assert [tuple(row) for row in places] == [(new, "广东", None)]
