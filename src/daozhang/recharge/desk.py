"""The recharge desk: what a door may ask for on behalf of a user."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from daozhang import clock, ids
from daozhang.cases import Cases
from daozhang.channels.port import Channel
from daozhang.channels.registry import Registry
from daozhang.events import log as events
from daozhang.ledger import Accounts
from daozhang.ledger import statement as ledger_statement
from daozhang.ledger.statement import StatementLine, Wallet
from daozhang.limits.model import card_fits
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.facts import Wish
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import admit, moves, schedule, unpaid, view
from daozhang.recharge.admit import Try
from daozhang.recharge.approve import Resume, answers_of, decided, lately_approved
from daozhang.recharge.chase import Chase
from daozhang.recharge.freeze import Freezes
from daozhang.recharge.fulfilment import Fulfilment
from daozhang.recharge.model import EVERYTHING, Considered, OrderLine, OrderView, PlaceRequest, RefundView, Sought, Tried
from daozhang.recharge.place import LIFETIME, Place
from daozhang.recharge.preflight import Answer, Asker, consider, preflight
from daozhang.recharge.quote import Board, Quote, quote, standing
from daozhang.recharge.ready import wish_of
from daozhang.recharge.refund import Refunds
from daozhang.recharge.route import OPEN, Standing
from daozhang.recharge.settle import Settle
from daozhang.recharge.stalled import Stalled
from daozhang.recharge.states import CHARGED
from daozhang.recharge.waiting import Stopped, Waiting
from daozhang.vault import Vault

sql = statements("daozhang.recharge")

MAX_FEN = 9_999_999_999
MOST_ATTEMPTS = 20
"""Tries of one order; then a new order says the same."""
RETRYABLE = ("failed", "expired", "cancelled", "awaiting_payment", "created")
"""States from which an order may be paid another way. In `created` its channel has not answered: nobody has seen a code yet."""


class Desk:
    """Places, shows, cancels and retries orders of one shop, and begins refunds."""

    def __init__(
        self,
        shop_id: int,
        database: Database,
        books: Books,
        vault: Vault,
        registry: Registry,
        ledger_accounts: Accounts,
        settle: Settle,
        *,
        public_url: str,
        page_version: str,
        notify_url: Callable[[Channel], str] | None = None,
        board: Board | None = None,
        fulfilments: Sequence[Fulfilment] = (),
        cases: Cases | None = None,
        tills: Database | None = None,
        named: Callable[[int], Awaitable[str]] | None = None,
    ) -> None:
        """`board` knows how ways to pay stand (`status`), without one all that is enabled is open; `cases` ask people.

        `tills` are connections that keep what they planned: orders are placed on them. `named` says for a user whom a payment is to
        and for whose account: the payer reads it in the wallet.
        """
        url = notify_url or (lambda channel: f"{public_url}/notify/{channel.kind}/{channel.id}")
        self.shop_id, self.page_version = shop_id, page_version
        self._database, self._books, self._registry, self._board = database, books, registry, board
        self.place_order = Place(
            tills or database,
            books,
            vault,
            registry.get,
            url,
            page_version,
            lambda order_id: f"{public_url}/back/{view.shown(order_id)}",
            self._standing,
            fulfilments,
            cases,
            named,
        )
        self.waiting, self.freezes = Waiting(database, vault, cases), Freezes(database, cases)
        self.resume = Resume(database, books, self.place_order, self.waiting, page_version)
        self.settle, self.fulfilments = settle, fulfilments
        self.chase = Chase(database, vault, registry.get, self.place_order, settle)
        self.refunds = Refunds(database, books, ledger_accounts, registry.get, url, cases)
        self.stalled = Stalled(database, self.chase)

    async def quote(
        self,
        user_id: int,
        amount_fen: int | None = None,
        card: tuple[str | None, str | None] = (None, None),
        besides: Sequence[UUID] = (),
        *,
        purchase: bool = False,
    ) -> Quote:
        """What the page tells a user, for an amount when there is one, and for a card (bank, class) when one was named.

        `besides`: the order that is to be paid another way; what it uses of the limits itself does not count. `purchase`: the
        amount is the channel's part of a purchase.
        """  # fmt: skip
        book = await self._books.current(self.shop_id)
        wish = Wish(
            self.shop_id, user_id, amount_fen, page_version=self.page_version, page_current=self.page_version, bank=card[0],
            instrument=card[1], purchase=purchase,
        )  # fmt: skip
        return await quote(self._database, book, self._registry, self._board, wish, besides)

    async def preflight(self, asker: Asker, amount_fen: int, ways: Sequence[tuple[int, str]] | None = None) -> list[Answer]:
        """Whether a recharge would go, per way to pay; nothing is changed by asking."""
        book = await self._books.current(self.shop_id)
        return await preflight(self._database, book, self._registry, self._board, asker, amount_fen, ways)

    async def consider(self, asker: Asker, amount_fen: int, besides: Sequence[UUID] = ()) -> list[Considered]:
        """How the checks judge every way to pay now; nothing is kept of it."""
        book = await self._books.current(self.shop_id)
        return await consider(self._database, book, self._registry, self._board, asker, amount_fen, besides=besides)

    async def place(self, request: PlaceRequest) -> OrderView:
        """Place an order. A refusal by policy is an order too, in the state `refused`. Raises `Refusal` for malformed wishes."""
        if not 0 < request.amount_fen <= MAX_FEN:
            raise Refusal("operation.amount.malformed")
        if not card_fits(request.bank, request.instrument):
            raise Refusal("limits.malformed", field="card")
        order_id = await self.place_order(request)
        return await self._view(order_id)

    async def order(self, user_id: int, order_id: UUID) -> OrderView | None:
        """An order of this user; None for anything else."""
        return await view.order_view(self._database, order_id, user_id)

    async def orders(
        self, user_id: int, before: UUID | None = None, limit: int = view.PAGE, sought: Sought = EVERYTHING
    ) -> list[OrderLine]:
        """This user's orders, newest first; those that are sought."""
        return await view.order_lines(self._database, self.shop_id, user_id, before, limit, sought)

    async def open_orders(self, user_id: int) -> list[unpaid.Open]:
        """This user's unpaid orders, newest first."""
        return await unpaid.open_orders(self._database, self.shop_id, user_id)

    async def knows_key(self, user_id: int, key: str) -> bool:
        """Whether an order was placed with this key: then the same wish again is a repeat of it."""
        return bool(await self._database.value(sql.knows_key, self.shop_id, user_id, key))

    async def twins(self, user_id: int, order_id: UUID) -> Sequence[UUID]:
        """Other recharges of the same sum that arrived about when this one did: perhaps one was paid twice."""
        return await unpaid.twins(self._database, self.shop_id, user_id, order_id)

    async def tries(self, order_id: UUID) -> list[Tried]:
        """Every attempt of an order. The caller has made sure whose it is."""
        return await view.order_tries(self._database, order_id)

    async def wallet(self, user_id: int) -> Wallet:
        """This user's balances."""
        return await ledger_statement.wallet(self._database, self.shop_id, user_id)

    async def statement(
        self, user_id: int, before: UUID | None = None, limit: int = ledger_statement.PAGE, only: ledger_statement.Only = ""
    ) -> list[StatementLine]:
        """This user's cash statement, newest first, each line with the order behind it; `only` what came in, or went out."""
        lines = await ledger_statement.statement(self._database, self.shop_id, user_id, before, limit, only)
        rows = await self._database.rows(sql.orders_behind, [line.source_id for line in lines])
        behind = {row["source_id"]: view.shown(row["order_id"]) for row in rows if row["order_id"]}
        return [replace(line, order_shown=behind.get(line.source_id, "")) for line in lines]

    async def cancel(self, user_id: int, order_id: UUID) -> OrderView:
        """Give an unpaid order up: closed at the channel first. A payment that was faster is credited. Raises `Refusal`.

        One that waits before its payment, of which no try may still be paid, just ends.
        """
        for row in await self._database.transact(lambda tx: self._ask_to_close(tx, user_id, order_id)):
            await self.chase.close(row["id"])
        return await self._view(order_id)

    async def retry(
        self, user_id: int, order_id: UUID, channel_id: int, method: str, client_ip: str, *, device_id: str = ""
    ) -> OrderView:
        """Try the same order again, perhaps another way: a new attempt, decided again. Raises `Refusal`.

        An older attempt that still lives is closed at its channel first; when that is not certain it stays watched. If both are
        paid the second is sent back by itself.
        """
        current = await self.order(user_id, order_id)
        if current is None:
            raise Refusal("operation.not_found")
        if current.state not in RETRYABLE:
            raise Refusal("operation.not_retryable")
        live = await self._database.transact(lambda tx: self._begin_closing(tx, order_id, leaving=True))
        for row in live:
            became = await self.chase.close(row["id"])
            if became == "paid" or (became == "unsure" and row["channel_id"] == channel_id):
                # A second code now could be paid as well. Another channel may be tried; one that cannot be asked stays watched.
                return await self._view(order_id)
        book = await self._books.current(self.shop_id)
        known = frozenset(row["id"] for row in live)
        seen = await self._standing(channel_id, method)
        again = _Again(user_id, order_id, channel_id, method, client_ip, known, seen, device_id)
        made = await self._database.transact(lambda tx: self._try_again(tx, book, again))
        if made:
            await self.place_order.ask(made)
        return await self._view(order_id)

    async def refund(self, order_id: UUID, amount_fen: int, why: str, actor: str, *, checked: bool = False) -> RefundView:
        """Return money of a credited order to where it came from. Raises as `Refunds.ask`."""
        refund_id = await self.refunds.ask(order_id, amount_fen, why, actor, checked=checked)
        return await self.refunds.view(refund_id)

    async def look(self, order_id: UUID) -> None:
        """Ask the channel now about an order that waits ("I have paid")."""
        for row in await self._database.rows(sql.live_attempts, order_id):
            await self.chase.look(row["id"])

    async def drain(self) -> None:
        """Wait for what is under way."""
        await self.place_order.drain()
        await self.settle.drain()

    async def _view(self, order_id: UUID) -> OrderView:
        seen = await view.order_view(self._database, order_id)
        assert seen is not None, order_id
        return seen

    async def _ask_to_close(self, tx: Tx, user_id: int, order_id: UUID) -> Sequence[Any]:
        order = await tx.row(sql.order_for_work, order_id)
        if order is None or order["user_id"] != user_id:
            raise Refusal("operation.not_found")
        attempts = await tx.rows(sql.live_attempts, order_id)
        await tx.value(sql.lock_for_settlement, [row["id"] for row in attempts])
        order = await tx.row(sql.order_for_work, order_id)
        assert order is not None
        if order["state"] == "closing":
            return attempts
        if order["state"] in ("challenged", "reviewing") and not attempts:
            await self.waiting.end(tx, order_id, order["state"], "abandoned", "operation.given_up", "buyer")
            return []
        if order["state"] not in ("created", "awaiting_payment") or not attempts:
            raise Refusal("operation.not_cancellable")
        at = clock.now()
        await moves.move_orders(tx, at, "buyer", [moves.Step(order_id, order["version"], order["state"], "cancel_asked")])
        live = await self._begin_closing(tx, order_id)
        await events.append(tx, self.shop_id, at, "buyer", [events.Event("order.cancel_asked", order_id, user_id, "{}")])
        return live

    async def _begin_closing(self, tx: Tx, order_id: UUID, *, leaving: bool = False) -> Sequence[Any]:
        """Mark what still lives of an order as closing, so that until it has ended everybody sees that we are checking.

        `leaving` it for another way: an attempt that is being asked of its channel this moment, or that was charged, is not left.
        Raises `Refusal`.
        """
        attempts = await tx.rows(sql.live_attempts, order_id)
        await tx.value(sql.lock_for_settlement, [row["id"] for row in attempts])
        live, at = await tx.rows(sql.live_attempts, order_id), clock.now()
        if leaving and any(row["state"] == "prepared" or row["reason"] == CHARGED for row in live):
            raise Refusal("operation.not_retryable")
        due = at + schedule.FIRST
        await moves.move_attempts(
            tx, at, "buyer",
            [moves.Step(r["id"], r["version"], r["state"], "closing", due_at=due) for r in live if r["state"] != "closing"],
        )  # fmt: skip
        return live

    async def _standing(self, channel_id: int, method: str) -> Standing:
        """How a way stands for one more order. In a trial it is open to a few only. What is not on the board is open."""
        row = self._registry.row(channel_id)
        return standing(await self._board.admit(row, method)) if self._board and row and method in row.methods else OPEN

    async def _try_again(self, tx: Tx, book: Book, again: "_Again") -> Try | None:
        order_id = again.order_id
        device_id = UUID(again.device_id) if again.device_id else None
        await admit.wait_for_origin(tx, Wish(self.shop_id, again.user_id, device_id=device_id))
        await tx.value(sql.lock_users, [again.user_id])
        order = await tx.row(sql.lock_order, order_id)
        if order is None or order["user_id"] != again.user_id:
            raise Refusal("operation.not_found")
        if order["state"] not in RETRYABLE or await tx.value(sql.count_attempts, order_id) >= MOST_ATTEMPTS:
            raise Refusal("operation.not_retryable")
        if any(row["id"] not in again.known for row in await tx.rows(sql.live_attempts, order_id)):
            # Somebody else was faster: one new attempt at a time.
            raise Refusal("operation.not_retryable")
        at, version = clock.now(), order["version"]
        await self.place_order.renew(tx, at, order_id, again.user_id, at + LIFETIME)
        if order["state"] != "created":
            step = moves.Step(order_id, version, order["state"], "retried")
            version += len(await moves.move_orders(tx, at, "buyer", [step]))
        await tx.run(sql.give_reasons, [order_id], [None], ["{}"])
        card = await tx.row(sql.newest_card, order_id)
        bank, instrument = (card["bank"], card["instrument"]) if card else (None, None)
        # Whether the amount is right is asked once; the second factor is of one way to pay and is shown anew for another.
        sure_fen = order["amount_fen"] if "amount" in await answers_of(tx, order_id) else None
        request = replace(_request(order, again, self.page_version), bank=bank, instrument=instrument, sure_fen=sure_fen)
        wish = wish_of(request, self.page_version, again.seen, self.place_order.payer_of(request))
        looked_at = await lately_approved(tx, order_id, at)
        decision = await decided(tx, book, order_id, wish, looked_at, "buyer", "approved before")
        if not decision.admits:
            await self.place_order.stop(tx, self.shop_id, at, [Stopped(request, order_id, version, decision)])
            return None
        await events.append(tx, self.shop_id, at, "buyer", [events.Event("order.retried", order_id, again.user_id, "{}")])
        made = await self.place_order.create_attempts(tx, self.shop_id, at, at + LIFETIME, [(request, order_id)])
        if not made:
            await self.place_order.decline(tx, at, [(order_id, version)])
            return None
        return made[0]


class _Again(NamedTuple):
    """A wish to pay an order another way. `known` are the attempts that were closed for it, or are watched."""

    user_id: int
    order_id: UUID
    channel_id: int
    method: str
    client_ip: str
    known: frozenset[UUID]
    seen: Standing
    device_id: str


def _request(order: Any, again: _Again, page_version: str) -> PlaceRequest:
    return PlaceRequest(
        order["shop_id"], order["user_id"], order["amount_fen"], again.channel_id, again.method, ids.text26(order["id"]),
        page_version, again.client_ip, again.device_id, locale=order["locale"], for_goods=order["purpose"] == "purchase",
    )  # fmt: skip
