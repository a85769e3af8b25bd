"""What the recharge page tells before anything is asked for: ways to pay, what is left, and the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import msgspec

from daozhang.channels.registry import Registry
from daozhang.channels.rows import ChannelRow
from daozhang.limits.model import Way
from daozhang.limits.read import Card, cards, read
from daozhang.policy.book import Book
from daozhang.policy.checks.platform import page_of
from daozhang.policy.decide import shown as shown_verdicts
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Stage, Verdict
from daozhang.policy.regulation import NOTHING_CLOSED, Closed, closed
from daozhang.postgres import Database
from daozhang.recharge.route import OPEN, MethodChoice, Standing, choice


class Board(Protocol):
    """The live state of ways to pay; `status` implements it."""

    def now(self, shop_id: int) -> Mapping[tuple[int, str], Any]:
        """Every way to pay by channel and method."""

    async def admit(self, row: ChannelRow, method: str) -> Any:
        """Ask to send one order this way; in a trial only a few may."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What the recharge page tells, in fen; `amount_fen` is the amount that `methods` are judged for, None = none yet."""

    methods: tuple[MethodChoice, ...]
    presets_fen: tuple[int, ...]
    single_min_fen: int
    single_max_fen: int
    day_max_fen: int
    day_left_fen: int
    verdicts: tuple[Verdict, ...]
    page_version: str
    amount_fen: int | None = None
    cards: tuple[Card, ...] = ()
    agreement: int = 0
    """The version of the service agreement that is still to be ticked; 0 = none."""
    closed: Closed = NOTHING_CLOSED
    """What regulation closes here: its ways are not among `methods`."""


def standing_of(board: Board | None, shop_id: int) -> Mapping[tuple[int, str], Standing]:
    """The standing of every way to pay; empty while nobody watches."""
    return {way: standing(seen) for way, seen in board.now(shop_id).items()} if board else {}


def standing(seen: Any) -> Standing:
    """Convert the state of one way to pay from `status` into a `Standing`."""
    return Standing(str(seen.status.value), seen.usable, seen.why, seen.facts, seen.heard, seen.of_law)  # type: ignore[arg-type]


async def quote(
    database: Database,
    book: Book,
    registry: Registry,
    board: Board | None,
    wish: Wish,
    besides: Sequence[UUID] = (),
) -> Quote:
    """The facts for a user, from the checks that will be enforced.

    `besides`: an order whose own use of the limits does not count, because it is the one to be paid another way.
    """
    shut = await closed(database, wish.shop_id, wish.user_id)
    ways = [(row, method) for row in registry.enabled(wish.shop_id) if not shut.closes(row.kind) for method in row.methods]
    standings = standing_of(board, wish.shop_id)
    heard = [seen.heard for seen in standings.values() if seen.heard is not None]
    # The rules are told for any amount: one that is too large is cured at its field, and stops no page.
    any_amount = msgspec.structs.replace(wish, amount_fen=None, notify_door=all(heard) if heard else None)
    (facts,) = await gather(database, [any_amount], Stage.SHOWN, book, besides=besides)
    asked = [Way(wish.shop_id, wish.user_id, row.id, method, wish.bank, wish.instrument) for row, method in ways]
    limits = await read(database, asked, besides) if asked else []
    methods = tuple(
        choice(row.id, row.kind, method, standings.get((row.id, method), OPEN), held, wish.amount_fen, no_credit=row.no_credit)
        for (row, method), held in zip(ways, limits, strict=True)
    )
    left_fen = max(0, book.day.max_fen - (facts.admitted_fen or 0))
    return Quote(
        methods,
        book.amount.presets_fen,
        book.amount.min_fen,
        book.amount.max_fen,
        book.day.max_fen,
        left_fen,
        tuple(shown_verdicts(facts, book)),
        page_of(wish.page_current or "", book),
        wish.amount_fen,
        tuple(await cards(database, wish.shop_id)),
        0 if facts.agreement_agreed else facts.agreement_version or 0,
        shut,
    )
