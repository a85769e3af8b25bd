"""`crowd`: buyers who make the mistakes that people make, each of them in one of fifteen orders, against the real program.

Once nobody is shown anything and nothing is explained; then rules, live state, limits and the amount are read before, and a failure
is explained at once. What was shown is not assumed: it is asked of the recharge page's own quote and pre-flight. A rule that was
shown, and an explanation that was right, are followed with probability `obeys`; whoever knows nothing happens upon the cure with
`GUESS` at each further try, and gives up after `PATIENCE` tries. Everything else happens for real: orders are placed, paid at
simulated channels, called back, reviewed, credited, refunded; then the books are proved and held against those of the channels.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from msgspec.structs import replace

from daozhang.app import SHOP
from daozhang.bench.booth import Booth, booth
from daozhang.bench.errand import Errand, Try
from daozhang.bench.machine import machine
from daozhang.bench.mistakes import Mistake, mistakes
from daozhang.demo import shelf
from daozhang.policy.books import Books
from daozhang.proof import prove
from daozhang.reasons import Refusal

ONE_IN = 15
OBEYS = 0.8
SWEEP = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
PATIENCE = 5
GUESS = 0.2
"""How often somebody who was told nothing happens upon the cure with his next try: an assumption, the same for every mistake."""
EXPLAINED_WITHIN_S = 3.0
_SETTLE_S = 120.0


@dataclass(slots=True)
class Tally:
    """What one run of the crowd came to."""

    obeys: float
    shown: bool
    orders: int = 0
    failed: int = 0
    given_up: int = 0
    tries: int = 0
    failures: int = 0
    right: int = 0
    warned: int = 0
    obeyed: int = 0
    paid_twice: int = 0
    strange: list[str] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    by_mistake: dict[str, Counter[str]] = field(default_factory=dict)

    def line(self) -> dict[str, Any]:
        """The figures of this run; shares of orders, or of failures."""
        done, spread = self.orders - self.given_up, quantiles(self.took_s, n=20) if len(self.took_s) > 1 else []
        return {
            "shown": self.shown,
            "obeys": self.obeys,
            "orders": self.orders,
            "failed_share": _share(self.failed, self.orders),
            "given_up_share": _share(self.given_up, self.orders),
            "tries_per_success": round(self.tries / done, 3) if done else None,
            "failures": self.failures,
            "explained_share": _share(self.right, self.failures),
            "explained_p50_ms": round(spread[9] * 1000) if spread else None,
            "explained_p95_ms": round(spread[18] * 1000) if spread else None,
            "warned": self.warned,
            "obeyed": self.obeyed,
            "paid_twice": self.paid_twice,
        }


async def bench(
    *, seed: int = 1, orders: int = 200, obeys: Sequence[float] = SWEEP, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Run the same crowd without rules and explanations, and with them for each share of `obeys`; OBEYS is always one of them."""
    drawn = draw(seed, orders)
    tell(_HEAD)
    async with booth() as shop:
        await _guard(shop, on=False)
        without = await _run(shop, drawn, seed, Tally(0.0, shown=False), tell)
        await _guard(shop, on=True)
        runs = {share: await _run(shop, drawn, seed, Tally(share, shown=True), tell) for share in sorted({*obeys, OBEYS})}
        lost_fen = await _lost_fen(shop)
        proof = await prove(shop.program.database)
    chosen = runs[OBEYS]
    tell(_by_mistake(without, chosen))
    figure, yardstick = chosen.failed / max(1, orders), without.failed / max(1, orders)
    p95_ms = chosen.line()["explained_p95_ms"]
    return {
        "name": "crowd",
        "figure": round(figure, 4),
        "unit": "share of orders that failed at least once, with rules, guard and explanations",
        "yardstick": round(yardstick, 4),
        "yardstick_is": "the same crowd without them",
        "ratio": round(figure / yardstick, 3) if yardstick else None,
        "seed": seed,
        "one_in": ONE_IN,
        "guess": GUESS,
        "patience": PATIENCE,
        "without": without.line(),
        "with": chosen.line(),
        "sweep": [run.line() for run in runs.values()],
        "strange": [*without.strange, *(each for run in runs.values() for each in run.strange)],
        "money_lost_fen": lost_fen,
        "explained_p95_ms_yardstick": round(EXPLAINED_WITHIN_S * 1000),
        "ok": lost_fen == 0 and (p95_ms is None or p95_ms < EXPLAINED_WITHIN_S * 1000),
        "proof_ok": proof.ok,
        "machine": machine(),
    }


async def _guard(shop: Booth, *, on: bool) -> None:
    """Whether an amount ten times the usual one is asked about before it is paid."""
    books, wanted = Books(shop.program.database), shelf.book()
    version = (await books.current(SHOP)).version + 1
    changed = replace(wanted, amount=replace(wanted.amount, ask_odd=on))
    await books.publish(SHOP, changed, version=version, author="bench", note="the guard of the amount")


def draw(seed: int, orders: int) -> list[tuple[Mistake, ...]]:
    """The mistakes of each order: each mistake falls upon one order of fifteen, whatever else does."""
    chance = random.Random(seed)  # noqa: S311 -- a crowd that can be run again, no secret
    return [tuple(each for each in mistakes() if chance.randrange(ONE_IN) == 0) for _ in range(orders)]


async def _run(shop: Booth, drawn: Sequence[tuple[Mistake, ...]], seed: int, tally: Tally, tell: Callable[[str], None]) -> Tally:
    """The whole crowd, one order after the other: what is broken for one must not be broken for another."""
    for number, made in enumerate(drawn):
        tally.orders += 1
        failures, given_up = 0, False
        for mistake in made or (None,):
            # The same order meets the same chance in every run.
            chance = random.Random(f"{seed} {number} {mistake.id if mistake else ''}")  # noqa: S311
            came = await _errand(shop, mistake, chance, tally)
            failures, given_up = failures + came[0], given_up or not came[1]
        tally.failed += failures > 0
        tally.given_up += given_up
        tally.tries += failures + (not given_up)
    tell(_line(tally))
    return tally


async def _errand(shop: Booth, mistake: Mistake | None, chance: random.Random, tally: Tally) -> tuple[int, bool]:
    """One buyer who makes one mistake, or none: how often he failed, and whether it came to a good end."""
    person = await shop.world.person()
    if mistake is None or not mistake.fresh:
        await shop.world.buy_trial(person)
    errand, failures, cured, ended = Errand(shop, person), 0, mistake is None, False
    seen = tally.by_mistake.setdefault(
        mistake.id if mistake else "none", Counter(orders=0, failed=0, warned=0, right=0, failures=0, gave_up=0)
    )
    try:
        if mistake is not None:
            await mistake.make(errand)
            cured = await _warned(errand, mistake, chance, tally, seen)
        while not ended and failures < PATIENCE:
            tried = (await errand.resume() if failures else None) or await errand.attempt()
            ended = tried.ok
            if not ended:
                failures += 1
                cured = cured or await _after(errand, mistake, tried, chance, tally, seen)
    finally:
        # What was broken for this buyer is whole again for the next one.
        await shop.read_only(on=False) if mistake and mistake.id == "database" else None
    seen.update(orders=1, failed=int(failures > 0), gave_up=int(not ended))
    tally.paid_twice += len(errand.paid) > 1
    return failures, ended


async def _warned(errand: Errand, mistake: Mistake, chance: random.Random, tally: Tally, seen: Counter[str]) -> bool:
    """Whether he was told beforehand, and did what it says."""
    obeys = chance.random() < tally.obeys
    if not tally.shown or mistake.reason not in await errand.shown():
        return False
    tally.warned += 1
    seen["warned"] += 1
    if obeys:
        tally.obeyed += 1
        await mistake.cure(errand)
    return obeys


async def _after(
    errand: Errand, mistake: Mistake | None, tried: Try, chance: random.Random, tally: Tally, seen: Counter[str]
) -> bool:
    """After a failure: what he reads, and whether he then does what cures it."""
    tally.failures += 1
    seen["failures"] += 1
    if mistake is None:
        tally.strange.append(f"an order without a mistake: {tried.reason or (tried.order and tried.order.state)}")
        return False
    right = False
    if tally.shown:
        told = await errand.explanation(tried, mistake.reason)
        right = told.right
        if told.took_s is not None:
            tally.took_s.append(told.took_s)
    tally.right += right
    seen["right"] += right
    # A wrong amount that was paid is not tried again by anybody: he asks for the rest of it back.
    paid = tried.order is not None and tried.order.state == "credited"
    if not paid and chance.random() >= (tally.obeys if right else GUESS):
        return False
    with suppress(Refusal):
        await mistake.cure(errand)
        return True
    return False


async def _lost_fen(shop: Booth) -> int:
    """What payers were charged and did not get back, against what our books say that channels owe us; after the last messages."""
    database, difference = shop.program.database, 0
    end_s = asyncio.get_running_loop().time() + _SETTLE_S
    while asyncio.get_running_loop().time() < end_s:
        for row in await shop.owner.rows("select id from orders where state in ('created', 'awaiting_payment', 'closing')"):
            await shop.program.desk.look(row["id"])
        sums = [station.sums() for station in shop.simulator.stations.values()]
        charged_fen = sum(each["paid"].sum_fen - each["refunded"].sum_fen for each in sums)
        owed_fen = -await database.value(
            "select coalesce(sum(balance_fen), 0)::bigint from accounts where kind = 'channel_receivable'"
        )
        difference = abs(charged_fen - owed_fen)
        if difference == 0:
            break
        await asyncio.sleep(0.5)
    return difference


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


_HEAD = (
    "| rules and explanations | obeys | orders | failed | gave up | tries per success | explained at once | p50 ms | p95 ms |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def _line(tally: Tally) -> str:
    told = tally.line()
    shares = [f"{told[name]:.1%}" for name in ("failed_share", "given_up_share")]
    explained = "-" if told["explained_share"] is None else f"{told['explained_share']:.1%}"
    numbers = [str(told[name] if told[name] is not None else "-") for name in ("explained_p50_ms", "explained_p95_ms")]
    cells = [
        "shown" if tally.shown else "none",
        str(tally.obeys),
        str(tally.orders),
        *shares,
        str(told["tries_per_success"]),
        explained,
    ]
    return f"| {' | '.join([*cells, *numbers])} |"


def _by_mistake(without: Tally, chosen: Tally) -> str:
    """The table of mistakes: how often each failed without and with, and what was said of it."""
    rows = [
        f"| {name} | {seen['orders']} | {without.by_mistake[name]['failed']} | {seen['failed']} | {seen['warned']} "
        f"| {seen['right']} of {seen['failures']} | {without.by_mistake[name]['gave_up']} | {seen['gave_up']} |"
        for name, seen in chosen.by_mistake.items()
    ]
    head = (
        "\n| mistake | orders | failed without | failed with | warned before | explained at once | gave up without | gave up with |"
    )
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- | --- | --- |", *rows])
