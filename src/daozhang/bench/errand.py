"""One buyer's errand: a wish to recharge or to buy, tried against the real program until it succeeds or he gives up."""

import asyncio
import html
import re
import secrets
import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import aiohttp

from daozhang import __version__
from daozhang.bench.booth import Booth
from daozhang.demo.causes import ways
from daozhang.demo.world import HOME_IP, PASSWORD, Person, World
from daozhang.goods.buy import Purchases
from daozhang.identity import Visitor
from daozhang.policy.books import Books
from daozhang.postgres import Unavailable
from daozhang.reasons import Refusal, catalogue
from daozhang.recharge.model import Basket, OrderView, PlaceRequest
from daozhang.recharge.preflight import Asker

BASE_FEN = 5_000
ARRIVES_S = 4.0
"""How long a buyer watches the page after paying, before he says that nothing has arrived."""
SILENCE_S = 0.2
"""How long he watches when the channel's messages are lost: nothing would come, a longer wait would only make the bench slow."""
CODE = re.compile(r"[0-9]{6}")
_SHORT = re.compile(r"\bdata-short>")
"""The good's page says what the balance lacks."""
_BANK = "icbc"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form holds, and what will go wrong with it on the way.

    `meant_fen` is the amount that was meant, if another; `codes`: he types the codes that are asked for.
    """

    amount_fen: int = BASE_FEN
    way: tuple[str, str] | None = None
    goods: bool = False
    instrument: str = ""
    version: str = ""
    ip: str = HOME_IP
    trick: str = ""
    losing: bool = False
    meant_fen: int = 0
    codes: bool = False
    offer: int | None = None
    coupon: str = ""


class Try(NamedTuple):
    """How one try ended. `reason` is the code that was given; empty with `ok` False: nobody said anything."""

    ok: bool
    reason: str
    order: OrderView | None
    ended_s: float


def _ended(order: OrderView | None = None, *, ok: bool = False, reason: str = "") -> Try:
    """A try that ends now."""
    return Try(ok, reason or (order.reason if order else "") or "", order, time.perf_counter())


class Told(NamedTuple):
    """What the buyer read after a failure: whether it was the reason that is true, with a cure, and how many seconds it took."""

    right: bool
    took_s: float | None


class Errand:
    """A buyer with a wish. `shown` is what he can read beforehand, `attempt` a try, `explanation` what he reads after it."""

    def __init__(self, shop: Booth, person: Person) -> None:
        self.shop, self.person = shop, person
        self._wish, self._orders, self._token = Wish(), list[OrderView](), ""
        self.paid: set[str] = set()
        """The orders that he has paid, by their number."""

    @property
    def world(self) -> World:
        """What situations are made with."""
        return self.shop.world

    @property
    def amount_fen(self) -> int:
        """What the form holds."""
        return self._wish.amount_fen

    def wish(self, **changed: Any) -> None:
        """Change what the form holds, or what goes wrong."""
        self._wish = replace(self._wish, **changed)

    async def shown(self) -> set[str]:
        """The codes of what the recharge page tells before anything is sent: rules, ways to pay, the pre-flight for this amount."""
        wish = self._wish
        if wish.goods:
            page = await self._read(f"/shop/{(await self.world.good('card')).id}")
            return {"goods.balance_short"} if _SHORT.search(page) else set()
        try:
            return await self._told(wish)
        except Unavailable:
            # The page does not open then, and says why.
            return {"platform.database"}

    async def _told(self, wish: Wish) -> set[str]:
        desk = self.shop.program.desk
        kind, method = wish.way or ways().main
        bank, instrument = card = (_BANK, wish.instrument) if wish.instrument else (None, None)
        asker = Asker(
            1, self.person.user_id, desk.page_version, None, wish.ip, bank, instrument, offer=wish.offer, coupon=wish.coupon
        )
        channel_id = await self.world.channel(kind)
        quote = await desk.quote(self.person.user_id, wish.amount_fen, card)
        answers = await desk.preflight(asker, wish.amount_fen, [(channel_id, method)])
        chosen = [each for each in quote.methods if (each.channel_id, each.method) == (channel_id, method)]
        rules = {str(verdict.reason) for verdict in quote.verdicts if verdict.reason}
        standing = {str(each.why) for each in chosen if each.why}
        return rules | standing | {because.reason for answer in answers for because in answer.because}

    async def attempt(self) -> Try:
        """Try it: place, pay on the phone, watch for the money; or buy from the balance."""
        wish = self._wish
        try:
            order = await (self._buy() if wish.goods else self._place())
        except Refusal as refusal:
            return _ended(reason=refusal.reason)
        except Unavailable:
            return _ended(reason="platform.database")
        if order is None:
            return _ended(ok=True)
        if wish.codes:
            order = await self._answer(order)
        if order.state != "awaiting_payment" or order.action is None:
            return _ended(order)
        order = await self._pay(order)
        return _ended(order, ok=order.state == "credited" and not wish.meant_fen)

    async def resume(self) -> Try | None:
        """Go on with the order that was placed before, when it waits for its payment now or was credited meanwhile."""
        order = self._orders[-1] if self._orders else None
        seen = await self.shop.program.desk.order(self.person.user_id, order.id) if order else None
        if seen is None or seen.state == "credited":
            return _ended(seen, ok=True) if seen and not self._wish.meant_fen else None
        if seen.state != "awaiting_payment" or seen.action != "qr" or seen.shown in self.paid:
            return None
        seen = await self._pay(seen)
        return _ended(seen, ok=seen.state == "credited")

    async def explanation(self, tried: Try, reason: str) -> Told:
        """Open the page that explains it, and look whether it says what is true (`reason`) and what to do.

        After paying the page has one button, "I have paid": it is right when the money is there then.
        """
        if tried.order and tried.order.state == "credited":
            return Told(right=False, took_s=None)
        if tried.order and tried.order.shown in self.paid:
            await self.ask_the_channel()
            seen = await self.shop.program.desk.order(self.person.user_id, tried.order.id)
            return Told(seen is not None and seen.state == "credited", time.perf_counter() - tried.ended_s)
        known = catalogue().get(reason) if reason else None
        if known is None or (self._wish.goods and tried.order is None):
            # The refusal itself is the answer of the form: no second page is asked for.
            return Told(known is not None and tried.reason == reason and bool(known.zh.cure), None)
        text = await self._read(f"/orders/{tried.order.shown}/why" if tried.order else "/why")
        # A title is compared up to its first fact, which a page may write in its own way.
        return Told(known.zh.title.partition("{")[0] in text and tried.reason in {reason, ""}, time.perf_counter() - tried.ended_s)

    async def _read(self, path: str) -> str:
        """A page as he reads it, in Chinese."""
        await self.enter()
        headers = {"cookie": f"__Host-dz_session={self._token}", "accept-language": "zh-CN"}
        async with (
            aiohttp.ClientSession(trust_env=False) as client,
            client.get(self.shop.url + path, headers=headers) as answer,
        ):
            return html.unescape(await answer.text())

    async def enter(self) -> None:
        """Log in, once."""
        if not self._token:
            visitor = Visitor(HOME_IP, secrets.token_hex(6))
            self._token = (await self.shop.program.house.identity.login(1, self.person.phone, PASSWORD, visitor)).token

    async def ask_the_channel(self) -> None:
        """Say that it is paid: the channel is asked now; an order that it does not know well enough is sent again."""
        for order in self._orders[-1:]:
            await self.shop.program.desk.look(order.id)
            seen = await self.shop.program.desk.order(self.person.user_id, order.id)
            if seen is not None and seen.money in ("none", "checking") and seen.state != "awaiting_payment":
                await self.shop.program.desk.retry(self.person.user_id, order.id, seen.channel_id, seen.method, self._wish.ip)

    async def reviewed(self) -> bool:
        """A person lets the newest order go on that waits for one; False when none does."""
        for order in self._orders[-1:]:
            seen = await self.shop.program.desk.order(self.person.user_id, order.id)
            if seen is not None and seen.state == "reviewing":
                await self.shop.program.desk.resume.approve(order.id, "staff:2", "asked on the phone")
                return True
        return False

    async def correct(self, amount_fen: int) -> None:
        """The amount as it was meant: an order that asks is left, and of one that was paid the rest goes back the way it came."""
        desk = self.shop.program.desk
        for order in self._orders[-1:]:
            if order.state == "challenged":
                await desk.cancel(self.person.user_id, order.id)
            if order.state == "credited" and order.amount_fen > amount_fen:
                await desk.refund(order.id, order.amount_fen - amount_fen, "a zero too many", "staff:bench")
        self.wish(amount_fen=amount_fen, meant_fen=0)

    async def confirm(self) -> None:
        """Type the code of a confirmation when one is asked for, now and from now on."""
        self.wish(codes=True)
        for order in self._orders[-1:]:
            await self._answer(order)

    async def _answer(self, order: OrderView) -> OrderView:
        """The order after its code was read on the phone and typed; as it is when it does not ask for one."""
        program = self.shop.program
        if order.state != "challenged" or order.reason == "operation.amount_odd":
            return order
        await program.house.challenges.send(order, "198.51.100.0/24")
        (code,) = CODE.findall(self.shop.simulator.services.messages[0].text)[:1]
        await program.house.challenges.answer(order, code)
        return await program.desk.order(self.person.user_id, order.id) or order

    async def _place(self) -> OrderView:
        wish = self._wish
        kind, method = wish.way or ways().main
        if wish.losing:
            await self.world.fault(point="order", kind="truncate", channel=kind, times=None)
        try:
            order = await self.shop.program.desk.place(
                PlaceRequest(
                    1, self.person.user_id, wish.amount_fen, await self.world.channel(kind), method, secrets.token_hex(16),
                    wish.version or __version__, wish.ip,
                    bank=_BANK if wish.instrument else None, instrument=wish.instrument or None,
                    offer=wish.offer, coupon=wish.coupon,
                )
            )  # fmt: skip
        finally:
            if wish.losing:
                await self.world.calm()
        self._orders.append(order)
        return order

    async def _buy(self) -> None:
        program, good = self.shop.program, await self.world.good("card")
        books = Books(program.database)
        purchases = Purchases(1, program.database, program.vault, program.accounts, books)
        await purchases.buy(self.person.user_id, Basket(good.id, 1, good.price_fen), secrets.token_hex(8))

    async def _pay(self, order: OrderView) -> OrderView:
        """Pay on the phone, and watch the order's page until the money has arrived or the buyer no longer believes it."""
        trick = self._wish.trick
        await self.world.pay(order, trick=trick)
        self.paid.add(order.shown)
        self.wish(trick="")
        end_s = time.perf_counter() + (SILENCE_S if trick else ARRIVES_S)
        while True:
            seen = await self.shop.program.desk.order(self.person.user_id, order.id)
            assert seen is not None, order.id
            if seen.state != "awaiting_payment" or time.perf_counter() > end_s:
                self._orders.append(seen)
                return seen
            await asyncio.sleep(0.01)
