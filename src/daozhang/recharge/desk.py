"""The recharge desk: what a door may ask for on behalf of a user."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from daozhang import clock, ids
from daozhang.channels.port import Channel
from daozhang.channels.registry import Registry
from daozhang.events import log as events
from daozhang.ledger import Accounts
from daozhang.ledger import statement as ledger_statement
from daozhang.ledger.statement import StatementLine, Wallet
from daozhang.limits.model import card_fits
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.decide import shown as shown_verdicts
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Stage, Verdict
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import moves, schedule, view
from daozhang.recharge.chase import Chase
from daozhang.recharge.model import OrderLine, OrderView, PlaceRequest, RefundView
from daozhang.recharge.place import LIFETIME, Place, Try
from daozhang.recharge.refund import Refunds
from daozhang.recharge.settle import Settle
from daozhang.vault import Vault

sql = statements("daozhang.recharge")

MAX_FEN = 9_999_999_999
MOST_ATTEMPTS = 20
"""Tries of one order; then a new order says the same."""


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """One way to pay. `why` is the reason it is not open."""

    channel_id: int
    kind: str
    method: str
    open: bool
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """What the recharge page tells before anything is asked for: ways to pay, limits in fen, and the rules that apply."""

    methods: tuple[MethodChoice, ...]
    presets_fen: tuple[int, ...]
    single_min_fen: int
    single_max_fen: int
    day_max_fen: int
    day_left_fen: int
    verdicts: tuple[Verdict, ...]
    page_version: str


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
    ) -> None:
        url = notify_url or (lambda channel: f"{public_url}/notify/{channel.kind}/{channel.id}")
        self.shop_id, self.page_version = shop_id, page_version
        self._database, self._books, self._registry = database, books, registry
        self.place_order = Place(
            database,
            books,
            vault,
            registry.get,
            url,
            page_version,
            lambda order_id: f"{public_url}/back/{view.shown(order_id)}",
        )
        self.settle = settle
        self.chase = Chase(database, vault, registry.get, self.place_order, settle)
        self.refunds = Refunds(database, ledger_accounts, registry.get, url)

    async def quote(self, user_id: int) -> Quote:
        """The recharge page's facts for a user, from the checks that will be enforced."""
        book = await self._books.current(self.shop_id)
        wish = Wish(self.shop_id, user_id, page_version=self.page_version, page_current=self.page_version)
        (facts,) = await gather(self._database, [wish], Stage.SHOWN)
        left_fen = max(0, book.day.max_fen - (facts.admitted_fen or 0))
        choices = [
            MethodChoice(row.id, row.kind, method, open=True)
            for row in self._registry.enabled(self.shop_id)
            for method in row.methods
        ]
        return Quote(
            tuple(choices),
            book.amount.presets_fen,
            book.amount.min_fen,
            book.amount.max_fen,
            book.day.max_fen,
            left_fen,
            tuple(shown_verdicts(facts, book)),
            self.page_version,
        )

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

    async def orders(self, user_id: int, before: UUID | None = None, limit: int = view.PAGE) -> list[OrderLine]:
        """This user's orders, newest first."""
        return await view.order_lines(self._database, self.shop_id, user_id, before, limit)

    async def wallet(self, user_id: int) -> Wallet:
        """This user's balances."""
        return await ledger_statement.wallet(self._database, self.shop_id, user_id)

    async def statement(self, user_id: int, before: UUID | None = None, limit: int = ledger_statement.PAGE) -> list[StatementLine]:
        """This user's cash statement, newest first, each line with the order behind it."""
        lines = await ledger_statement.statement(self._database, self.shop_id, user_id, before, limit)
        rows = await self._database.rows(sql.orders_behind, [line.source_id for line in lines])
        behind = {row["source_id"]: view.shown(row["order_id"]) for row in rows if row["order_id"]}
        return [replace(line, order_shown=behind.get(line.source_id, "")) for line in lines]

    async def cancel(self, user_id: int, order_id: UUID) -> OrderView:
        """Give an unpaid order up: closed at the channel first. A payment that was faster is credited. Raises `Refusal`."""
        for row in await self._database.transact(lambda tx: self._ask_to_close(tx, user_id, order_id)):
            await self.chase.close(row["id"])
        return await self._view(order_id)

    async def retry(self, user_id: int, order_id: UUID, channel_id: int, method: str, client_ip: str) -> OrderView:
        """Try the same order again, perhaps another way: a new attempt, decided again. Raises `Refusal`.

        An older attempt that still lives is closed at its channel first; when that is not certain it stays watched.
        """
        current = await self.order(user_id, order_id)
        if current is None:
            raise Refusal("operation.not_found")
        if current.state not in ("failed", "expired", "cancelled", "awaiting_payment") or current.money == "checking":
            raise Refusal("operation.not_retryable")
        live = await self._database.transact(lambda tx: self._begin_closing(tx, order_id))
        for row in live:
            became = await self.chase.close(row["id"])
            if became == "paid" or (became == "unsure" and row["channel_id"] == channel_id):
                # A second code now could be paid as well. Another channel may be tried; one that cannot be asked stays watched.
                return await self._view(order_id)
        book = await self._books.current(self.shop_id)
        made = await self._database.transact(lambda tx: self._try_again(tx, book, user_id, order_id, channel_id, method, client_ip))
        if made:
            await self.place_order.ask(made)
        return await self._view(order_id)

    async def refund(self, order_id: UUID, amount_fen: int, why: str, actor: str) -> RefundView:
        """Return money of a credited order to where it came from. Raises `Refusal` (`refund.*`)."""
        refund_id = await self.refunds.ask(order_id, amount_fen, why, actor)
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
        if order["state"] not in ("created", "awaiting_payment") or not attempts:
            raise Refusal("operation.not_cancellable")
        at = clock.now()
        await moves.move_orders(tx, at, "buyer", [moves.Step(order_id, order["version"], order["state"], "cancel_asked")])
        live = await self._begin_closing(tx, order_id)
        await events.append(tx, self.shop_id, at, "buyer", [events.Event("order.cancel_asked", order_id, user_id, "{}")])
        return live

    async def _begin_closing(self, tx: Tx, order_id: UUID) -> Sequence[Any]:
        """Mark what still lives of an order as closing, so that until it has ended everybody sees that we are checking."""
        attempts = await tx.rows(sql.live_attempts, order_id)
        await tx.value(sql.lock_for_settlement, [row["id"] for row in attempts])
        live, at = await tx.rows(sql.live_attempts, order_id), clock.now()
        due = at + schedule.FIRST
        await moves.move_attempts(
            tx, at, "buyer",
            [moves.Step(r["id"], r["version"], r["state"], "closing", due_at=due) for r in live if r["state"] != "closing"],
        )  # fmt: skip
        return live

    async def _try_again(
        self, tx: Tx, book: Book, user_id: int, order_id: UUID, channel_id: int, method: str, client_ip: str
    ) -> Try | None:
        await tx.value(sql.lock_users, [user_id])
        order = await tx.row(sql.lock_order, order_id)
        if order is None or order["user_id"] != user_id:
            raise Refusal("operation.not_found")
        if order["state"] not in ("failed", "expired", "cancelled", "awaiting_payment"):
            raise Refusal("operation.not_retryable")
        if await tx.value(sql.count_attempts, order_id) >= MOST_ATTEMPTS:
            raise Refusal("operation.not_retryable")
        at = clock.now()
        step = moves.Step(order_id, order["version"], order["state"], "retried")
        await moves.move_orders(tx, at, "buyer", [step])
        await tx.run(sql.give_reasons, [order_id], [None], ["{}"])
        card = await tx.row(sql.newest_card, order_id)
        bank, instrument = (card["bank"], card["instrument"]) if card else (None, None)
        request = replace(_request(order, channel_id, method, client_ip, self.page_version), bank=bank, instrument=instrument)
        wish = Wish(self.shop_id, user_id, order["amount_fen"], channel_id, method, self.page_version, self.page_version,
                    bank=bank, instrument=instrument)  # fmt: skip
        (decision,) = await enforce(tx, Stage.PLACE, [(order_id, wish)], book)
        if not decision.admits:
            await self.place_order.stop(tx, at, [(order_id, order["version"] + 1, decision)])
            return None
        await events.append(tx, self.shop_id, at, "buyer", [events.Event("order.retried", order_id, user_id, "{}")])
        made = await self.place_order.create_attempts(tx, self.shop_id, at, at + LIFETIME, [(request, order_id)])
        if not made:
            await self.place_order.decline(tx, at, [(order_id, order["version"] + 1)])
            return None
        return made[0]


def _request(order: Any, channel_id: int, method: str, client_ip: str, page_version: str) -> PlaceRequest:
    return PlaceRequest(
        order["shop_id"], order["user_id"], order["amount_fen"], channel_id, method, ids.text26(order["id"]), page_version,
        client_ip, locale=order["locale"],
    )  # fmt: skip
