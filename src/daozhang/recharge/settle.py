"""The one door by which a report becomes money.

Callback, query and bill line all end here. Reports that arrive while a commit is under way are settled together by the next one.
A batch is first collapsed by (channel, transaction), holds at most one order per user and takes its locks in the house's order:
users, orders, attempts, fact keys, accounts, each sorted by id.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import asyncpg
import msgspec

from daozhang import clock, ids
from daozhang.cases import Cases
from daozhang.channels.port import Channel, Report
from daozhang.events import log as events
from daozhang.ledger import Accounts, Transfer, post
from daozhang.limits.model import OVERSEAS, SCHEMES
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.enforce import Judged, judge_paid, keep_paid, try_rules
from daozhang.policy.facts import Wish
from daozhang.policy.model import Stage
from daozhang.policy.payers import payer_index
from daozhang.postgres import Batch, Database, Tx, statements
from daozhang.postgres.columns import narrow
from daozhang.recharge import inbox, moves
from daozhang.recharge.fulfilment import Credited, Fulfilment, finish_all
from daozhang.recharge.hold import MISFIT, Held, open_cases
from daozhang.recharge.judgement import BOOKED, Effect, Row, is_unpaid, judge
from daozhang.recharge.plain import Plain, credit
from daozhang.recharge.plain import settle as settle_plain
from daozhang.recharge.send_back import send_back
from daozhang.recharge.settlement import Arrival, Settled, Settlement, undelivered
from daozhang.vault import Vault

sql = statements("daozhang.recharge")

ACTOR = "channel"


class Settle:
    """Turns reports into money, each channel transaction once."""

    def __init__(
        self,
        database: Database,
        books: Books,
        vault: Vault,
        ledger_accounts: Accounts,
        channel: Callable[[int], Channel | None],
        *,
        writers: int = 2,
        fulfilments: Sequence[Fulfilment] = (),
        threads: Cases | None = None,
    ) -> None:
        """`channel` finds a channel by its id; `fulfilments` hand over what recharges are for; `threads` ask about held money."""
        self._fulfilments, self._threads = fulfilments, threads
        self._database, self._books, self._vault, self._accounts, self._channel = database, books, vault, ledger_accounts, channel
        # From half a batch on: else the server waits for the judging of each batch, and the next one is read in vain meanwhile.
        self._batch: Batch[Arrival, Settled] = Batch(self._work, most=256, writers=writers, deepest=512, beside=128)

    async def __call__(self, arrival: Arrival) -> Settled:
        """Settle one report; returns after the commit. Raises `Unavailable` or `OutcomeUnknown` when the database is lost."""
        return await self._batch.put(arrival)

    async def drain(self) -> None:
        """Wait for what is under way."""
        await self._batch.drain()

    async def _work(self, arrivals: Sequence[Arrival]) -> Sequence[Settled | BaseException]:
        results: dict[int, Settled] = {}
        leaders: dict[tuple[object, ...], int] = {}
        for place, arrival in enumerate(arrivals):
            leaders.setdefault(arrival.fact(place), place)
        waiting = list(leaders.values())
        while waiting:
            shop_id = arrivals[waiting[0]].shop_id
            now = [p for p in waiting if arrivals[p].shop_id == shop_id]
            later = [p for p in waiting if arrivals[p].shop_id != shop_id]
            done = await self._settle_shop(shop_id, [arrivals[p] for p in now])
            for place, outcome in zip(now, done, strict=True):
                if outcome is None:
                    later.append(place)
                else:
                    results[place] = outcome
            waiting = later
        followers = [p for p in range(len(arrivals)) if p not in results]
        if followers:
            await self._again(arrivals, followers)
        for place in followers:
            first = results[leaders[arrivals[place].fact(place)]]
            results[place] = first._replace(effect=Effect.AGAIN, why="settled in this batch") if first.effect in BOOKED else first
        return [results[place] for place in range(len(arrivals))]

    async def _settle_shop(self, shop_id: int, arrivals: Sequence[Arrival]) -> list[Settled | None]:
        book = await self._books.current(shop_id)
        settled, opened = await self._database.transact(lambda tx: self._round(tx, shop_id, book, arrivals), joined=True)
        self._accounts.remember(shop_id, opened)
        return settled

    async def _again(self, arrivals: Sequence[Arrival], places: Sequence[int]) -> None:
        """Count re-sent messages of this batch: they are acknowledged because a write of theirs is committed."""
        raws = [(arrivals[p].shop_id, inbox.Stored(raw, "settled", "again")) for p in places if (raw := arrivals[p].raw)]
        for shop_id in {shop for shop, _ in raws}:
            mine = [stored for shop, stored in raws if shop == shop_id]
            await self._database.transact(partial(inbox.store, shop_id=shop_id, at=clock.now(), messages=mine))

    async def _round(
        self, tx: Tx, shop_id: int, book: Book, arrivals: Sequence[Arrival]
    ) -> tuple[list[Settled | None], dict[str, int]]:
        """Settle one transaction's worth; None = a second order of the same user, left for the next round.

        Also answers the account ids that may be remembered once this is committed.
        """
        numbers = [ids.parse26(a.report.number) for a in arrivals]
        found = await _read(tx, arrivals, numbers)
        at = clock.now()
        results: list[Settlement | None] = []
        users: set[int] = set()
        for place, arrival in enumerate(arrivals):
            attempt = found.get(place)
            if attempt and attempt["user_id"] in users:
                results.append(None)
                continue
            if attempt:
                users.add(attempt["user_id"])
            results.append(self._settlement(arrival, attempt))
        settlements = [one for one in results if one]
        await self._refuse_known_strangers(tx, settlements)
        await _take_out(tx, at, [one for one in settlements if one.effect is Effect.FOUND])
        opened = await self._write(tx, shop_id, book, at, settlements)
        return [one.settled() if one else None for one in results], opened

    def _settlement(self, arrival: Arrival, attempt: Row | None) -> Settlement:
        """Judge one report. One about a number we do not know must at least be of the merchant that this channel is."""
        one = Settlement(arrival, attempt, *judge(arrival.report, attempt))
        if one.effect is Effect.UNKNOWN_ORDER:
            channel, report = self._channel(arrival.report.channel_id), arrival.report
            ours = channel and (report.merchant, report.app, report.currency) == (channel.merchant, channel.app, "CNY")
            if not ours:
                one.effect, one.why = Effect.FOREIGN, "an unknown number of another merchant, app or currency"
        return one

    async def _refuse_known_strangers(self, tx: Tx, settlements: Sequence[Settlement]) -> None:
        """A transaction of an unknown number may have been booked before: then it is not booked to suspense again."""
        strangers = [one for one in settlements if one.effect is Effect.UNKNOWN_ORDER]
        if not strangers:
            return
        booked = await tx.rows(
            sql.known_facts,
            [one.arrival.report.channel_id for one in strangers],
            [one.arrival.report.channel_txn for one in strangers],
        )
        before = {(row["channel_id"], row["channel_txn"]) for row in booked}
        for one in strangers:
            if (one.arrival.report.channel_id, one.arrival.report.channel_txn) in before:
                one.effect, one.why = Effect.AGAIN, "settled before"

    async def _write(self, tx: Tx, shop_id: int, book: Book, at: datetime, settlements: Sequence[Settlement]) -> dict[str, int]:
        booked = [one for one in settlements if one.effect in BOOKED]
        held = [(one.attempt["order_id"], one.why, "{}") for one in booked if one.effect is Effect.HELD and one.attempt]
        made, stopped = await self._decide(tx, book, [one for one in booked if one.effect is Effect.CREDITED])
        named = list(zip(ids.new_ids(len(booked)), booked, strict=True))
        plain = [each for each in named if each[1].is_plain()]
        await moves.note_anomalies(tx, shop_id, at, [anomaly for one in booked for anomaly in one.anomalies()])
        for one in settlements:
            if one.effect is Effect.AGAIN and one.attempt and one.arrival.report.amount_fen != one.attempt["amount_fen"]:
                await moves.note_other_amount(tx, shop_id, at, one.attempt["id"], one.arrival.report)
        messages = [inbox.Stored(one.arrival.raw, "settled", one.effect) for one in settlements if one.arrival.raw]
        if plain and len(plain) == len(named) and not (self._fulfilments and any(one.is_for_something() for _, one in plain)):
            found = await settle_plain(tx, shop_id, at, ACTOR, self._plain(plain), made, book, messages, self._accounts)
        else:
            if made:
                await keep_paid(tx, made, book)
            odd = [each for each in named if not each[1].is_plain()]
            await self._write_odd(tx, shop_id, at, [one for _, one in odd], held + stopped)
            if plain:
                await credit(tx, shop_id, at, ACTOR, self._plain(plain))
            await inbox.store(tx, shop_id, at, messages)
            transfers = [one.transfer(each, at) for each, one in odd + plain]
            transfers += await self._hand_over(tx, shop_id, at, booked)
            found = await self._accounts.ids(tx, shop_id, {line.address for t in transfers for line in t.lines})
            await post(tx, shop_id, at, ACTOR, transfers, found)
        return found

    def _plain(self, named: Sequence[tuple[UUID, Settlement]]) -> Plain:
        rows = [one.attempt for _, one in named if one.attempt]
        reports = [one.arrival.report for _, one in named]
        sealed = [self._sealed(row["id"], report.payer) for row, report in zip(rows, reports, strict=True)]
        return Plain([new for new, _ in named], rows, reports, sealed)

    async def _hand_over(self, tx: Tx, shop_id: int, at: datetime, booked: Sequence[Settlement]) -> list[Transfer]:
        """Let the rooms above hand over what credited recharges are for; their bookings."""
        credited = [
            (one.attempt, one.arrival.report.happened_at) for one in booked if one.effect is Effect.CREDITED and one.attempt
        ]
        handed = [
            Credited(a["order_id"], a["user_id"], a["amount_fen"], paid_at, a["purpose"] == "purchase") for a, paid_at in credited
        ]
        finished = await finish_all(self._fulfilments, tx, at, handed)
        await moves.note_anomalies(tx, shop_id, at, undelivered([a for a, _ in credited], finished.undelivered))
        return finished.transfers

    async def _write_odd(
        self, tx: Tx, shop_id: int, at: datetime, settlements: Sequence[Settlement], held: Sequence[tuple[UUID, str, str]]
    ) -> None:
        """What is held, misfit, paid twice, of nobody's number, or stood in suspense: statement by statement."""
        if not settlements:
            return
        await tx.copy(
            "fact_keys", ("channel_id", "channel_txn", "attempt_id"), sorted(one.fact_key() for one in settlements if not one.found)
        )
        if held:
            await tx.run(sql.give_reasons, *map(list, zip(*held, strict=True)))
        _expect(await moves.pay_attempts(tx, at, ACTOR, steps := self._payments(settlements)), steps)
        _expect(await moves.move_orders(tx, at, ACTOR, turns := [step for one in settlements if (step := one.step())]), turns)
        stopped = [
            Held(a["order_id"], a["user_id"], one.arrival.report.amount_fen or 0, one.why if one.effect is Effect.HELD else MISFIT)
            for one in settlements
            if one.effect in (Effect.HELD, Effect.MISFIT) and (a := one.attempt)
        ]
        if stopped and self._threads:
            await open_cases(tx, self._threads, shop_id, stopped)
        for one in settlements:
            if one.effect is Effect.TWICE and one.attempt and one.attempt["state"] != "paid":
                await send_back(tx, shop_id, at, one.attempt, one.arrival.report)
        await events.append(tx, shop_id, at, ACTOR, [one.event() for one in settlements])

    async def _decide(
        self, tx: Tx, book: Book, settlements: Sequence[Settlement]
    ) -> tuple[list[Judged], list[tuple[UUID, str, str]]]:
        """Ask the policy again now that the money is here; what it says is to be stored with what it saw.

        Answers the decisions, and the orders that are held: id, reason and its facts as JSON.
        """
        asked = [(one, one.attempt) for one in settlements if one.attempt]
        if not asked:
            return [], []
        wishes = [(a["order_id"], self._wish(book.shop_id, a, one.arrival.report)) for one, a in asked]
        made, held = await judge_paid(tx, wishes, book), []
        for (one, attempt), (_, _, record) in zip(asked, made, strict=True):
            decision = record.decision
            if not decision.admits:
                one.effect, one.why = Effect.HELD, decision.reason or "held"
                held.append((attempt["order_id"], one.why, msgspec.json.encode(decision.facts).decode()))
        await try_rules(tx, Stage.PAID, made, book)
        return made, held

    def _wish(self, shop_id: int, attempt: Row, report: Report) -> Wish:
        channel = self._channel(report.channel_id)
        payer = payer_index(self._vault, channel.kind, report.payer) if channel and report.payer else None
        return Wish(
            shop_id, attempt["user_id"], attempt["amount_fen"], attempt["channel_id"], attempt["method"], payer=payer,
            instrument=OVERSEAS if report.bank in SCHEMES else report.instrument or None,
            kind=channel.kind if channel else None, no_credit=channel.no_credit if channel else None,
            purchase=attempt["purpose"] == "purchase",
        )  # fmt: skip

    def _payments(self, booked: Sequence[Settlement]) -> list[moves.Paid]:
        paid = []
        for one in booked:
            attempt, report = one.attempt, one.arrival.report
            if attempt is None or attempt["state"] == "paid":
                continue
            assert report.amount_fen is not None
            seen = (attempt["id"], attempt["version"], attempt["state"])
            paid.append(moves.Paid(*seen, report.channel_txn, self._sealed(attempt["id"], report.payer), report.amount_fen))
        return paid

    def _sealed(self, attempt_id: UUID, payer: str) -> bytes | None:
        """Who paid, sealed for the attempt's row."""
        return self._vault.seal(payer, f"attempts:payer:{attempt_id}") if payer else None


async def _read(tx: Tx, arrivals: Sequence[Arrival], numbers: Sequence[UUID | None]) -> dict[int, asyncpg.Record]:
    """The locked rows by the place of their report: two reports about one number each see their own transaction's fact."""
    places = [place for place, number in enumerate(numbers) if number is not None]
    records = await tx.rows(
        sql.read_for_settlement,
        [numbers[place] for place in places],
        narrow([arrivals[place].report.channel_id for place in places]),
        [arrivals[place].report.channel_txn for place in places],
    )
    return {places[record["place"] - 1]: record for record in records}


async def _take_out(tx: Tx, at: datetime, settlements: Sequence[Settlement]) -> None:
    """Money that stood in suspense under an unknown number is taken out once; what is not there in just that amount is foreign.

    What comes out in another amount than its number asked for is the order's misfit, and what comes out for an order that was paid
    before goes back, as if it had come that way.
    """
    for one in settlements:
        report, attempt = one.arrival.report, one.attempt
        assert attempt is not None
        resolution = f"found: {attempt['id']}"
        taken = await tx.row(sql.resolve_stray, report.channel_id, report.channel_txn, report.amount_fen, at, resolution)
        one.found = taken is not None
        if taken is None:
            one.effect, one.why = Effect.FOREIGN, "transaction of another order"
        elif not is_unpaid(attempt):
            one.effect, one.why = Effect.TWICE, "found in suspense: order paid before"
        elif report.amount_fen == attempt["amount_fen"]:
            one.effect, one.why = Effect.CREDITED, "found in suspense"
        else:
            one.effect, one.why = (
                Effect.MISFIT,
                f"found in suspense: asked {attempt['amount_fen']} fen, received {report.amount_fen}",
            )


def _expect(moved: set[UUID], steps: Sequence[moves.Step | moves.Paid]) -> None:
    """Everything was read under its lock, so everything moves: anything else is our own bug, and nothing is booked."""
    assert moved == {step.id for step in steps}, "a locked row did not move"
