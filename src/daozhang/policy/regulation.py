"""Dated rows of regulation: a class of channels that may not be used in a region for a class of goods, from a moment on.

A row is written by one person and put in force by another; where nobody else could, the same one may do so after a day. An urgent
one holds at once and lapses after two days unless it is approved: obeying an order does not wait for a colleague, and a stolen
login cannot close a shop for long.
Ending a row opens what the law closed, so that it always takes two, or a day.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.identity.staff import second_waits_s, tell_alone
from daozhang.policy.model import RegionRule
from daozhang.policy.regions import code_of, names
from daozhang.postgres import Database, Tx, Unavailable, statements
from daozhang.reasons.refusal import Refusal
from daozhang.status.board import CLASSES, Suspension

sql = statements("daozhang.policy")
log = logging.getLogger(__name__)

ALONE_WAITS = timedelta(hours=24)
SETTLED = timedelta(days=30)
"""How long a user's own word about where he lives stands before he may change it himself."""
MAY = "region.decide"
LOOK_S = 1.0
MOST = 500
_RULES = msgspec.json.Decoder(tuple[RegionRule, ...])
InFlight = Literal["finish", "refund", "hold"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A row as it is written. `notice_*` is what people read, with the alternatives that there are."""

    region: str
    channel_class: str
    goods_class: str
    reference: str
    notice_zh: str
    notice_en: str
    in_flight: InFlight
    from_at: datetime
    until_at: datetime | None = None
    urgent: bool = False


class Row(msgspec.Struct, frozen=True):
    """A row in a list. `state`: proposed, waiting (approved, not begun), in_force, ending (its end is asked for), over."""

    id: int
    state: str
    region: str
    channel_class: str
    goods_class: str
    reference: str
    notice_zh: str
    notice_en: str
    in_flight: str
    from_at: datetime
    until_at: datetime | None
    urgent: bool
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None
    ended_by: str | None
    why: str


class Notice(msgspec.Struct, frozen=True):
    """What people read of a row in force: who says so, and since when."""

    region: str
    reference: str
    text_zh: str
    text_en: str
    from_at: datetime


class InForce(msgspec.Struct, frozen=True):
    """A row that holds now, as everybody may read it. `region` is `*` for the whole country, `goods_class` `*` for everything."""

    id: int
    region: str
    channel_class: str
    goods_class: str
    reference: str
    text_zh: str
    text_en: str
    from_at: datetime
    until_at: datetime | None
    in_flight: str

    def classes(self) -> tuple[str, ...]:
        """The classes of channels that it closes."""
        return CLASSES_ALL if self.channel_class == "*" else (self.channel_class,)


def read_rules(content: str) -> tuple[RegionRule, ...]:
    """The rows in force as a statement answers them."""
    return () if content == "[]" else _RULES.decode(content)


def class_of(kind: str | None) -> str | None:
    """The class of a kind of channel; None when no channel is chosen."""
    return None if kind is None else CLASSES.get(kind, "other")


def meets(rule: RegionRule, channel_class: str | None, goods_class: str | None, *, purchase: bool) -> bool:
    """Whether a row is about this way to pay for this. A purchase whose goods nobody names is taken to be of that class."""
    if rule.channel_class not in ("*", channel_class):
        return False
    if rule.goods_class == "*":
        return True
    if rule.goods_class == "wallet":
        return not purchase
    return purchase and goods_class in (None, rule.goods_class)


async def propose(database: Database, shop_id: int, draft: Draft, actor: str) -> int:
    """Write a row; its number. It holds once somebody else approves it, an urgent one at once. Raises `regulation.malformed`."""
    _check(draft, actor)

    async def work(tx: Tx) -> int:
        at = clock.now()
        number: int = await tx.value(
            sql.add_region_rule, shop_id, draft.region, draft.channel_class, draft.goods_class,
            draft.reference.strip(), draft.notice_zh.strip(),
            draft.notice_en.strip(), draft.in_flight, draft.from_at, draft.until_at, draft.urgent, actor, at,
        )  # fmt: skip
        await _tell(tx, shop_id, at, actor, "proposed", number)
        await tell_alone(tx, shop_id, MAY, f"region:{number}")
        return number

    return await database.transact(work)


async def approve(database: Database, shop_id: int, rule_id: int, actor: str) -> None:
    """Put a row in force. Raises `operation.not_found`, `regulation.past_that`, `regulation.second_person`."""

    async def work(tx: Tx) -> None:
        row, at = await tx.row(sql.lock_region_rule, shop_id, rule_id), clock.now()
        if row is None:
            raise Refusal("operation.not_found")
        if row["approved_at"] or row["ended_at"]:
            raise Refusal("regulation.past_that")
        await _second(tx, shop_id, row["proposed_by"], row["proposed_at"], actor)
        await tx.run(sql.approve_region_rule, at, rule_id, actor)
        await _tell(tx, shop_id, at, actor, "approved", rule_id)

    await database.transact(work)


async def end(database: Database, shop_id: int, rule_id: int, actor: str, why: str) -> bool:
    """Ask that a row ends, or end it as the second person. True when it is over now.

    Raises `operation.not_found`, `regulation.past_that`, `regulation.second_person`.
    """

    async def work(tx: Tx) -> bool:
        row, at = await tx.row(sql.lock_region_rule, shop_id, rule_id), clock.now()
        if row is None:
            raise Refusal("operation.not_found")
        if row["ended_at"] or not actor.strip():
            raise Refusal("regulation.past_that")
        done = row["ending_at"] is not None
        if done:
            await _second(tx, shop_id, row["ending_by"], row["ending_at"], actor)
        await tx.run(sql.end_region_rule, at, rule_id, actor, why[:200], done)
        await _tell(tx, shop_id, at, actor, "ended" if done else "ending", rule_id)
        return done

    return await database.transact(work)


async def listed(database: Database, shop_id: int) -> list[Row]:
    """Every row, newest first."""
    return [Row(**dict(row)) for row in await database.rows(sql.region_rules_listed, shop_id, MOST)]


async def declare(database: Database, shop_id: int, user_id: int, region: str, actor: str) -> None:
    """Keep where a user says to live. Raises `regulation.malformed`."""
    check_region(region)
    await database.transact(lambda tx: declare_in(tx, shop_id, user_id, region, actor))


async def declare_in(tx: Tx, shop_id: int, user_id: int, region: str, actor: str) -> None:
    """As `declare`, of a region that was looked at, in the caller's transaction."""
    await tx.run(sql.declare_region, ids.new_id(), shop_id, user_id, region, actor, clock.now())


def check_region(region: str) -> None:
    """Raise `regulation.malformed` for a region that is none."""
    if region not in names("zh"):
        raise Refusal("regulation.malformed", field="region")


async def choose(database: Database, shop_id: int, user_id: int, region: str) -> None:
    """A user says where he lives, once in `SETTLED`: a choice changed at every refusal would open what the law closed.

    What staff put right settles like a choice. The region in force again is no change. Raises `regulation.malformed`,
    `regulation.region_settled` (until when; support puts a wrong choice right).
    """
    check_region(region)

    async def work(tx: Tx) -> None:
        await tx.value(sql.lock_chooser, user_id)
        at, before = clock.now(), await tx.row(sql.declared_region, user_id)
        if before is not None and before["region"] == region:
            return
        if before is not None and at - before["at"] < SETTLED:
            raise Refusal("regulation.region_settled", until_at=before["at"] + SETTLED)
        await tx.run(sql.declare_region, ids.new_id(), shop_id, user_id, region, f"user:{user_id}", at)

    await database.transact(work)


async def declared(database: Database, user_id: int) -> str:
    """Where a user said to live; empty when nothing was said."""
    return await database.value(sql.declared_region, user_id) or ""


@dataclass(frozen=True, slots=True)
class Closed:
    """What regulation closes for one user's recharges: classes of channels, the notices, and whether the region has to be told.

    `on_its_way`: what becomes of money that comes all the same, by class; a class that is not there lets it finish.
    """

    classes: frozenset[str] = frozenset()
    notices: tuple[Notice, ...] = ()
    region: str = ""
    region_needed: bool = False
    on_its_way: Mapping[str, InFlight] = field(default_factory=dict)

    def closes(self, kind: str) -> bool:
        """Whether a kind of channel is closed."""
        return class_of(kind) in self.classes

    def in_flight(self, kind: str) -> InFlight:
        """What becomes of money that is paid now at a kind of channel."""
        return self.on_its_way.get(class_of(kind) or "", "finish")


NOTHING_CLOSED = Closed()


async def closed(database: Database, shop_id: int, user_id: int) -> Closed:
    """What a page, a pre-flight and the API leave out for this user. Read from the books: a row holds at the next request."""
    row = await database.row(sql.regulation_of_user, shop_id, user_id)
    rules = read_rules(row["rules"]) if row else ()
    if row is None or not rules:
        return Closed()
    region = code_of(row["region"])
    about = [r for r in rules if meets(r, r.channel_class, None, purchase=False)]
    here = [r for r in about if r.region == "*" or not region or region.startswith(r.region)]
    sure = [r for r in here if region or r.region == "*"]
    classes = {each for r in sure for each in _classes(r)}
    # As for the money itself: where one row says that it goes back and another that a person looks, the person looks.
    on_its_way: dict[str, InFlight] = {each: "refund" for r in sure if r.in_flight == "refund" for each in _classes(r)}
    on_its_way |= {each: "hold" for r in sure if r.in_flight == "hold" for each in _classes(r)}
    notices = [Notice(**dict(each)) for each in await database.rows(sql.notices_of, [r.id for r in here])]
    needed = not region and any(r.region != "*" for r in here)
    return Closed(frozenset(classes), tuple(notices), region, needed, on_its_way)


def _classes(rule: RegionRule) -> tuple[str, ...]:
    return CLASSES_ALL if rule.channel_class == "*" else (rule.channel_class,)


CLASSES_ALL = ("wallet", "card", "aggregator", "other")


class Feed:
    """The rows in force for whoever tells of them without a user: one reading, so that nobody keeps a second list.

    `status` takes what is closed everywhere as suspensions; the public page and API tell every row with its region.
    """

    def __init__(self, shop_id: int, database: Database) -> None:
        self._shop_id, self._database = shop_id, database
        self._rows: tuple[InForce, ...] = ()

    def in_force(self) -> tuple[InForce, ...]:
        """Every row that held at the last look."""
        return self._rows

    def suspensions(self) -> Iterable[Suspension]:
        """Classes of channels that no recharge may use anywhere."""
        return [
            Suspension(self._shop_id, row.reference, row.text_en, row.from_at, channel_class=each)
            for row in self._rows
            if row.region == "*" and row.goods_class in ("*", "wallet")
            for each in row.classes()
        ]

    async def watch(self) -> None:
        """Look once a second until cancelled; whoever begins has just loaded it."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.load()

    async def load(self) -> None:
        """Look now. When the database is away what was known stays."""
        try:
            rows: Sequence[Any] = await self._database.rows(sql.rules_in_force, self._shop_id)
        except Unavailable:
            log.warning("closed classes of channels are as they were: the database is not reachable")
            return
        self._rows = tuple(InForce(**dict(row)) for row in rows)


async def _second(tx: Tx, shop_id: int, first: str, since_at: datetime, actor: str) -> None:
    """Two people, or, where there is only one, the same one a day later."""
    wait_s = await second_waits_s(tx, shop_id, MAY, first, since_at, actor)
    if wait_s:
        raise Refusal("regulation.second_person", wait_s=wait_s)
    if not actor.strip():
        raise Refusal("regulation.past_that")


def _check(draft: Draft, actor: str) -> None:
    country = len(draft.region) == 2 and draft.region.isascii() and draft.region.isupper()
    known = draft.region == "*" or (draft.region.isascii() and draft.region.isdigit() and 2 <= len(draft.region) <= 6) or country
    rules = {
        "region": known and (not draft.region.isdigit() or draft.region[:2] in names("zh")),
        "channel_class": draft.channel_class in ("*", *CLASSES_ALL),
        "goods_class": 1 <= len(draft.goods_class) <= 32,
        "reference": 1 <= len(draft.reference.strip()) <= 120,
        "notice_zh": 1 <= len(draft.notice_zh.strip()) <= 300,
        "notice_en": 1 <= len(draft.notice_en.strip()) <= 600,
        "in_flight": draft.in_flight in ("finish", "refund", "hold")
        and (draft.in_flight == "finish" or draft.goods_class in ("*", "wallet")),
        "until_at": draft.until_at is None or draft.until_at > draft.from_at,
        "actor": 1 <= len(actor.strip()) <= 64,
    }
    for name, holds in rules.items():
        if not holds:
            raise Refusal("regulation.malformed", field=name)


async def _tell(tx: Tx, shop_id: int, at: datetime, actor: str, what: str, rule_id: int) -> None:
    await events.append(tx, shop_id, at, actor, [events.Event(f"regulation.{what}", None, None, f'{{"rule_id":{rule_id}}}')])


async def goods_classes(reader: Any, goods_ids: Sequence[int]) -> dict[int, str]:
    """The classes of goods, for rows that name one."""
    return {row["goods_id"]: row["class"] for row in await reader.rows(sql.classes_of_goods, list(goods_ids))}


async def to_return(database: Database, shop_id: int, most: int = 200) -> list[UUID]:
    """Orders whose money came after a row took effect that says it goes back.

    Once each: what its channel could not return has a case, and people decide about it.
    """
    return [row["order_id"] for row in await database.rows(sql.orders_to_return, shop_id, RETURNED, most)]


RETURNED = "regulation.returned"
"""The reason of money that is held only until it goes back."""
