"""The only place that knows everyone: it builds the rooms, hands them to each other, and runs what runs beside the doors."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from daozhang import __version__
from daozhang.aml import large, retention
from daozhang.cases import Cases, Effect, by_hand, escalated, factor, region, unfreeze
from daozhang.cases.factor import FactorVerdict
from daozhang.cases.region import RegionVerdict
from daozhang.cases.unfreeze import UnfreezeVerdict
from daozhang.channels.port import Channel
from daozhang.channels.registry import Registry
from daozhang.channels.watch import tell_unmapped, watch_certificates
from daozhang.diagnosis import Claims, Diagnoses, open_diagnoses
from daozhang.events.hub import Hub
from daozhang.events.interface_log import InterfaceLog
from daozhang.goods.buy import Purchases
from daozhang.goods.fulfil import Fulfil
from daozhang.goods.shelf import watch_stock
from daozhang.goods.supply import Supply
from daozhang.identity import Identity, Limiter, reviews
from daozhang.identity.by_code import ByCode
from daozhang.identity.confirm import Confirmations
from daozhang.identity.devices import Devices
from daozhang.identity.enrolment import Enrolment
from daozhang.identity.faces import Faces
from daozhang.identity.regain import Regain
from daozhang.identity.second_step import SecondStep
from daozhang.identity.staff import Staff
from daozhang.identity.verify import Verifications
from daozhang.jobs.clockwork import follow_clock
from daozhang.jobs.due import Due
from daozhang.jobs.timetable import ENTRIES, Entry, Timetable
from daozhang.ledger import Accounts
from daozhang.mine import Leaving, name_soon
from daozhang.mine.outward import Outward
from daozhang.outbound import Exchange
from daozhang.policy import regulation
from daozhang.policy.books import Books
from daozhang.policy.places import watch_places
from daozhang.policy.regulation import Feed
from daozhang.postgres import Database, OutcomeUnknown, Unavailable
from daozhang.providers.hearing import tell as tell_of_providers
from daozhang.providers.rows import Providers
from daozhang.recharge import anomalies, chase, deceived, hold, inbox, refund, refund_end, source, waiting
from daozhang.recharge.bonus import Bonus
from daozhang.recharge.challenge import Challenges
from daozhang.recharge.choice import Choice
from daozhang.recharge.deceived import Deceived, DeceivedVerdict
from daozhang.recharge.desk import Desk
from daozhang.recharge.door import Door
from daozhang.recharge.hearing import Hearing
from daozhang.recharge.hold import HoldVerdict
from daozhang.recharge.payout import Payouts
from daozhang.recharge.refund_end import StuckVerdict
from daozhang.recharge.regulated import send_back
from daozhang.recharge.settle import Settle
from daozhang.recharge.source import SourceVerdict
from daozhang.recharge.waiting import ReviewVerdict
from daozhang.recharge.warm import keep_warm
from daozhang.settings import Settings
from daozhang.status import Board, History, Observed, Probes, Sampler, Watch
from daozhang.vault import Vault
from daozhang.web.callbacks import Callbacks
from daozhang.web.console.services import Console
from daozhang.web.doors import make_app
from daozhang.web.house import House, Tour

log = logging.getLogger(__name__)

SHOP_NAME = "到账"
"""What messages call the shop while it has no name of its own."""
SHOP = 1
"""The shop that a migration makes; more shops come with the issue that needs them."""
LISTEN_S = 2.0
"""How soon a code that nobody has mapped is told to a person."""
AGAIN_S = 1.0
"""Pause before a loop that broke begins again."""


@dataclass(frozen=True)
class Program:
    """Everything built. `asgi` answers HTTP; `house` holds the services that doors use."""

    asgi: Callbacks
    house: House
    database: Database
    tills: Database
    vault: Vault
    registry: Registry
    desk: Desk
    door: Door
    settle: Settle
    accounts: Accounts
    interface_log: InterfaceLog
    dues: tuple[Due, ...]
    board: Board
    watch: Watch
    payouts: Payouts
    providers: Providers


@contextlib.asynccontextmanager
async def open_program(
    settings: Settings,
    app_dsn: str,
    direct_dsn: str,
    *,
    work: bool = True,
    public_url: str | None = None,
    phone_url: Callable[[str], str] | None = None,
    tour: Tour | None = None,
) -> AsyncIterator[Program]:
    """Build the program on a migrated database and run what runs beside the doors until the block ends.

    `work=False` leaves the due work to another process; `tour` is what the demo shows its visitors.
    On the way out open streams end first, then what is under way is finished.
    """
    database = await Database.open(app_dsn, pooled=settings.database_pooled)
    tills: Database | None = None
    tasks: list[asyncio.Task[None]] = []
    try:
        # Settlements and orders have connections of their own, which keep what they planned: neither waits for a page or a plan.
        tills = await Database.open(app_dsn, pooled=settings.database_pooled, size=4, idle_s=0, by_key=True)
        built = await _build(settings, (database, tills), direct_dsn, public_url or settings.url(), phone_url, tour)
        ahead = () if settings.database_pooled else (partial(keep_warm, tills, SHOP),)
        loops = [*built.always, *ahead, *(built.working if work else ())]
        tasks = [asyncio.create_task(_kept_alive(loop)) for loop in loops]
        yield built.program
        built.program.house.closing.set()
        for due in built.program.dues:
            due.stop()
        for finish in built.finish:
            await finish()
        built.program.house.identity.hasher.close()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tills is not None:
            await tills.close()
        await database.close()


Loop = Callable[[], Coroutine[Any, Any, None]]


class _Built(NamedTuple):
    """The program, the loops that run beside every process' doors, those of a process that works, and how to end in peace."""

    program: Program
    always: list[Loop]
    working: list[Loop]
    finish: Sequence[Callable[[], Coroutine[Any, Any, object]]]


Pools = tuple[Database, Database]
"""The connections of everybody, and those of settlements."""


async def _build(
    settings: Settings, pools: Pools, direct_dsn: str, url: str, phone_url: Callable[[str], str] | None, tour: Tour | None
) -> _Built:
    """Build every room and hand them to each other, from the ground up."""
    database, tills = pools
    vault = await Vault.open(database, settings)
    interface_log, sampler = InterfaceLog(database), Sampler(database)
    registry = Registry(database, vault, settings, _unless_probe(interface_log, sampler), partial(Observed, sampler))
    board, watch = Board(database, registry.enabled), Watch(database, registry.enabled, sampler)
    await registry.load()
    await board.load()
    feed = Feed(SHOP, database)
    board.feed(feed.suspensions)
    await feed.load()
    history, hearing = History(database, board, registry.enabled), Hearing(database)
    board.listen(hearing.heard)
    hub, books, accounts = Hub(database, direct_dsn), Books(database), Accounts()
    fulfil, limiter = Fulfil(SHOP, database, accounts, vault, books), Limiter(database)
    bonus = Bonus(SHOP, database)
    identity, called = Identity(database, vault, limiter), settings.shop_name or SHOP_NAME
    enrolment = Enrolment(database, vault, identity)
    cases = Cases(database, vault, _verdicts(accounts, fulfil, bonus, identity, enrolment))
    settle = Settle(tills, books, vault, accounts, registry.get, fulfilments=(fulfil, bonus), threads=cases)
    desk = Desk(
        SHOP, database, books, vault, registry, accounts, settle,
        public_url=url, page_version=__version__, notify_url=_notify_url(url), board=board, cases=cases,
        fulfilments=(fulfil, bonus), tills=tills, named=partial(_named, identity, called),
    )  # fmt: skip
    door = Door(database, settle, desk.refunds, registry.get, limiter)
    providers = Providers(SHOP, database, vault, settings)
    confirmations = Confirmations(database, vault, limiter, providers, lambda: called)
    verifications = Verifications(database, vault, limiter, providers)
    _late_verdicts(cases, desk, verifications)
    payouts = Payouts(database, books, accounts, vault, verifications)
    house = House(
        settings=settings, database=database, identity=identity, limiter=limiter, desk=desk, hub=hub,
        channels=registry, board=board, history=history, cases=cases, verifications=verifications, books=books,
        purchases=Purchases(SHOP, database, vault, accounts, books),
        deceived=Deceived(SHOP, database, accounts, cases),
        challenges=Challenges(database, identity, confirmations, desk, verifications),
        by_code=ByCode(database, vault, identity, confirmations), faces=Faces(database, identity, verifications, confirmations),
        devices=Devices(database, identity, confirmations), enrolment=enrolment, second_step=SecondStep(database, vault, identity),
        outward=Outward(SHOP, database, vault, identity, providers, lambda: called, url),
        leaving=Leaving(SHOP, database, identity, accounts), regain=Regain(database, identity, confirmations),
        diagnoses=open_diagnoses(SHOP, database, vault, desk, board, cases), claims=Claims(database, settle, registry.get),
        choice=Choice(database, books, accounts, (fulfil,), cases),
        shop_id=SHOP, shop_name=settings.shop_name, phone_url=phone_url, tour=tour, regulated=feed.in_force,
        console=Console(Staff(database, vault, limiter, identity.hasher), payouts, interface_log, vault),
    )  # fmt: skip
    asgi = Callbacks(make_app(house), registry, door, limiter, settings, hub.tell)
    supply = Supply(SHOP, database, vault, accounts, providers)
    dues = (*_dues(database, desk, door, fulfil, bonus, supply, cases, house.diagnoses, hub), *_own_dues(database, house))
    program = Program(
        asgi, house, database, tills, vault, registry, desk, door, settle, accounts, interface_log, dues, board, watch, payouts,
        providers,
    )  # fmt: skip
    probes = Probes(database, registry.enabled, registry.get, sampler)
    always: list[Loop] = [
        registry.watch, hub.run, hearing.watch, partial(vault.watch, database, settings), sampler.run, board.watch,
        feed.watch, partial(history.watch, SHOP), partial(watch_places, settings.data),
        partial(follow_clock, database, test_mode=settings.test_mode), partial(_tell_unmapped, database),
    ]  # fmt: skip
    working = [
        *(due.run for due in dues),
        Timetable(database, _entries(identity, vault, cases, accounts, house.choice)).run,
        watch.run,
        probes.run,
    ]
    finish = [desk.drain, confirmations.drain, interface_log.drain, sampler.flush, registry.close, providers.close]
    return _Built(program, always, working, finish)


def _own_dues(database: Database, house: House) -> tuple[Due, ...]:
    """What is due for one person: messages that leave the site, and the account that closes."""
    return (
        Due("outward", database, house.outward.claim, house.outward.work),
        Due("closing", database, house.leaving.claim, _ended(house.leaving)),
    )


async def _named(identity: Identity, called: str, user_id: int) -> str:
    """The shop's name and the masked account, as the description of a payment names them."""
    return f"{called} {await identity.account(user_id)}".strip()


def _verdicts(accounts: Accounts, fulfil: Fulfil, bonus: Bonus, identity: Identity, enrolment: Enrolment) -> dict[str, Effect]:
    """What the verdicts of cases do, by kind; a kind that is not here only ends."""
    return {
        hold.KIND: HoldVerdict(accounts, (fulfil, bonus)),
        refund_end.STUCK: StuckVerdict(accounts),
        unfreeze.KIND: UnfreezeVerdict(identity.unfreeze_in),
        deceived.KIND: DeceivedVerdict(accounts),
        factor.KIND: FactorVerdict(enrolment.lose),
        region.KIND: RegionVerdict(regulation.declare_in),
        source.KIND: SourceVerdict(),
    }


def _late_verdicts(cases: Cases, desk: Desk, verifications: Verifications) -> None:
    """What those verdicts do that need what is built on cases."""
    cases.on(waiting.REVIEW, ReviewVerdict(desk.resume.in_case, desk.waiting))
    cases.on(by_hand.KIND, by_hand.VerificationVerdict(verifications.keep))


def _entries(identity: Identity, vault: Vault, cases: Cases, accounts: Accounts, choice: Choice) -> tuple[Entry, ...]:
    """The timetable: jobs that one process, the leader, runs at fixed intervals for all."""
    return (
        *ENTRIES,
        Entry("identity", timedelta(days=1), _done(identity.sweep)),
        Entry("odd money", timedelta(seconds=20), _tell_odd_money),
        Entry("certificates", timedelta(hours=1), partial(watch_certificates, vault)),
        Entry("evidence", timedelta(days=1), _done(cases.forget)),
        Entry("stock", timedelta(minutes=1), watch_stock),
        Entry("retention", timedelta(hours=1), _forget),
        Entry("large values", timedelta(hours=6), _note_large),
        Entry("names soon", timedelta(hours=1), _tell_of_names),
        Entry("freezes to review", timedelta(hours=1), _tell_of_freezes),
        Entry("regulation", timedelta(seconds=20), partial(_send_back, accounts, cases)),
        Entry("silent misfits", timedelta(minutes=10), _done(choice.lapse)),
        Entry("providers", timedelta(minutes=1), _tell_of_providers),
    )


async def _forget(database: Database) -> None:
    await retention.forget(database, SHOP)


async def _tell_of_names(database: Database) -> None:
    await name_soon.tell(database, Books(database), SHOP)


async def _tell_of_freezes(database: Database) -> None:
    await reviews.tell(database, SHOP)


async def _tell_of_providers(database: Database) -> None:
    await tell_of_providers(database, SHOP)


async def _note_large(database: Database) -> None:
    await large.note(database, Books(database), SHOP)


async def _send_back(accounts: Accounts, cases: Cases, database: Database) -> None:
    await send_back(database, accounts, cases, SHOP)


def _done(sweep: Callable[[], Coroutine[Any, Any, int]]) -> Callable[[Database], Coroutine[Any, Any, None]]:
    """A sweep that needs nothing but its hour."""

    async def work(_: Database) -> None:
        await sweep()

    return work


def _unless_probe(interface_log: InterfaceLog, sampler: Sampler) -> Callable[[Exchange], None]:
    """Every exchange is recorded but the answered ones of probes, which come every ten seconds for ever and are counted anyway."""

    def record(exchange: Exchange) -> None:
        if exchange.reply is None or exchange.subject.attempt_id not in sampler.probing:
            interface_log.record(exchange)

    return record


async def _tell_unmapped(database: Database) -> None:
    """Tell a person of codes that nobody has mapped, soon after they were heard."""
    while True:
        await asyncio.sleep(LISTEN_S)
        try:
            await tell_unmapped(database, SHOP)
        except (Unavailable, OutcomeUnknown):
            log.warning("unmapped codes wait for the database")


async def _tell_odd_money(database: Database) -> None:
    """Ring for odd money and for cases that nobody answers, soon after they are written, and stop when none waits."""
    await anomalies.tell(database, SHOP)
    await escalated.tell(database, SHOP)


def _notify_url(url: str) -> Callable[[Channel], str]:
    return lambda channel: f"{url}/notify/{channel.kind}/{channel.id}"


def _ended(leaving: Leaving) -> Callable[[Any], Coroutine[Any, Any, None]]:
    async def look(row: Any) -> None:
        await leaving.look(row)

    return look


def _dues(
    database: Database,
    desk: Desk,
    door: Door,
    fulfil: Fulfil,
    bonus: Bonus,
    supply: Supply,
    cases: Cases,
    diagnoses: Diagnoses,
    hub: Hub,
) -> tuple[Due, ...]:
    """The kinds of rows that carry a due time, and who works on them. Each piece of work may have changed an order."""

    def told(work: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], Coroutine[Any, Any, None]]:
        async def do(row: Any) -> None:
            await work(row)
            hub.tell()

        return do

    return (
        Due("chase", database, chase.claim, told(desk.chase.__call__)),
        Due("refund", database, refund.claim, told(desk.refunds.__call__)),
        Due("notification", database, inbox.claim, told(door.again)),
        Due("purchase", database, fulfil.claim, told(fulfil.look)),
        Due("bonus", database, bonus.claim, bonus.look),
        Due("freeze", database, desk.freezes.claim, told(desk.freezes.look)),
        Due("wait", database, waiting.claim, told(desk.waiting.look)),
        Due("supply", database, supply.claim, told(supply.work)),
        Due("case", database, cases.claim, told(cases.look)),
        Due("diagnosis", database, diagnoses.claim, told(diagnoses.look)),
    )


async def _kept_alive(loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """A loop beside the doors never breaks; when one does, that is a bug: it is said loudly, and the loop begins again."""
    while True:
        try:
            return await loop()
        except Exception:
            log.exception("a loop beside the doors broke and begins again")
        await asyncio.sleep(AGAIN_S)
