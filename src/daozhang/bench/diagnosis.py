"""`diagnosis`: every way to fail is met by a user, who opens the page that explains it; what it says is held against the truth.

One story per class of native codes and one per check (`stories.toml`), in the demo's shop with simulated channels. The time runs
from the answer that failed to the last byte of the page that explains it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import aiohttp

from daozhang.app import SHOP
from daozhang.bench.booth import Booth, booth
from daozhang.bench.checked import Checked, base, publish
from daozhang.bench.coded import Coded, Met
from daozhang.bench.machine import machine
from daozhang.bench.stories import Seen, Truth, otherwise, read, stories, wrong
from daozhang.demo.world import HOME_IP, PASSWORD, Person
from daozhang.identity import Visitor
from daozhang.proof import prove

WITHIN_MS = 3_000


@dataclass(slots=True)
class Reader:
    """Users' browsers: each logs in once and opens pages, in Chinese unless it is said otherwise."""

    shop: Booth
    client: aiohttp.ClientSession
    tokens: dict[int, str] = field(default_factory=dict)

    async def enter(self, person: Person) -> None:
        """Log in, once."""
        if person.user_id not in self.tokens:
            visitor = Visitor(HOME_IP, "198.51.100.0/24")
            login = await self.shop.program.house.identity.login(SHOP, person.phone, PASSWORD, visitor)
            self.tokens[person.user_id] = login.token

    async def open(self, person: Person, path: str, language: str = "zh-CN") -> Seen:
        """What the user reads there."""
        headers = {"cookie": f"__Host-dz_session={self.tokens[person.user_id]}", "accept-language": language, "accept": "text/html"}
        async with self.client.get(self.shop.url + path, headers=headers) as answer:
            return read(answer.status, await answer.text())


@dataclass(frozen=True, slots=True)
class Result:
    """How a story went: where the page said something else than the truth, and how long the explanation took."""

    truth: Truth
    seen: Seen
    wrong: list[str]
    took_s: float


async def live(shop: Booth, chosen: Sequence[Truth]) -> list[Result]:
    """Live through stories, one after the other: what is broken for one must not be broken for the next."""
    coded, found = Coded(shop), []
    await publish(shop, base())
    async with aiohttp.ClientSession(trust_env=False) as client:
        reader = Reader(shop, client)
        checked = Checked(shop, coded, reader.enter)
        for truth in chosen:
            met = await (checked.meet(truth) if truth.at == "check" else coded.meet(truth))
            try:
                found.append(await _explained(reader, truth, met))
            finally:
                await checked.mend()
    return found


async def _explained(reader: Reader, truth: Truth, met: Met) -> Result:
    if met.ready:
        await reader.enter(met.person)
    began_s = time.perf_counter()
    seen = await reader.open(met.person, met.path)
    took_s = time.perf_counter() - began_s
    english = await reader.open(met.person, met.path, "en")
    found = wrong(truth, seen, stories().words) + otherwise(truth, seen, english, stories().words_en)
    return Result(truth, seen, found, took_s)


async def bench(*, only: str = "", tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Live through every story, or those whose name holds `only`; the score is the share that is told as it is."""
    chosen = [truth for truth in stories().story if only in truth.id]
    async with booth(work=False) as shop:
        began_s = time.perf_counter()
        found = await live(shop, chosen)
        spent_s = time.perf_counter() - began_s
        proof = await prove(shop.program.database)
    for each in found:
        for said in each.wrong:
            tell(f"{each.truth.id}: {said}")
    return {**score(found), "seconds": round(spent_s, 1), "proof_ok": proof.ok, "machine": machine()}


def score(found: Sequence[Result]) -> dict[str, Any]:
    """The figures of stories that were lived through."""
    right = sum(not each.wrong for each in found)
    spread = quantiles([each.took_s for each in found], n=20) if len(found) > 1 else [0.0] * 19
    share, p95_ms = right / len(found), round(spread[18] * 1000)
    return {
        "name": "diagnosis",
        "figure": round(share, 4),
        "unit": "share of failures whose cause, layer, who can act and cure are told as they are",
        "yardstick": 1.0,
        "yardstick_is": "the truth, written down by hand; where nobody told us, that",
        "ratio": round(share, 4),
        "stories": len(found),
        "native_classes": sum(each.truth.at not in ("check", "wallet") for each in found),
        "wallets": sum(each.truth.at == "wallet" for each in found),
        "checks": len({each.truth.id for each in found if each.truth.at == "check"}),
        "wrong": [each.truth.id for each in found if each.wrong],
        "p50_ms": round(spread[9] * 1000),
        "p95_ms": p95_ms,
        "p95_ms_yardstick": WITHIN_MS,
        "ok": right == len(found) and p95_ms < WITHIN_MS,
    }
