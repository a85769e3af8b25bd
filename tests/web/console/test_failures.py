"""Why recharges fail, on one page: held against the bare rows of orders and attempts, counted without a line of the page's SQL."""

import re
from collections import defaultdict
from datetime import timedelta
from typing import Any, NamedTuple

from tests.flows.conftest import let_time_pass
from tests.patience import until
from tests.web.console.conftest import Hire
from tests.web.console.scene import user
from tests.web.stage import Stage

from daozhang import clock
from daozhang.postgres import Database
from daozhang.recharge.model import OrderView
from daozhang.simulators.faults import Fault

DECLINED = 12_800
ORDERS = "select id, user_id, state, reason, amount_fen, channel_id, method, created_at, credited_at from orders"
ATTEMPTS = "select order_id, state, reason, channel_id, method, created_at from attempts"
FAILED = {"refused", "failed", "expired", "abandoned", "reviewing", "held", "misfit"}
ROW = re.compile(
    r'<code class="small">(?P<reason>[a-z_.]+)</code></td>\s*<td[^>]*data-label="Times">(?P<count>\d+)</td>'
    r'<td[^>]*data-label="Users">(?P<users>\d+)</td><td[^>]*data-label="Amount">¥(?P<yuan>[0-9,.]+)</td>\s*<td[^>]*>[^<]*</td>\s*'
    r'<td[^>]*data-label="Then succeeded">(?P<rate>\d+)% <span class="small">(?P<cured>\d+)/\d+</span></td>'
    r'<td data-label="Cured by">(?P<cures>.*?)</td>',
    re.DOTALL,
)
CURE = re.compile(r">(another way to pay|another amount|the same way again|the same order): (\d+)<")


class Told(NamedTuple):
    """A line of the page."""

    count: int
    users: int
    fen: int
    rate: int
    cures: dict[str, int]


def lines(text: str) -> dict[str, Told]:
    """The table as staff read it."""
    return {
        found["reason"]: Told(
            int(found["count"]), int(found["users"]), round(float(found["yuan"].replace(",", "")) * 100), int(found["rate"]),
            {what: int(times) for what, times in CURE.findall(found["cures"])},
        )
        for found in ROW.finditer(text)
    }  # fmt: skip


async def truth(database: Database, span: timedelta) -> dict[str, Told]:
    """The same from the rows themselves."""
    since = clock.now() - span
    orders = {row["id"]: row for row in await database.rows(ORDERS)}
    failures: dict[str, list[tuple[Any, Any, Any]]] = defaultdict(list)
    told = set()
    for row in await database.rows(ATTEMPTS):
        if row["reason"] and row["state"] != "paid":
            failures[row["reason"]].append((row["created_at"], orders[row["order_id"]], row))
            told.add((row["order_id"], row["reason"]))
    for row in orders.values():
        reason = row["reason"] or ("anomaly.amount" if row["state"] == "misfit" else None)
        if reason and row["state"] in FAILED and (row["id"], reason) not in told:
            failures[reason].append((row["created_at"], row, row))
    made = {}
    for reason, every in failures.items():
        seen = [each for each in every if each[0] >= since]
        if seen:
            newest = {order["user_id"]: (at, order, way) for at, order, way in sorted(seen, key=lambda each: each[0])}
            cures: dict[str, int] = defaultdict(int)
            for at, order, way in newest.values():
                if cure := how(at, order, way, orders.values()):
                    cures[cure] += 1
            fen = sum({order["id"]: order["amount_fen"] for _, order, _ in seen}.values())
            made[reason] = Told(len(seen), len(newest), fen, round(100 * sum(cures.values()) / len(newest)), dict(cures))
    return made


def how(at: Any, order: Any, way: Any, orders: Any) -> str:
    """What cured a failure; empty while nothing did."""
    after = [each for each in orders if each["user_id"] == order["user_id"] and each["credited_at"] and each["credited_at"] > at]
    if not after:
        return ""
    first = min(after, key=lambda each: each["credited_at"])
    if (first["channel_id"], first["method"]) != (way["channel_id"], way["method"]):
        return "another way to pay"
    if first["amount_fen"] != order["amount_fen"]:
        return "another amount"
    return "the same order" if first["id"] == order["id"] else "the same way again"


async def declined(stage: Stage, user_id: int, times: int = 1) -> OrderView:
    """Orders that their channel declines; the last one. The channel is thought well of again afterwards."""
    for _ in range(times):
        stage.sim.dial.set(Fault(point="order", kind="error", times=1, code="NO_AUTH", http=403))
        order = await stage.shop.place(DECLINED, user_id=user_id)
        stage.sim.dial.clear()
        assert (order.state, order.native_code) == ("failed", "NO_AUTH")
    return order


async def paid(stage: Stage, order: OrderView) -> None:
    """Pay and wait for the credit."""
    await stage.shop.pay(order)

    async def credited() -> bool:
        seen = await stage.shop.program.desk.order(order.user_id, order.id)
        return seen is not None and seen.state == "credited"

    await until(credited)


async def test_the_page_counts_what_the_rows_say(hire: Hire, stage: Stage, owner_database: Database) -> None:
    await let_time_pass(owner_database)
    shop, users = stage.shop, [await user(stage.shop, number) for number in range(1, 7)]
    another_way, another_amount, again, same, never, blocked = users
    await declined(stage, never)
    await paid(stage, await shop.place(DECLINED, user_id=never))
    await shop.later(2 * 86_400)
    await declined(stage, another_way, times=2)
    await paid(stage, await shop.place(DECLINED, user_id=another_way, method="h5"))
    await declined(stage, another_amount)
    await paid(stage, await shop.place(5_000, user_id=another_amount))
    await declined(stage, again)
    await paid(stage, await shop.place(DECLINED, user_id=again))
    failed = await declined(stage, same)
    await paid(stage, await shop.program.desk.retry(same, failed.id, stage.channel_id, "native", "203.0.113.9"))
    await declined(stage, never)
    await stage.house.identity.freeze(blocked, actor="staff:1", reason="risk_review")
    assert (await shop.place(9_900, user_id=blocked)).state == "refused"
    wrong = await shop.place(7_700, user_id=shop.user_id)
    shop.sim.phone.pay(await shop.number(wrong.id), trick="charged_otherwise", amount_fen=7_600)
    await shop.reach(wrong.id, "misfit")

    lin = await hire("lin", "support")
    pages = {}
    for span, back in (("24h", timedelta(hours=24)), ("7d", timedelta(days=7))):
        text = (await lin.get(f"/desk/failures?span={span}")).text
        told = pages[span] = lines(text)
        assert told == await truth(owner_database, back), span
        assert len(told) == text.count('data-label="Times"'), "every line of the table was read"
    day, week = pages["24h"], pages["7d"]
    (reason,) = {each for each in day if each not in ("account.frozen", "anomaly.amount")}
    assert day["account.frozen"] == Told(1, 1, 9_900, 0, {})
    assert day["anomaly.amount"][:3] == (1, 1, 7_700)
    cures = {"another way to pay": 1, "another amount": 1, "the same way again": 1, "the same order": 1}
    assert day[reason] == Told(6, 5, 6 * DECLINED, 80, cures)
    assert week[reason][:3] == (7, 5, 7 * DECLINED)
    for odd in ("", "1y", "' or 1=1", "24h" * 50):
        assert lines((await lin.get(f"/desk/failures?span={odd}")).text) == day, "what is no span is a day"
