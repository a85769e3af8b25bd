"""How each check comes to stand in a user's way: the facts that it judges by are really made, and afterwards unmade."""

import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from daozhang import __version__, agreements, clock
from daozhang.app import SHOP
from daozhang.bench.booth import Booth
from daozhang.bench.coded import Coded, Met
from daozhang.bench.errand import CODE
from daozhang.bench.stories import Truth
from daozhang.channels import console
from daozhang.channels.catalogue import KINDS
from daozhang.demo import shelf
from daozhang.demo.scenes import SCENES
from daozhang.demo.world import CLOSED_REGION, CONFIRM_FEN, HOME_IP, NAME, PASSWORD, Person, numbered
from daozhang.goods.buy import Purchases
from daozhang.identity import Visitor
from daozhang.limits import rows as limits
from daozhang.policy import facts, regulation
from daozhang.policy.book import STRENGTHS, ConfirmRules, EligibilityRules, OpenRules, Parameters
from daozhang.policy.books import Books
from daozhang.reasons import Refusal
from daozhang.recharge.freeze import Writ
from daozhang.recharge.model import Basket, OrderView, PlaceRequest

Meet = Callable[["Checked", Person], Awaitable[Met]]
MAIN, SMALL = ("wechatpay", "native"), ("epay", "qr")
USUAL_FEN = 1_000
MANY, MOST_FEN = 100_000, 9_999_999_999
_MEET: dict[str, Meet] = {}


def base() -> Parameters:
    """The demo's book; a user of many stories may leave as many orders unpaid."""
    return replace(shelf.book(), open=OpenRules(most_count=MANY))


@dataclass(slots=True)
class Checked:
    """Brings a check upon a fresh user. `enter` logs one in while that is possible; `mend` makes everything as it was before."""

    shop: Booth
    coded: Coded
    enter: Callable[[Person], Awaitable[None]]
    undo: list[Callable[[], Awaitable[Any]]] = field(default_factory=list)

    async def meet(self, truth: Truth) -> Met:
        """Let it happen to somebody who bought before, unless that is the point."""
        name = truth.id.removeprefix("check ")
        person = await self.shop.world.person()
        if name != "eligibility.first_purchase":
            await self.shop.world.buy_trial(person)
        return await _MEET[name](self, person)

    async def mend(self) -> None:
        """Undo what was changed for all users, the last change first."""
        while self.undo:
            await self.undo.pop()()

    async def place(self, person: Person, amount_fen: int = USUAL_FEN, way: tuple[str, str] = MAIN, **more: Any) -> Met:
        """Recharge as the page would; where the diagnosis of that order stands."""
        version, ip = more.pop("version", __version__), more.pop("ip", HOME_IP)
        channel_id = await self.shop.world.channel(way[0])
        request = PlaceRequest(SHOP, person.user_id, amount_fen, channel_id, way[1], secrets.token_hex(16), version, ip, **more)
        return of(person, await self.shop.program.desk.place(request))

    async def book(self, changed: Parameters) -> None:
        """Let another book hold."""
        await publish(self.shop, changed)
        self.undo.append(lambda: publish(self.shop, base()))

    async def limit(self, **stated: Any) -> None:
        """State a limit of the main channel."""
        database = self.shop.program.database
        row = limits.Stated(owner="channel", kind=MAIN[0], source="a story", source_date=date(2026, 11, 1), **stated)
        number = await limits.put(database, row, "staff:bench")
        self.undo.append(lambda: limits.end(database, number))

    async def spend(self, person: Person, count: int = 1) -> Met:
        """Buy cards from the balance; it is refused, and no order tells why."""
        program, good = self.shop.program, await self.shop.world.good("card")
        purchases = Purchases(SHOP, program.database, program.vault, program.accounts, Books(program.database))
        try:
            await purchases.buy(person.user_id, Basket(good.id, count, good.price_fen), secrets.token_hex(8))
        except Refusal:
            return Met(person)
        raise AssertionError("it was bought")

    async def pay(self, met: Met, state: str, **how: Any) -> Met:
        """Pay on the phone; the order ends in a state."""
        assert met.order is not None
        self.shop.simulator.phone.pay(await self.coded.number(met.order.id), **how)
        return of(met.person, await self.coded.reach(met.order, state))


def of(person: Person, order: OrderView) -> Met:
    """A failure that is explained at its order."""
    return Met(person, f"/orders/{order.shown}/why", order)


async def publish(shop: Booth, parameters: Parameters) -> None:
    """Put a book in force."""
    books = shop.program.house.books
    version = (await books.current(SHOP)).version + 1
    await books.publish(SHOP, parameters, version=version, author="bench", note="a story")


def meets(name: str) -> Callable[[Meet], Meet]:
    """Mark what brings the check of that name upon a user."""

    def keep(meet: Meet) -> Meet:
        _MEET[name] = meet
        return meet

    return keep


@meets("account.standing")
async def _frozen(self: Checked, person: Person) -> Met:
    await SCENES["frozen"](self.shop.world, person)
    return await self.place(person)


@meets("account.lockout")
async def _locked(self: Checked, person: Person) -> Met:
    # Whoever has a session keeps it; only new log-ins wait.
    await self.enter(person)
    await SCENES["locked"](self.shop.world, person)
    return replaced(await self.place(person))


@meets("account.balance")
async def _short(self: Checked, person: Person) -> Met:
    await self.shop.world.credit(person, USUAL_FEN)
    return await self.spend(person)


@meets("account.cooling")
async def _unbound(self: Checked, person: Person) -> Met:
    identity, devices = self.shop.program.house.identity, self.shop.program.house.devices
    await self.shop.world.credit(person, shelf.book().risk.large_fen)
    visitor = Visitor(HOME_IP, "198.51.100.0/24")
    await identity.login(SHOP, person.phone, PASSWORD, visitor)
    session = await identity.session((await identity.login(SHOP, person.phone, PASSWORD, visitor)).token)
    assert session is not None
    device = next(each for each in await devices.of_user(person.user_id) if each.id != session.device_id)
    await devices.unbind(session, device.id, visitor, password=PASSWORD)
    return await self.spend(person, count=shelf.book().risk.large_fen // 5_000)


@meets("account.refundable")
async def _frozen_wants_it_back(self: Checked, person: Person) -> Met:
    order = await self.shop.world.credit(person, USUAL_FEN)
    await SCENES["frozen"](self.shop.world, person)
    try:
        await self.shop.program.desk.refund(order.id, USUAL_FEN, "no longer wanted", "staff:bench")
    except Refusal:
        return Met(person)
    raise AssertionError("it was given back")


@meets("channel.configured")
async def _switched_off(self: Checked, person: Person) -> Met:
    program, settings = self.shop.program, self.shop.settings
    channel_id = await self.shop.world.channel(SMALL[0])

    async def enable(*, enabled: bool) -> None:
        await console.enable(program.database, program.vault, settings, channel_id, enabled=enabled)
        await program.registry.load()

    await enable(enabled=False)
    self.undo.append(lambda: enable(enabled=True))
    request = PlaceRequest(SHOP, person.user_id, USUAL_FEN, channel_id, SMALL[1], secrets.token_hex(16), __version__, HOME_IP)
    return of(person, await program.desk.place(request))


@meets("channel.method")
async def _no_such_way(self: Checked, person: Person) -> Met:
    return await self.place(person, way=(MAIN[0], "jsapi"))


@meets("channel.status")
async def _maintained(self: Checked, person: Person) -> Met:
    await SCENES["maintenance"](self.shop.world, person)
    return await self.place(person, way=("unionpay", "qr"))


@meets("channel.credit")
async def _credit_card(self: Checked, person: Person) -> Met:
    return await self.place(person, bank="icbc", instrument="credit")


@meets("channel.credit_paid")
async def _credit_card_after_all(self: Checked, person: Person) -> Met:
    """Placed before the shop said no, and paid with one afterwards."""
    met = await self.place(person, way=("alipay", "qr"))
    program, channel_id = self.shop.program, await self.shop.world.channel("alipay")

    async def take(*, credit: bool) -> None:
        await console.refuse_credit(program.database, channel_id, no_credit=not credit)
        await program.registry.load()

    await take(credit=False)
    self.undo.append(partial(take, credit=True))
    return await self.pay(met, "held", way="credit")


@meets("channel.hours")
async def _closed_now(self: Checked, person: Person) -> Met:
    now = clock.now().astimezone(clock.SHANGHAI)
    first, last = now + timedelta(hours=2), now + timedelta(hours=4)
    await self.limit(opens=f"{first:%H:%M}", closes=f"{last:%H:%M}")
    return await self.place(person)


@meets("channel.single")
async def _over_single(self: Checked, person: Person) -> Met:
    await self.limit(single_fen=USUAL_FEN - 1)
    return await self.place(person)


@meets("channel.day")
async def _over_day(self: Checked, person: Person) -> Met:
    await self.limit(day_fen=USUAL_FEN - 1)
    return await self.place(person)


@meets("channel.month")
async def _over_month(self: Checked, person: Person) -> Met:
    await self.limit(month_fen=USUAL_FEN - 1)
    return await self.place(person)


@meets("operation.amount")
async def _too_little(self: Checked, person: Person) -> Met:
    return await self.place(person, base().amount.min_fen - 1)


@meets("operation.amount_odd")
async def _zero_too_many(self: Checked, person: Person) -> Met:
    await SCENES["extra_zero"](self.shop.world, person)
    return await self.place(person, 8_800)


@meets("operation.confirm")
async def _code_wanted(self: Checked, person: Person) -> Met:
    await self.shop.world.verify(person)
    return await self.place(person, CONFIRM_FEN + 10_000)


@meets("operation.strength")
async def _more_than_a_password_may(self: Checked, person: Person) -> Met:
    await self.book(licensed(ConfirmRules()))
    return await self.place(person, STRENGTHS[0].day_fen + USUAL_FEN)


@meets("operation.signed")
async def _more_than_two_factors_may(self: Checked, person: Person) -> Met:
    """A day that was confirmed up to its bound; the next order is confirmed as well, and a person looks for the agreement."""
    bounds = replace(STRENGTHS[0], day_fen=USUAL_FEN), replace(STRENGTHS[1], day_fen=2 * USUAL_FEN)
    await self.book(licensed(ConfirmRules(strengths=bounds)))
    met = await self.place(person, 3 * USUAL_FEN)
    assert met.order is not None
    program = self.shop.program
    await program.house.challenges.send(met.order, "198.51.100.0/24")
    (code,) = CODE.findall(self.shop.simulator.services.messages[0].text)[:1]
    await program.house.challenges.answer(met.order, code)
    order = await program.desk.order(person.user_id, met.order.id)
    assert order is not None
    return of(person, order)


def licensed(confirm: ConfirmRules) -> Parameters:
    """The demo's book as one of a payment institution, which asks for no name and for what `strengths` say."""
    eligibility = EligibilityRules(mode="licensed_psp", licence="Z0000000000000", name_from_fen=MOST_FEN, name_warn_fen=MOST_FEN)
    wide = replace(confirm, from_fen=MOST_FEN, day_fen=MOST_FEN)
    return replace(base(), eligibility=eligibility, confirm=wide)


@meets("operation.day")
async def _over_the_day(self: Checked, person: Person) -> Met:
    least_fen = base().amount.max_fen
    await self.book(replace(licensed(ConfirmRules(strengths=())), day=replace(base().day, max_fen=least_fen)))
    await self.place(person, least_fen - USUAL_FEN)
    return await self.place(person, USUAL_FEN + 1)


@meets("operation.open")
async def _many_open(self: Checked, person: Person) -> Met:
    await self.book(replace(base(), open=OpenRules(most_count=1)))
    await self.place(person)
    return await self.place(person)


@meets("operation.page")
async def _old_page(self: Checked, person: Person) -> Met:
    return await self.place(person, version="0.0.1")


@meets("eligibility.agreement")
async def _not_agreed(self: Checked, person: Person) -> Met:
    await agreements.publish(self.shop.program.database, SHOP, "充值服务协议", "Service agreement", author="staff:bench")
    return await self.place(person)


@meets("eligibility.first_purchase")
async def _bought_nothing(self: Checked, person: Person) -> Met:
    return await self.place(person)


@meets("eligibility.ceiling")
async def _over_the_ceiling(self: Checked, person: Person) -> Met:
    return await self.place(person, base().eligibility.unnamed_ceiling_fen + 100)


@meets("eligibility.minor")
async def _minor(self: Checked, person: Person) -> Met:
    born = f"{clock.now().year - 12}0105"
    await self.shop.world.verifications.verify(person.user_id, NAME, numbered(born))
    return await self.place(person, base().eligibility.from_8_order_fen + 100)


@meets("eligibility.named")
async def _name_wanted(self: Checked, person: Person) -> Met:
    rules = replace(base().eligibility, name_warn_fen=1_000, name_from_fen=2_000)
    await self.book(replace(base(), eligibility=rules))
    return await self.place(person, 2_000)


@meets("eligibility.cross_border")
async def _from_abroad(self: Checked, person: Person) -> Met:
    return await self.place(person, instrument="overseas")


@meets("eligibility.offer")
async def _offer_over(self: Checked, person: Person) -> Met:
    return await self.place(person, offer=MANY)


@meets("eligibility.coupon")
async def _coupon_unknown(self: Checked, person: Person) -> Met:
    return await self.place(person, coupon="ABCDEFGHJKLM")


@meets("eligibility.stack")
async def _two_offers(self: Checked, person: Person) -> Met:
    world = self.shop.world
    return await self.place(person, 10_000, offer=await world.campaign("bonus"), coupon=await world.give_coupon(person))


@meets("risk.signals")
async def _unseen(self: Checked, person: Person) -> Met:
    await self.shop.world.verify(person)
    with _blind():
        return await self.place(person, base().risk.unseen_fen + 1_000)


@contextmanager
def _blind() -> Iterator[None]:
    """The signals of risk cannot be read."""
    seeing = facts.__dict__["placed"]
    facts.__dict__["placed"] = lambda *_: None
    try:
        yield
    finally:
        facts.__dict__["placed"] = seeing


@meets("risk.family")
async def _five_large(self: Checked, person: Person) -> Met:
    world = self.shop.world
    await SCENES["five_large"](world, person)
    return await self.place(person, world.large_fen)


@meets("regulation.region")
async def _region_closed(self: Checked, person: Person) -> Met:
    await regulation.declare(self.shop.program.database, SHOP, person.user_id, CLOSED_REGION, "bench")
    return await self.place(person, way=SMALL)


@meets("regulation.in_flight")
async def _closed_meanwhile(self: Checked, person: Person) -> Met:
    met = await self.place(person)
    database, kind = self.shop.program.database, KINDS[MAIN[0]].channel_class
    draft = regulation.Draft("33", kind, "*", "示例〔2026〕2号", "示例公告", "An example", "hold", clock.now())
    number = await regulation.propose(database, SHOP, draft, "staff:anna")
    await regulation.approve(database, SHOP, number, "staff:ben")

    async def end() -> None:
        await regulation.end(database, SHOP, number, "staff:anna", "over")
        await regulation.end(database, SHOP, number, "staff:ben", "over")

    self.undo.append(end)
    return await self.pay(met, "held")


@meets("regulation.screening")
async def _kept_by_order(self: Checked, person: Person) -> Met:
    met = await self.place(person)
    await SCENES["frozen"](self.shop.world, person)
    met = await self.pay(met, "held")
    assert met.order is not None
    writ = Writ("某市公安局", "(2026)公冻字17号", clock.now() + timedelta(days=30), clock.now() + timedelta(days=90))
    await self.shop.program.desk.freezes.order(met.order.id, writ, "staff:bench")
    await self.shop.program.house.identity.unfreeze(person.user_id, actor="staff:bench", reason="approved")
    return met


@meets("platform.database")
async def _read_only(self: Checked, person: Person) -> Met:
    await self.enter(person)
    await self.shop.read_only(on=True)
    self.undo.append(lambda: self.shop.read_only(on=False))
    return Met(person, "/why", ready=False)


@meets("platform.notify_door")
async def _deaf(self: Checked, person: Person) -> Met:
    board = self.shop.program.board
    board.listen(lambda _: False)

    async def hear() -> None:
        board.listen(lambda _: None)

    self.undo.append(hear)
    met = await self.place(person)
    assert met.order is not None
    self.shop.simulator.phone.pay(await self.coded.number(met.order.id), trick="silence")
    return met


def replaced(met: Met) -> Met:
    """The same; the user has logged in before."""
    return Met(met.person, met.path, met.order, ready=False)
