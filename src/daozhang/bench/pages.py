"""`pages`: what every page of the shop costs and breaks, in Chinese and English, on a phone and a desk, in light and dark.

The pages are the program's own GET routes: a new one is measured without being named here. Each is loaded as for the first time;
in light on a phone also with a slow line and a processor slowed four times, where the largest paint is timed.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from statistics import median
from typing import Any, NamedTuple

from playwright.async_api import Browser, StorageState

from daozhang.bench.booth import Booth, booth
from daozhang.bench.browse import PHONE_BELOW_PX, Look, Visit, axe_source, browser, context_for, visit
from daozhang.bench.machine import machine
from daozhang.bench.routes import Found, Search, routes
from daozhang.cases import unfreeze
from daozhang.demo.causes import ways
from daozhang.demo.world import PASSWORD, Person
from daozhang.proof import prove
from daozhang.web.locale import COOKIE

MOST_BYTES = 80_000
"""Any page, at its first load: its HTML and everything that it asks for."""
RECHARGE, RECHARGE_BYTES, RECHARGE_LCP_MS = "/recharge", 60_000, 1_200
TIMES = 3
"""How often the recharge page is loaded on a slow phone; the middle one counts."""
LOOKS = tuple(Look(language, width, dark) for language in ("zh", "en") for width in (390, 1280) for dark in (False, True))
NOTHING = "/healthz"
STAFF = "bench"
ROLES = ("owner", "support", "risk", "finance", "aml", "developer")


class Who(NamedTuple):
    """Somebody who looks at pages: a browser's cookies, and where links are followed from, each by what it shows."""

    name: str
    state: StorageState | None
    starts: Mapping[str, str]


class Load(NamedTuple):
    """One page loaded in one look."""

    page: str
    look: Look
    slow: bool
    seen: Visit


async def bench(
    *, looks: tuple[Look, ...] = LOOKS, only: str = "", times: int = TIMES, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Measure; `tell` hears a line for each page in each look. `only` keeps pages whose path holds it. Raises `BrowserMissing`."""
    axe = axe_source()
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(browser())
        shop = await stack.enter_async_context(booth())
        everybody = await people(running, shop)
        pages, search = await found(running, shop, everybody, once=bool(only))
        wanted = {label: page for label, page in pages.items() if only in label}
        tell(_HEAD)
        floors_ms = [await _floor_ms(running, shop, times)]
        loads = [load for look in looks for load in await _looked(running, shop, everybody, wanted, look, axe, times, tell)]
        floors_ms.append(await _floor_ms(running, shop, times))
        proof = await prove(shop.program.database)
    return _summed(loads, search) | {"floor_lcp_ms": [round(ms) for ms in floors_ms], "proof_ok": proof.ok, "machine": machine()}


async def _floor_ms(running: Browser, shop: Booth, times: int) -> float:
    """The largest paint of two letters without style or script, on the same slow phone: what the machine takes for nothing."""
    context = await context_for(running, width=LOOKS[0].width)
    seen = [await visit(context, shop.url, NOTHING, "", slow=True) for _ in range(times)]
    await context.close()
    return median(each.lcp_ms for each in seen)


async def people(running: Browser, shop: Booth) -> list[Who]:
    """A guest, a buyer to whom everything has happened, and somebody at the desk with every role."""
    person, starts = await _buyer(shop)
    everybody = [Who("guest", None, {}), Who("buyer", await log_in(running, shop, person), starts)]
    console = shop.program.house.console
    if console is not None:
        papers = await console.staff.add(1, STAFF, ROLES, "bench")
        code = await console.staff.code(1, STAFF)
        fields = {"name": STAFF, "password": papers.password, "code": code}
        everybody.append(Who("staff", await _login(running, shop, "/desk/login", fields), await _subjects(shop, person)))
    return everybody


async def log_in(running: Browser, shop: Booth, person: Person) -> StorageState:
    """A buyer's browser after logging in: its cookies."""
    return await _login(running, shop, "/login", {"phone": person.phone})


async def _login(running: Browser, shop: Booth, path: str, fields: dict[str, str]) -> StorageState:
    context = await context_for(running)
    page = await context.new_page()
    await page.goto(shop.url + path)
    for name, value in ({"password": PASSWORD} | fields).items():
        await page.fill(f"main input[name={name}]", value)
    await page.click("main button[type=submit]")
    await page.wait_for_url(lambda url: not url.endswith(path))
    state = await context.storage_state()
    await context.close()
    # The browser's own language is to speak, not the one that was kept at the login.
    return {"cookies": [cookie for cookie in state.get("cookies", []) if cookie["name"] != COOKIE], "origins": []}


async def _buyer(shop: Booth) -> tuple[Person, dict[str, str]]:
    """A buyer with a name, money, purchases, a case, and an order at every stage that has a face of its own."""
    world, program = shop.world, shop.program
    person = await world.person()
    await world.buy_trial(person)
    await world.verify(person)
    await program.house.identity.freeze(person.user_id, actor="staff:bench", reason="risk")
    case_id = await unfreeze.ask(program.database, program.house.cases, 1, person.user_id, "risk", {})
    await program.house.cases.answer(person.user_id, case_id, "是本人")
    await program.house.identity.unfreeze(person.user_id, actor="staff:bench", reason="approved")
    credited, cancelled = await world.credit(person, 5_000), await world.place(person, 5_000)
    await program.desk.cancel(person.user_id, cancelled.id)
    await world.fault(point="order", kind="error", channel=ways().main[0], code="NO_AUTH", http=403)
    failed = await world.place(person, 5_000)
    await world.fault(point="order", kind="truncate", channel=ways().main[0], times=None)
    checking = await world.place(person, 5_000)
    await world.calm()
    refused, cashier = await world.place(person, 10_000_000), await world.place(person, 5_000)
    orders = {
        "credited": credited, "cancelled": cancelled, "failed": failed, "checking": checking, "refused": refused, "cashier": cashier
    }  # fmt: skip
    return person, {name: f"/orders/{order.shown}" for name, order in orders.items()}


async def _subjects(shop: Booth, person: Person) -> dict[str, str]:
    """Where somebody at the desk begins beside the fixed addresses: what he was told on the telephone."""
    (newest,) = await shop.program.desk.orders(person.user_id, limit=1)
    return {"user": f"/desk/users/{person.user_id}", "order": f"/desk/orders/{newest.shown}"}


async def found(running: Browser, shop: Booth, everybody: list[Who], *, once: bool = False) -> tuple[dict[str, Found], Search]:
    """Every page by what it is called: the pattern of its route, and for further subjects of one also what they show.

    `once`: see `Search`; else every subject is asked for, so that a fault of any is found.
    """
    search = Search(routes(shop.program.asgi), shop.url, once=once)
    for who in everybody:
        context = await context_for(running, storage_state=who.state)
        await search.follow(who.name, context, who.starts)
        await context.close()
    pages = dict(search.pages)
    buyer = everybody[1]
    pages.pop("/orders/{shown:str}", None)
    pages |= {f"/orders/… {name}": Found("/orders/{shown:str}", path, buyer.name) for name, path in buyer.starts.items()}
    return pages, search


async def _looked(
    running: Browser, shop: Booth, everybody: list[Who], pages: Mapping[str, Found], look: Look, axe: str, times: int,
    tell: Callable[[str], None],
) -> list[Load]:  # fmt: skip
    """Load every page in one look."""
    loads: list[Load] = []
    slow = look.width < PHONE_BELOW_PX and not look.dark
    for who in everybody:
        context = await context_for(running, language=look.language, width=look.width, dark=look.dark, storage_state=who.state)
        for label in sorted(label for label, page in pages.items() if page.who == who.name):
            path = pages[label].path
            seen = await visit(context, shop.url, path, axe, slow=slow)
            if slow and label == RECHARGE:
                again = [await visit(context, shop.url, path, "", slow=True) for _ in range(times - 1)]
                seen.lcp_ms = median(each.lcp_ms for each in (seen, *again))
            loads.append(Load(label, look, slow, seen))
            tell(_line(loads[-1]))
            await asyncio.sleep(0)
        await context.close()
    return loads


_HEAD = f"{'page':38} {'look':14} {'kB':>6} {'asked':>5} {'away':>4} {'LCP ms':>6} {'errors':>6} {'axe':>3} {'wide':>4}"


def _line(load: Load) -> str:
    seen = load.seen
    lcp = f"{seen.lcp_ms:.0f}" if load.slow else "-"
    wide = "-" if seen.wide_px is None else str(seen.wide_px)
    weight, wrongs = f"{seen.sent_bytes / 1000:6.1f} {seen.requests:5}", f"{len(seen.console):6} {len(seen.axe):3} {wide:>4}"
    numbers = f"{weight} {len(seen.foreign):4} {lcp:>6} {wrongs}"
    wrong = [*seen.foreign, *seen.console, *seen.axe]
    return "\n".join([f"{load.page:38} {load.look.shown:14} {numbers}", *(f"    {each}" for each in wrong)])


def _summed(loads: list[Load], search: Search) -> dict[str, Any]:
    """The figures with their yardsticks; `ok` when every one is met."""
    largest = max(loads, key=lambda load: load.seen.sent_bytes)
    slowest = max((load for load in loads if load.slow), key=lambda load: load.seen.lcp_ms, default=None)
    recharge = [load for load in loads if load.page == RECHARGE]
    bytes_of = max((load.seen.sent_bytes for load in recharge), default=0)
    lcp_ms = max((load.seen.lcp_ms for load in recharge if load.slow), default=0.0)
    wrong = {
        "foreign_requests": sum(len(load.seen.foreign) for load in loads),
        "console_errors": sum(len(load.seen.console) for load in loads),
        "axe_violations": sum(len(load.seen.axe) for load in loads),
        "wider_than_320px": sum(bool(load.seen.wide_px) for load in loads),
    }
    return {
        "name": "pages",
        "figure": largest.seen.sent_bytes,
        "unit": "bytes of the largest page at its first load",
        "yardstick": MOST_BYTES,
        "yardstick_is": "what any page may weigh with everything it asks for, bytes",
        "ratio": round(largest.seen.sent_bytes / MOST_BYTES, 3),
        "largest": f"{largest.page} {largest.look.shown}",
        "pages": len({load.page for load in loads}),
        "loads": len(loads),
        "recharge_bytes": bytes_of,
        "recharge_bytes_yardstick": RECHARGE_BYTES,
        "recharge_lcp_ms": round(lcp_ms),
        "recharge_lcp_ms_yardstick": RECHARGE_LCP_MS,
        "slowest_lcp_ms": round(slowest.seen.lcp_ms) if slowest else None,
        "slowest": f"{slowest.page} {slowest.look.shown}" if slowest else None,
        **wrong,
        "broken": search.broken(),
        "no_pages": dict(sorted(search.other.items())),
        "unreached": search.unreached(),
        "ok": largest.seen.sent_bytes < MOST_BYTES
        and bytes_of < RECHARGE_BYTES
        and lcp_ms < RECHARGE_LCP_MS
        and not any(wrong.values())
        and not search.broken(),
    }
