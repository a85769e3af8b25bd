"""Placing an order: decided and committed first, then asked of the channel outside any transaction, then opened.

Both commits are batched. The idempotency key is claimed in the first commit of what it creates; a replay is answered from the row
as it is now.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import msgspec

from daozhang import agreements, clock, ids, offers
from daozhang.cases import Cases
from daozhang.channels.port import Channel, OrderRequest, Outcome, Prepay
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.enforce import decided, settled, try_rules
from daozhang.policy.facts import made as made_of
from daozhang.policy.facts import read_more
from daozhang.policy.model import Decision, Stage
from daozhang.policy.model import Outcome as Ruling
from daozhang.policy.payers import payer_index
from daozhang.postgres import Batch, Database, Tx, statements
from daozhang.postgres.pool import while_waiting
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import admit, bonus, moves, opened, schedule, waiting
from daozhang.recharge.admit import Fresh, Laid, Paired, Try
from daozhang.recharge.fulfilment import Errand, Fulfilment
from daozhang.recharge.model import PlaceRequest
from daozhang.recharge.ready import Ready, make_ready, wishes_of
from daozhang.recharge.route import Standing
from daozhang.recharge.view import shown
from daozhang.recharge.waiting import Stopped
from daozhang.vault import Vault

if TYPE_CHECKING:
    from daozhang.policy.record import Record

sql = statements("daozhang.recharge")
log = logging.getLogger(__name__)

LIFETIME = timedelta(minutes=15)
"""How long an order waits for its payment."""
RIVAL_WAIT_S = 10.0
"""How long a repeat of a request waits for the first to be answered by the channel."""
BEWARE = "别人发来的码请勿付款"
"""What a wallet shows beside whom a payment is to: who is talked into paying for a stranger's account reads it there."""

_RULINGS = {Ruling.CHALLENGE: "challenged", Ruling.HOLD: "asked", Ruling.REFUSE: "refused"}
_ADMITS = (Ruling.ADMIT, Ruling.MONITOR)
_WAITS: dict[Ruling, waiting.State] = {Ruling.CHALLENGE: "challenged", Ruling.HOLD: "reviewing"}
_JSON = msgspec.json.Encoder()


class Admitted(NamedTuple):
    """What the first commit made of a request. `attempt` is None when nothing is to be asked of a channel."""

    order_id: UUID
    attempt: Try | None
    replay: bool


class Place:
    """Takes wishes to recharge, one commit for many at a time."""

    def __init__(
        self,
        database: Database,
        books: Books,
        vault: Vault,
        channel: Callable[[int], Channel | None],
        notify_url: Callable[[Channel], str],
        page_version: str,
        return_url: Callable[[UUID], str],
        standing: Callable[[int, str], Awaitable[Standing]],
        fulfilments: Sequence[Fulfilment] = (),
        cases: Cases | None = None,
        named: Callable[[int], Awaitable[str]] | None = None,
    ) -> None:
        """`standing` tells how a way to pay stands for one more order; `fulfilments` set aside what orders are for.

        `cases` hold the reviews of orders that a person has to look at; `named` says whom a payment is to and for whose account.
        """
        self._named = named
        self._fulfilments, self._cases = fulfilments, cases
        self._database, self._books, self._vault = database, books, vault
        self._channel, self._notify_url, self._page_version, self._return_url = channel, notify_url, page_version, return_url
        self.standing = standing
        self._admissions: Batch[PlaceRequest, Admitted] = Batch(self._admit_all, most=128, key=lambda request: request.user_id)
        self._openings: Batch[opened.Asked, None] = Batch(self._open_all, most=128)

    async def __call__(self, request: PlaceRequest) -> UUID:
        """Place the order; its id, whatever became of it. The same key again gives the same order.

        Raises `Refusal` for a key used for another wish or still being answered, `Unavailable` and `OutcomeUnknown`.
        """
        admitted = await self.admit(request)
        if admitted.attempt:
            await self.ask(admitted.attempt)
        elif admitted.replay:
            await self._wait_for_rival(admitted.order_id)
        return admitted.order_id

    async def admit(self, request: PlaceRequest) -> Admitted:
        """The first commit alone: the order decided and written, its channel not asked yet. Raises as a call does."""
        if not 8 <= len(request.key) <= 64 or not request.key.isascii() or not request.key.isprintable():
            raise Refusal("operation.key_malformed")
        return await self._admissions.put(request)

    async def ask(self, attempt: Try, *, first: bool = True) -> Prepay:
        """Ask the channel for an attempt and keep its answer. Safe to repeat: the same number with the same words.

        A refusal ends the attempt only on the first ask. When an earlier call may have reached the channel, it may hold a payable
        order all the same: then the attempt stays in doubt until the channel has been asked about it.
        """
        channel, request = self._channel(attempt.channel_id), attempt.request
        if channel and self._named:
            whose = await self._named(attempt.user_id)
            request = replace(request, description=f"{request.description} · {whose} · {BEWARE}")
        answer = await channel.order(request) if channel else Prepay(Outcome.FAILURE, reason="channel.not_configured")
        await self._openings.put(opened.Asked(attempt, answer, first))
        return answer

    async def drain(self) -> None:
        """Wait for what is under way."""
        await self._admissions.drain()
        await self._openings.drain()

    def request_for(self, attempt_id: UUID, order_id: UUID, channel: Channel, method: str, amount_fen: int, expires_at: datetime,
                    client_ip: str, openid: str, bank: str = "", *, purchase: bool = False) -> OrderRequest:  # fmt: skip
        """The request to the channel. It is the same for the same attempt, always, so that sending it again is safe."""
        return OrderRequest(
            out_trade_no=ids.text26(attempt_id),
            method=method,
            amount_fen=amount_fen,
            description="商品购买" if purchase else "余额充值",
            expires_at=expires_at,
            notify_url=self._notify_url(channel),
            client_ip=client_ip,
            payer_openid=openid,
            return_url=self._return_url(order_id),
            bank=bank,
        )

    async def _wait_for_rival(self, order_id: UUID) -> None:
        """The first request of this key may still be with the channel: wait for its answer, then the row is the answer."""
        for _ in range(int(RIVAL_WAIT_S / 0.1)):
            row = await self._database.row(sql.order_version, order_id)
            if row is None or not row["unasked"] or (clock.now() - row["moved_at"]).total_seconds() > RIVAL_WAIT_S:
                return
            await asyncio.sleep(0.1)
        raise Refusal("operation.key_busy", order=shown(order_id))

    async def _admit_all(self, requests: Sequence[PlaceRequest]) -> Sequence[Admitted | BaseException]:
        shops = {request.shop_id for request in requests}
        if len(shops) == 1:
            return await self._admit_apart(await self._books.current(*shops), requests, await self._standings(requests))
        results: dict[int, Admitted | BaseException] = {}
        for shop_id in shops:
            places = [place for place, request in enumerate(requests) if request.shop_id == shop_id]
            results.update(zip(places, await self._admit_all([requests[place] for place in places]), strict=True))
        return [results[place] for place in range(len(requests))]

    async def _standings(self, requests: Sequence[PlaceRequest]) -> list[Standing]:
        """How the way of each stands. What is open is open to all of them; else each is asked about, for a trial is for a few."""
        known: dict[tuple[int, str], Standing] = {}
        seen = []
        for request in requests:
            way = (request.channel_id, request.method)
            stands = known.get(way) or await self.standing(*way)
            if stands.state == "open":
                known[way] = stands
            seen.append(stands)
        return seen

    async def _admit_apart(
        self, book: Book, requests: Sequence[PlaceRequest], seen: Sequence[Standing]
    ) -> Sequence[Admitted | BaseException]:
        """Admit together what may be judged together; what shares a browser or a payer with an earlier one comes after it."""
        results: dict[int, Admitted | BaseException] = {}
        ready = make_ready(requests, self.payer_of)

        async def work(tx: Tx) -> None:
            results.update(await self._admit(tx, book, ready, seen))
            assert results, "an order shares its origin with an earlier one only"

        await self._database.transact(work, joined=True)
        for place in range(len(requests)) if len(results) < len(requests) else ():
            if place in results:
                continue
            try:
                (results[place],) = await self._admit_apart(book, [requests[place]], [seen[place]])
            except Exception as fault:  # noqa: BLE001 -- it is the answer to this one; those before it are committed
                results[place] = fault
        return [results[place] for place in range(len(requests))]

    async def _admit(self, tx: Tx, book: Book, ready: Ready, seen: Sequence[Standing]) -> dict[int, Admitted | BaseException]:
        """What becomes of each that can be judged now, by its place. Its last statement commits, where nothing comes after it."""
        at, order_ids, requests, hashes = ready[:4]
        laid: list[Laid] = []
        rows = await while_waiting(admit.begin(tx, book, ready), lambda: laid.append(self._lay_out(book, ready, seen)))
        (all_new,) = laid
        results: dict[int, Admitted | BaseException] = {}
        fresh: list[Fresh] = []
        again: list[PlaceRequest] = []
        for row in rows:
            place: int = row["asked"] - 1
            order_id = row["order_id"]
            if order_id is None:
                fresh.append(Fresh(requests[place], order_ids[place], hashes[place], all_new.wishes[place], row))
                continue
            again.append(requests[place])
            same = row["request_hash"] == hashes[place]
            results[place] = Admitted(order_id, None, replay=True) if same else Refusal("operation.key_reused")
        await admit.count_again(tx, book.shop_id, again)
        attempts = await self._judge(tx, book, at, fresh, all_new) if fresh else {}
        for each in fresh:
            results[each.row["asked"] - 1] = Admitted(each.order_id, attempts.get(each.order_id), replay=False)
        return results

    def _lay_out(self, book: Book, ready: Ready, seen: Sequence[Standing]) -> Laid:
        """What is sent where all of them are new and admitted, as nearly always; made while the server reads about them."""
        wishes = wishes_of(ready, seen, self._page_version)
        pairs = self._tries(book.shop_id, ready.at + LIFETIME, list(zip(ready.requests, ready.order_ids, strict=True)))
        orders = admit.order_columns(ready.order_ids, ready.hashes, ready.requests, wishes)
        return Laid(wishes, orders, pairs, admit.attempt_columns(self._vault, pairs))

    async def _judge(self, tx: Tx, book: Book, at: datetime, fresh: Sequence[Fresh], laid: Laid) -> dict[UUID, Try]:
        """Write orders, decide them meanwhile, and write what becomes of them; the attempts of those that are admitted."""
        expires = at + LIFETIME
        await offers.lock(tx, book.shop_id, [bonus.ask_of(each.request) for each in fresh if bonus.asks(each.request)])
        wishes, rows = [each.wish for each in fresh], [each.row for each in fresh]
        more = await read_more(tx, wishes, rows, Stage.PLACE)
        records: list[Record] = []

        def meanwhile() -> None:
            records.extend(decided(Stage.PLACE, made_of(wishes, rows, more, Stage.PLACE, book), book))

        columns = laid.orders if len(fresh) == len(laid.wishes) else admit.columns_of(fresh)
        await while_waiting(admit.write(tx, book, at, expires, rows, columns), meanwhile)
        made = await settled(tx, [(each.order_id, each.wish) for each in fresh], records, book)
        ticked = [agreements.Ticked(r.user_id, r.agreement, order_id) for r, order_id, *_ in fresh if r.agreement is not None]
        await agreements.accept(tx, book.shop_id, at, ticked)
        judged = [(each.request, each.order_id, record.decision) for each, (_, _, record) in zip(fresh, made, strict=True)]
        # What waits keeps its goods as well; for how long is said where they are kept.
        going = [(r, order_id) for r, order_id, decision in judged if decision.outcome is not Ruling.REFUSE]
        gone = await self._set_aside(tx, at, expires, going)
        stopped = [Stopped(r, order_id, 0, d) for r, order_id, d in judged if d.outcome not in _ADMITS and order_id not in gone]
        await self.stop(tx, book.shop_id, at, stopped)
        admitted = {order_id for _, order_id, _ in judged} - {each.order_id for each in stopped} - gone
        pairs = [pair for pair in laid.pairs if pair[0].order_id in admitted]
        tries = {made.order_id: made for made, _, _ in pairs}
        await self.decline(tx, at, [(order_id, 0) for order_id in admitted - tries.keys()])
        attempts = laid.attempts if len(pairs) == len(laid.pairs) else admit.attempt_columns(self._vault, pairs)
        events = [f"order.{_became(decision, order_id in gone)}" for _, order_id, decision in judged]
        last = not admit.names_cards(pairs) and not book.shadows.rules
        await admit.keep(tx, book, at, made, events, attempts, expires, at + schedule.FIRST, last=last)
        if not last:
            await admit.name_cards(tx, pairs)
            await try_rules(tx, Stage.PLACE, made, book)
        return tries

    async def _set_aside(self, tx: Tx, at: datetime, expires: datetime, going: Sequence[tuple[PlaceRequest, UUID]]) -> set[UUID]:
        """Set aside what orders are for; those that do not go on. One whose goods are not to be had is refused, with why."""
        gone: set[UUID] = set()
        for request, order_id in going:
            if request.basket is None and not bonus.asks(request):
                continue
            try:
                if request.basket:
                    errand = Errand(order_id, request.user_id, request.basket, request.amount_fen, expires)
                    for fulfilment in self._fulfilments:
                        await fulfilment.reserve(tx, at, errand)
                await bonus.promise(tx, request.shop_id, at, order_id, request, expires)
            except Refusal as refusal:
                await self.turn_down(tx, at, order_id, 0, refusal)
                gone.add(order_id)
        return gone

    async def renew(self, tx: Tx, at: datetime, order_id: UUID, user_id: int, expires: datetime) -> None:
        """Keep aside, or set aside anew, what an order is for that is tried again. Raises `Refusal` with nothing changed."""
        for fulfilment in self._fulfilments:
            await fulfilment.renew(tx, at, order_id, user_id, expires)

    async def turn_down(self, tx: Tx, at: datetime, order_id: UUID, version: int, refusal: Refusal) -> None:
        """Refuse an order whose goods are not to be had."""
        await moves.move_orders(tx, at, "place", [moves.Step(order_id, version, "created", "refused", refusal.reason)])
        await tx.run(sql.give_reasons, [order_id], [refusal.reason], [_JSON.encode(refusal.facts).decode()])

    def payer_of(self, request: PlaceRequest) -> bytes | None:
        """The blind index of the payer, where the channel named him before the payment (JSAPI); else None."""
        channel = self._channel(request.channel_id)
        return payer_index(self._vault, channel.kind, request.payer_openid) if channel else None

    async def create_attempts(
        self, tx: Tx, shop_id: int, at: datetime, expires: datetime, admitted: Sequence[tuple[PlaceRequest, UUID]]
    ) -> list[Try]:
        """Write the attempts of admitted orders, each due for a look in case we die before its channel answers."""
        pairs = self._tries(shop_id, expires, admitted)
        if pairs:
            columns = admit.attempt_columns(self._vault, pairs)
            await tx.value(sql.create_attempts, shop_id, at, *columns, [expires], [at + schedule.FIRST])
            await admit.name_cards(tx, pairs)
        return [made for made, _, _ in pairs]

    def _tries(self, shop_id: int, expires: datetime, admitted: Sequence[tuple[PlaceRequest, UUID]]) -> list[Paired]:
        """The attempts of admitted orders with what they are made from, nothing written yet. What has no channel here has none."""
        return [
            (Try(shop_id, order_id, attempt_id := ids.new_id(after=order_id),
                 self.request_for(attempt_id, order_id, channel, r.method, r.amount_fen, expires, r.client_ip, r.payer_openid,
                                  r.bank or "", purchase=r.for_goods or r.basket is not None),
                 r.channel_id, r.user_id), r, channel)
            for r, order_id in admitted if (channel := self._channel(r.channel_id))
        ]  # fmt: skip

    async def stop(self, tx: Tx, shop_id: int, at: datetime, stopped: Sequence[Stopped]) -> None:
        """Move what the policy does not admit to where it waits or ends, with its reason."""
        if not stopped:
            return
        steps = [moves.Step(each.order_id, each.version, "created", _RULINGS[each.decision.outcome], each.decision.reason or "")
                 for each in stopped]  # fmt: skip
        await moves.move_orders(tx, at, "policy", steps)
        await tx.run(
            sql.give_reasons,
            [each.order_id for each in stopped],
            [each.decision.reason for each in stopped],
            [_JSON.encode(each.decision.facts).decode() for each in stopped],
        )
        for outcome, state in _WAITS.items():
            waits = [each for each in stopped if each.decision.outcome is outcome]
            await waiting.begin(tx, self._vault, self._cases, shop_id, state, waits)

    async def decline(self, tx: Tx, at: datetime, orders: Sequence[tuple[UUID, int]]) -> None:
        """End orders (id, version) whose channel cannot be used by this process, though its row says it may: nothing was asked."""
        if not orders:
            return
        reason = "channel.not_configured"
        await moves.move_orders(tx, at, "place", [moves.Step(order_id, v, "created", "declined", reason) for order_id, v in orders])
        await tx.run(sql.give_reasons, [order_id for order_id, _ in orders], [reason] * len(orders), ["{}"] * len(orders))

    async def _open_all(self, asked: Sequence[opened.Asked]) -> Sequence[None]:
        for shop_id in {item.attempt.shop_id for item in asked}:
            mine = [item for item in asked if item.attempt.shop_id == shop_id]
            await self._database.transact(partial(opened.keep, shop_id=shop_id, asked=mine), joined=True)
        return [None] * len(asked)


def _became(decision: Decision, gone: bool) -> str:  # noqa: FBT001 -- a truth about its goods
    if gone:
        return "refused"
    return "created" if decision.outcome in _ADMITS else _RULINGS[decision.outcome]
