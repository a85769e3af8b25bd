"""Reads the facts that policy judges by: set-based for many users, through the views of the rooms that own them."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol
from uuid import UUID

import msgspec

from daozhang.limits.read import read_limits
from daozhang.offers import Ask, Seen
from daozhang.offers import read as read_offers
from daozhang.policy.model import NEVER_S, Facts, RegionRule, Signals, Stage
from daozhang.policy.places import Place, place_of, province_of
from daozhang.policy.regions import code_of
from daozhang.policy.regulation import class_of, goods_classes, meets, read_rules
from daozhang.policy.signals import leaving, paid, placed, together
from daozhang.postgres import statements

sql = statements("daozhang.policy")

_NO_OFFER = Seen()
PLACE = itemgetter("place")
"""The place of a row's wish among those that were asked about, from one."""


class Wish(msgspec.Struct, frozen=True):
    """What one user wants, or has paid for. Before a choice is made (the page) all but user and shop may be None.

    `page_current` is the version the server speaks now, `notify_door` whether channels can reach us (None = nobody has looked).
    `device_id` is the user's device if it is known, `client_ip` the address as `web/client.py` believes it, `payer` the blind
    index of whoever pays, known before payment only where the channel names the payer to us.
    """

    shop_id: int
    user_id: int
    amount_fen: int | None = None
    channel_id: int | None = None
    method: str | None = None
    page_version: str | None = None
    page_current: str | None = None
    notify_door: bool | None = None
    bank: str | None = None
    instrument: str | None = None
    channel_stop: str | None = None
    channel_stop_facts: Mapping[str, Any] | None = None
    """Why the way to pay takes no order now, as `status` says; None = it does, or nobody watches."""
    device_id: UUID | None = None
    client_ip: str = ""
    payer: bytes | None = None
    agreement: int | None = None
    """The version of the service agreement that was ticked with the wish."""

    sure_fen: int | None = None
    """The amount that the user confirmed when it looked mistyped."""
    confirmed: bool = False
    """The order was confirmed by a second factor."""

    purchase: bool = False
    """The money is the channel's part of a purchase."""

    offer: int | None = None
    """The campaign whose bonus is chosen with the recharge."""
    coupon: bytes | None = None
    """The hash of the coupon that is to be used with it."""
    currency: str | None = None
    """What would be paid in, or was; None = nothing was said."""
    goods_id: int | None = None
    """What a purchase is of."""
    kind: str | None = None
    """The kind of channel that a payment came by; before it, the row of the channel says so."""
    no_credit: bool | None = None
    """Whether that channel takes no credit cards; likewise."""

    def place(self) -> Place | None:
        """Where the address is; None is not known."""
        return place_of(self.client_ip)

    def province(self) -> str | None:
        """The province, or the country abroad, that the address is in; None is not known."""
        return province_of(self.client_ip)


class Reader(Protocol):
    """A transaction, or the database for a reading outside of one."""

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        """Every row of the answer."""


async def gather(
    reader: Reader, wishes: Sequence[Wish], stage: Stage = Stage.PLACE, book: Any = None, *, besides: Sequence[UUID] = ()
) -> list[Facts]:
    """One `Facts` per wish, in order. Call it after the users are locked: a sum counted before the lock is an old one.

    At `paid` only what may have changed since admission is read. A user that does not exist gets unknown facts, which no hard
    check passes. `besides` are orders that sums leave out: those under judgement, when their rows are there already. Without a
    `book` the signals of risk are not read: what they would say is unknown.
    """
    if not wishes:
        return []
    if stage is Stage.PAID:
        near_fen = book.risk.near_fen if book else 0
        users, payers = [wish.user_id for wish in wishes], [wish.payer for wish in wishes]
        rows = together(wishes, await reader.rows(sql.facts_paid, wishes[0].shop_id, users, payers, near_fen), near_fen)
        return [
            _paid(wish, row, paid(wish, row, near_fen) if book else None, _on_its_way(wish, row))
            for wish, row in zip(wishes, rows, strict=True)
        ]
    if stage in (Stage.SPEND, Stage.REFUND):
        rows = await reader.rows(
            sql.facts_leaving, wishes[0].shop_id, [wish.user_id for wish in wishes], [wish.amount_fen for wish in wishes]
        )
        return [_leaving(wish, stage, row) for wish, row in zip(wishes, rows, strict=True)]
    rows = await reader.rows(
        sql.facts_before,
        wishes[0].shop_id,
        [wish.user_id for wish in wishes],
        [wish.channel_id for wish in wishes],
        list(besides),
        [wish.method for wish in wishes],
        [wish.bank for wish in wishes],
        [wish.instrument for wish in wishes],
        [wish.device_id for wish in wishes],
        [wish.payer for wish in wishes],
        [wish.province() for wish in wishes],
        *windows_of(book),
    )
    return await before(reader, wishes, sorted(rows, key=PLACE), stage, book)


def windows_of(book: Any) -> tuple[int, int, int]:
    """What a book counts in windows: from what sum an order is large, within how many seconds, and what is near the largest sum."""
    return (book.risk.large_fen, book.risk.window_s, book.risk.near_fen) if book else (0, 0, 0)


async def before(reader: Reader, wishes: Sequence[Wish], rows: Sequence[Any], stage: Stage, book: Any) -> list[Facts]:
    """One `Facts` per wish from its row of `read_wishes`, with what only some ask for."""
    return made(wishes, rows, await read_more(reader, wishes, rows, stage), stage, book)


More = tuple[Sequence[Seen], "Sequence[Law]"]
"""How the offers stand that each wish chose, and the laws about it."""


async def read_more(reader: Reader, wishes: Sequence[Wish], rows: Sequence[Any], stage: Stage) -> More:
    """What only some wishes ask for: offers, and laws about goods. Asks nothing where nobody does."""
    offers: Sequence[Seen] = [_NO_OFFER] * len(wishes)
    if any(w.offer is not None or w.coupon is not None for w in wishes):
        asks = [Ask(w.user_id, w.amount_fen, w.offer, w.coupon) for w in wishes]
        offers = await read_offers(reader, wishes[0].shop_id, asks, together=stage is Stage.PLACE)
    return offers, await _laws(reader, wishes, rows)


def made(wishes: Sequence[Wish], rows: Sequence[Any], more: More, stage: Stage, book: Any) -> list[Facts]:
    """One `Facts` per wish from all that was read of it. Pure."""
    return [_before(wish, stage, row, offer, law, book) for wish, row, offer, law in zip(wishes, rows, *more, strict=True)]


Law = tuple[str | None, tuple[RegionRule, ...]]
"""Where the user is, while anything asks for it, and the rows of regulation about the wish."""


async def _laws(reader: Reader, wishes: Sequence[Wish], rows: Sequence[Any]) -> list[Law]:
    """The rows of regulation that are about each wish. While there are none at all, nothing more is read."""
    rules = read_rules(rows[0]["region_rules"])
    if not rules:
        return [(None, ())] * len(wishes)
    goods = [wish.goods_id for wish in wishes if wish.goods_id is not None]
    classes = await goods_classes(reader, goods) if goods else {}
    return [
        (
            code_of(row["region"]),
            tuple(r for r in rules if meets(r, class_of(row["kind"]), classes.get(wish.goods_id or 0), purchase=wish.purchase)),
        )
        for wish, row in zip(wishes, rows, strict=True)
    ]


def _on_its_way(wish: Wish, row: Any) -> Law:
    """The rows that say something of money that was on its way when they took effect: not those that let it finish."""
    rules = [r for r in read_rules(row["region_rules"]) if r.in_flight != "finish"]
    about = tuple(r for r in rules if meets(r, class_of(wish.kind), None, purchase=wish.purchase))
    return (code_of(row["region"]), about) if about else (None, ())


def _paid(wish: Wish, row: Any, signals: Signals | None, law: Law) -> Facts:
    return Facts(
        at=row["at"],
        shop_id=wish.shop_id,
        user_id=wish.user_id,
        standing=row["standing"],
        standing_why=row["standing_why"],
        standing_until_at=row["standing_until"],
        standing_review_at=row["standing_review_at"],
        channel_id=wish.channel_id,
        method=wish.method,
        amount_fen=wish.amount_fen,
        payer_known=wish.payer is not None,
        instrument=wish.instrument,
        no_credit=wish.no_credit,
        currency=wish.currency,
        region=law[0],
        region_rules=law[1],
        signals=signals,
    )


def _leaving(wish: Wish, stage: Stage, row: Any) -> Facts:
    return Facts(
        at=row["at"],
        shop_id=wish.shop_id,
        user_id=wish.user_id,
        standing=row["standing"],
        standing_why=row["standing_why"],
        standing_until_at=row["standing_until"],
        standing_review_at=row["standing_review_at"],
        locked_until_at=row["locked_until"],
        amount_fen=wish.amount_fen,
        unbound_s=NEVER_S if row["unbound_s"] is None else row["unbound_s"],
        cooling_fen=row["cooling_fen"],
        # A bonus is spent beside the cash and never goes back as money.
        available_fen=row["available_fen"] + (row["bonus_fen"] if stage is Stage.SPEND else 0),
        database_writes=row["database_writes"],
        signals=leaving(row),
        pass_fen=row["pass_fen"],
    )


def _before(wish: Wish, stage: Stage, row: Any, offer: Seen, law: Law, book: Any) -> Facts:
    methods = row["methods"]
    return Facts(
        at=row["at"],
        shop_id=wish.shop_id,
        user_id=wish.user_id,
        standing=row["standing"],
        standing_why=row["standing_why"],
        standing_until_at=row["standing_until"],
        standing_review_at=row["standing_review_at"],
        locked_until_at=row["locked_until"],
        channel_id=wish.channel_id,
        channel_enabled=row["channel_enabled"],
        kind=row["kind"],
        methods=None if methods is None else tuple(methods),
        method=wish.method,
        amount_fen=wish.amount_fen,
        admitted_fen=row["admitted_fen"],
        day_ends_at=row["day_ends_at"],
        recent_fen=tuple(row["recent_fen"]),
        sure_fen=wish.sure_fen,
        confirmed=wish.confirmed,
        page_version=wish.page_version,
        page_current=wish.page_current,
        database_writes=row["database_writes"],
        bank=wish.bank,
        instrument=wish.instrument,
        no_credit=row["no_credit"],
        limits=read_limits(row["limits"]),
        channel_stop=wish.channel_stop,
        channel_stop_facts=dict(wish.channel_stop_facts or {}) if wish.channel_stop else None,
        notify_door=wish.notify_door,
        payer_known=wish.payer is not None,
        signals=placed(wish, row, book) if book else None,
        purchase=wish.purchase,
        verified=row["verified"],
        age=row["age"],
        bought=row["bought"],
        stored_fen=row["stored_fen"],
        month_fen=row["minor_fen"],
        month_ends_at=row["month_ends_at"],
        open_count=row["open_count"],
        agreement_version=row["agreement_version"],
        agreement_ticked=wish.agreement,
        agreement_agreed=_agreed(wish, row, stage),
        currency=wish.currency,
        region=law[0],
        region_rules=law[1],
        offer=offer.offer,
        offer_fen=offer.offer_fen,
        coupon=offer.coupon,
        coupon_fen=offer.coupon_fen,
        coupon_from_fen=offer.coupon_from_fen,
        coupon_until_at=offer.coupon_until_at,
        offers_stack=offer.stacks,
        offers_fen=offer.promised_fen,
        pass_fen=row["pass_fen"] if book else None,
    )


def _agreed(wish: Wish, row: Any, stage: Stage) -> bool | None:
    """Whether the agreement in force is agreed to. On the page nobody has ticked anything yet."""
    agreed = row["agreement_version"] == 0 or row["agreement_kept"] or wish.agreement == row["agreement_version"]
    return None if stage is Stage.SHOWN and not agreed else agreed
