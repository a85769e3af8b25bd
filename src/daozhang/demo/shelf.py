"""What the demo's shop has besides its channels: its book, its goods, and an atlas of the addresses that documentation uses."""

import struct
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from daozhang import clock
from daozhang.app import SHOP, Program
from daozhang.channels import console
from daozhang.channels.catalogue import KINDS
from daozhang.demo.causes import ways
from daozhang.demo.world import CLOSED_REGION, CONFIRM_FEN, GOODS, LARGE_FEN
from daozhang.goods import demo as window
from daozhang.goods import shelf
from daozhang.limits import rows as limits
from daozhang.offers import campaigns
from daozhang.offers.model import Terms, Tier
from daozhang.policy import places, regulation
from daozhang.policy.book import ConfirmRules, Parameters, defaults
from daozhang.policy.books import Books
from daozhang.settings import Settings

NOTE = "the demo's book"
ONE_PHONE = 1_000_000
"""Accounts that one payer or device of the demo may stand behind."""
REGIONS = (
    ("127.0.0.0", "127.0.255.255", "中国|广东省|深圳市|示例|CN"),
    ("198.51.100.0", "198.51.100.255", "中国|浙江省|杭州市|示例|CN"),
    ("203.0.113.0", "203.0.113.255", "中国|北京市|北京市|示例|CN"),
)
"""Addresses of documentation and of this machine, in provinces of our choosing: sorted, each within one /16."""
_HEAD, _ROWS = 256, 65_536
RUNS, BUDGET_FEN = timedelta(days=365), 10_000_000


async def furnish(program: Program, settings: Settings) -> None:
    """Make what is not there from last time."""
    await limits.ship(program.database, "demo")
    await _book(program)
    await _goods(program)
    await window.furnish(program.database, program.vault, SHOP)
    await _offers(program)
    await _regions(program)
    for row in await console.listed(program.database):
        if row.kind == ways().main[0] and row.enabled and not row.no_credit:
            await console.refuse_credit(program.database, row.id)
    if not any(places.folder_of(settings.data).glob("*.xdb")):
        with TemporaryDirectory() as folder:
            file = Path(folder) / "atlas.xdb"
            file.write_bytes(atlas())
            places.bring(settings.data, file)
    places.use_places(tuple(sorted(places.folder_of(settings.data).glob("*.xdb"))))


def book() -> Parameters:
    """Recharging opens with the first purchase, 500 yuan are a large order, and one phone pays for every visitor's users."""
    begun = defaults()
    return replace(
        begun,
        risk=replace(begun.risk, large_fen=LARGE_FEN, payer_accounts_count=ONE_PHONE, device_accounts_count=ONE_PHONE),
        eligibility=replace(begun.eligibility, first_purchase=True),
        confirm=ConfirmRules(from_fen=CONFIRM_FEN, day_fen=CONFIRM_FEN),
    )


async def _book(program: Program) -> None:
    """Publish the demo's book, unless it holds already."""
    books, wanted = Books(program.database), book()
    newest = await books.current(SHOP)
    held = (newest.risk, newest.eligibility, newest.confirm, newest.rules.rules)
    if held != (wanted.risk, wanted.eligibility, wanted.confirm, wanted.rules):
        await books.publish(SHOP, wanted, version=newest.version + 1, author="demo", note=NOTE)


async def _offers(program: Program) -> None:
    """A bonus and coupons that do not go together, each put forward by one and let run by another."""
    database, at = program.database, clock.now()
    running = {each.form for each in await campaigns.listed(database, SHOP) if each.state == "running" and each.ends_at > at}
    for form, zh, en in (("bonus", "年末加赠", "Year-end bonus"), ("coupon", "满 100 减 5 券", "Coupon: ¥5 on ¥100")):
        if form not in running:
            tiers = (Tier(10_000, 1_000 if form == "bonus" else 500),)
            terms = Terms(form, zh, en, at, at + RUNS, tiers, budget_fen=BUDGET_FEN)  # type: ignore[arg-type]
            number = await campaigns.propose(database, SHOP, terms, "staff:anna")
            await campaigns.approve(database, SHOP, number, "staff:ben")


async def _regions(program: Program) -> None:
    """One class of channels is closed in one region, by a made-up order."""
    database = program.database
    if any(row.region == CLOSED_REGION and row.state == "in_force" for row in await regulation.listed(database, SHOP)):
        return
    classes = KINDS[ways().small[0]].channel_class
    zh, en = (
        "示例公告：海南暂停聚合类充值通道，微信支付、支付宝和云闪付照常可用。",
        "An example: aggregators are closed in Hainan; the wallets and UnionPay are open.",
    )
    draft = regulation.Draft(CLOSED_REGION, classes, "*", "示例〔2026〕1号", zh, en, "finish", clock.now())
    number = await regulation.propose(database, SHOP, draft, "staff:anna")
    await regulation.approve(database, SHOP, number, "staff:ben")


async def _goods(program: Program) -> None:
    known = {good.name for good in await shelf.shelf(program.database, SHOP)}
    for ware in GOODS.values():
        if ware.name not in known:
            wares = shelf.Wares(
                goods_class=ware.goods_class, name=ware.name, name_en=ware.english, price_fen=ware.price_fen,
                source="示例：官方直采", on_sale=True,
            )  # fmt: skip
            await shelf.put(program.database, SHOP, wares)


def atlas(regions: Sequence[tuple[str, str, str]] = REGIONS, version: int = 4) -> bytes:
    """A data file of places in the form of ip2region, for addresses of IP `version`: head, a row for each /16, texts, blocks."""
    texts, blocks, rows = b"", b"", [(0, 0)] * _ROWS
    texts_at = _HEAD + _ROWS * 8
    blocks_at = texts_at + sum(len(text.encode()) for *_, text in regions)
    for first, last, text in sorted(regions, key=lambda region: ip_address(region[0]).packed):
        start, end, at = ip_address(first).packed, ip_address(last).packed, blocks_at + len(blocks)
        borders = start[::-1] + end[::-1] if version == 4 else start + end
        blocks += borders + struct.pack("<HI", len(text.encode()), texts_at + len(texts))
        texts += text.encode()
        row = start[0] * 256 + start[1]
        rows[row] = (rows[row][0] or at, at)
        last_at = at
    head = struct.pack("<HHIIIHH", 3, 1, 0, blocks_at, last_at, version, 4).ljust(_HEAD, b"\0")
    return head + b"".join(struct.pack("<II", *row) for row in rows) + texts + blocks
