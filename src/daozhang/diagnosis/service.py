"""Diagnoses: one thread per order and one per user, findings that stay as they were, and looks that go on while a cause may end.

A thread is made when somebody asks why. Each look writes a finding only when it says something else than the last one did. Whoever
asked to be told hears of it once: a message on the site and an event.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from daozhang import clock, ids, notices
from daozhang.cases import Case, Cases
from daozhang.channels.native import native_codes
from daozhang.diagnosis import codes, phone
from daozhang.diagnosis.bundle import bundle, known
from daozhang.diagnosis.model import Cause, Finding
from daozhang.diagnosis.read import Reader
from daozhang.diagnosis.think import find, over
from daozhang.events import log as events
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.model import OrderView
from daozhang.recharge.view import parse_shown
from daozhang.vault import Vault

sql = statements("daozhang.diagnosis")

PACE = (15, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds between looks of a thread that somebody watches, the last one for ever."""
WATCHED = timedelta(days=7)
"""After this a watch ends by itself."""
PAST = 20
"""Findings of a thread that are shown."""
MOST_WORDS = 20
"""Answers of what the phone showed, per order."""


class Thread(msgspec.Struct, frozen=True):
    """A diagnosis: what it is about, the code that people quote, and whether its owner asked to be told."""

    id: UUID
    shop_id: int
    user_id: int
    order_id: UUID | None
    code: str
    opened_at: datetime
    next_look_at: datetime | None
    watch_since: datetime | None

    @property
    def shown(self) -> str:
        """The failure code as people read it."""
        return codes.shown(self.code)


class Past(msgspec.Struct, frozen=True):
    """An earlier finding, as it was told then."""

    number: int
    finding: Finding
    at: datetime


class Diagnoses:
    """Finds out why, keeps it, and tells when it is over."""

    def __init__(self, database: Database, vault: Vault, reader: Reader, cases: Cases) -> None:
        self._database, self._vault, self.reader, self._cases = database, vault, reader, cases

    async def of_order(self, order: OrderView, shop_id: int) -> tuple[Thread, Finding]:
        """Look at one order now; the thread with what is found, kept if it says something new."""
        finding = find(await self.reader.of_order(order, shop_id))
        thread = await self._thread(shop_id, order.user_id, order.id)
        await self._keep(thread, finding)
        return thread, finding

    async def in_general(self, user_id: int, shop_id: int, amount_fen: int | None = None) -> tuple[Thread, Finding]:
        """Look at a user's recharges in general. Only what is asked without an amount of its own is kept."""
        finding = find(await self.reader.in_general(user_id, shop_id, amount_fen))
        thread = await self._thread(shop_id, user_id, None)
        if amount_fen is None:
            await self._keep(thread, finding)
        return thread, finding

    async def by_code(self, shop_id: int, text: str, user_id: int | None = None) -> Thread | None:
        """The thread of a failure code as a person writes it; with `user_id` only that user's (whatever else there is, is not)."""
        code = codes.parse(text)
        row = await self._database.row(sql.diagnosis_by_code, shop_id, code, user_id) if code else None
        return Thread(**dict(row)) if row else None

    async def code_of(self, shop_id: int, user_id: int, order_id: UUID | None) -> str:
        """The failure code of an order, made at the first time of asking."""
        return (await self._thread(shop_id, user_id, order_id)).shown

    async def past(self, thread: Thread, limit: int = PAST) -> list[Past]:
        """The findings so far, newest first."""
        rows = await self._database.rows(sql.findings_of, thread.id, min(limit, PAST))
        return [Past(row["number"], msgspec.json.decode(row["content"], type=Finding), row["at"]) for row in rows]

    async def hear(self, order: OrderView, shop_id: int, pick: str, text: str = "") -> phone.Words:
        """Keep what the payer says that the phone showed. Raises `operation.form_malformed` and `operation.too_many`."""
        words = phone.picked(pick) if pick and pick != phone.OTHER else None
        if text.strip() and (words is None or words.reason is None):
            words = phone.read(text, native_codes(order.kind) if order.kind else None)
        if words is None:
            raise Refusal("operation.form_malformed")
        if await self._database.value(sql.count_phone_words, order.id) >= MOST_WORDS:
            raise Refusal("operation.too_many", wait_s=3600)
        word_id = ids.new_id()
        kept = text.strip()[: phone.LONGEST]
        sealed = self._vault.seal(kept, _place(word_id)) if kept else None

        async def work(tx: Tx) -> None:
            at = clock.now()
            await tx.run(
                sql.keep_phone_words, word_id, shop_id, order.user_id, order.id, words.pick, words.reason, words.native, sealed, at
            )
            data = msgspec.json.encode({"pick": words.pick, "reason": words.reason}).decode()
            heard = events.Event("diagnosis.heard", order.id, order.user_id, data)
            await events.append(tx, shop_id, at, f"user:{order.user_id}", [heard])

        await self._database.transact(work)
        return words

    async def phone_texts(self, order_id: UUID) -> list[tuple[datetime, str]]:
        """The texts that the payer pasted from the phone about an order, decrypted, for staff."""
        rows = await self._database.rows(sql.phone_texts_of, order_id)
        return [(row["at"], self._vault.unseal_text(row["text_sealed"], _place(row["id"]))) for row in rows]

    async def watch(self, thread: Thread) -> None:
        """Tell the owner once when it works again. Asking twice is asking once."""
        at = clock.now()
        due = at + timedelta(seconds=PACE[0])
        await self._database.transact(lambda tx: tx.value(sql.set_watch, thread.id, at, due))

    async def ask_person(self, thread: Thread, about: str, finding: Finding, *, version: str, claim: bool = False) -> UUID:
        """Open a case with the evidence filled in by the machine; the one that is open when there is one.

        `version` is that of the page where it was asked for; an order's own is kept with the order.
        """
        facts: dict[str, Any] = {"client_version": version, **await self._known(thread)} | {
            "code": thread.shown, "told": finding.told, "amount_fen": finding.amount_fen, "at": finding.at.isoformat(),
            "reason": finding.cause.reason if finding.cause else None, "native": finding.cause.native if finding.cause else "",
        }  # fmt: skip
        if finding.about:
            facts["order"] = finding.about
        facts = {name: value for name, value in facts.items() if value not in (None, "")}
        kind = "claim" if claim or finding.told in ("not_told", "checking") else "complaint"
        question = "paid_proof" if kind == "claim" else "explain"
        return await self._database.transact(
            lambda tx: self._cases.open(tx, thread.shop_id, thread.user_id, kind, about, question, facts)
        )

    async def known(self, case: Case) -> dict[str, Any]:
        """What the machine filled in: at the opening, where a person was asked for; else what is known now of the case's order."""
        if "log_sha256" in case.facts or not case.about.startswith("RC-") or case.user_id is None:
            return case.facts
        order_id = parse_shown(case.about)
        thread = await self._thread(case.shop_id, case.user_id, order_id) if order_id else None
        return (await self._known(thread) if thread else {}) | case.facts

    async def _known(self, thread: Thread) -> dict[str, Any]:
        """The facts of the evidence about the thread's order that go into a case; empty where the thread is about no order."""
        order = await self.reader.order(thread.order_id) if thread.order_id else None
        return known((await bundle(self._database, order, thread.shown, "")).content) if order else {}

    async def claim_case(self, shop_id: int, user_id: int, number: str, version: str) -> UUID:
        """Open a case about a number that was not found. Each user's case is their own, whatever the number is."""
        about = f"user:{user_id} {number[:48]}".strip()
        facts = {"number": number[:64], "told": "not_found", "at": clock.now().isoformat(), "client_version": version}
        return await self._database.transact(lambda tx: self._cases.open(tx, shop_id, user_id, "claim", about, "paid_proof", facts))

    async def claim(self, tx: Tx, most: int) -> Sequence[Any]:
        """Claim threads that are due, and set when they are looked at next: ever more slowly the longer they are watched."""
        at = clock.now()
        rows = await tx.rows(sql.due_diagnoses, at, most)
        for row in rows:
            await tx.run(sql.postpone_diagnosis, row["id"], _next(row["watch_since"], at))
        return rows

    async def look(self, row: Any) -> None:
        """Look at one watched thread: a finding of its own when it says something new, and a message when it works again."""
        shop_id, user_id, order_id, thread_id = row["shop_id"], row["user_id"], row["order_id"], row["id"]
        order = await self.reader.order(order_id, user_id) if order_id else None
        if order is not None:
            evidence = await self.reader.of_order(order, shop_id)
        else:
            evidence = await self.reader.in_general(user_id, shop_id)
        finding, at = find(evidence), clock.now()
        gone = over(evidence, finding.cause or await self._last_cause(thread_id))
        expired = row["watch_since"] is None or at - row["watch_since"] >= WATCHED

        async def work(tx: Tx) -> None:
            await self._write(tx, thread_id, finding)
            if gone:
                link = f"/orders/{order.shown}/why" if order else "/why"
                facts = {"amount_fen": finding.amount_fen, "order": finding.about}
                await notices.tell(tx, shop_id, user_id, at, "works_again", facts, link)
                data = msgspec.json.encode(facts).decode()
                await events.append(tx, shop_id, at, "program", [events.Event("diagnosis.over", order_id, user_id, data)])
            if gone or expired:
                await tx.run(sql.end_watch, thread_id, at if gone else None)

        await self._database.transact(work)

    async def _thread(self, shop_id: int, user_id: int, order_id: UUID | None) -> Thread:
        """The thread about an order or a user; made when there is none. Two that ask at once get the same one."""
        for _ in range(5):
            row = await self._database.row(sql.diagnosis_about, shop_id, user_id, order_id)
            if row is not None:
                return Thread(**dict(row))
            made = (ids.new_id(), shop_id, user_id, order_id, codes.make(secrets.randbits(35)), clock.now())
            await self._database.transact(partial(_open, made))
        raise AssertionError("no code was free five times")

    async def _last_cause(self, thread_id: UUID) -> Cause | None:
        newest = await self._database.row(sql.newest_finding, thread_id)
        return msgspec.json.decode(newest["content"], type=Finding).cause if newest is not None else None

    async def _keep(self, thread: Thread, finding: Finding) -> None:
        newest = await self._database.row(sql.newest_finding, thread.id)
        if newest is None or bytes(newest["mark"]) != mark_of(finding):
            await self._database.transact(lambda tx: self._write(tx, thread.id, finding))

    async def _write(self, tx: Tx, thread_id: UUID, finding: Finding) -> None:
        await tx.row(sql.lock_diagnosis, thread_id)
        newest = await tx.row(sql.newest_finding, thread_id)
        mark = mark_of(finding)
        if newest is not None and bytes(newest["mark"]) == mark:
            return
        number = newest["number"] + 1 if newest is not None else 1
        content = msgspec.json.encode(finding).decode()
        await tx.run(sql.keep_finding, ids.new_id(), thread_id, number, mark, content, finding.at)


async def _open(made: tuple[Any, ...], tx: Tx) -> None:
    await tx.value(sql.open_diagnosis, *made)


def mark_of(finding: Finding) -> bytes:
    """Sixteen bytes that change when a finding says something else; moments alone are nothing else."""
    cause = finding.cause
    said = (
        finding.told, finding.moved, (cause.reason, cause.source, cause.native) if cause else None,
        tuple((line.what, line.mark, line.reason) for layer in finding.layers for line in layer.lines),
        tuple((way.channel_id, way.method, way.extra) for way in finding.ways),
        tuple(cure.step for cure in finding.cures), finding.loop.count if finding.loop else 0,
        finding.heard.at.isoformat() if finding.heard else "", len(finding.freezes), len(finding.failures),
        tuple(each.reason for each in finding.stopped),
    )  # fmt: skip
    return hashlib.blake2b(repr(said).encode(), digest_size=16).digest()


def _next(watch_since: datetime | None, at: datetime) -> datetime | None:
    if watch_since is None:
        return None
    age_s, due_s = (at - watch_since).total_seconds(), 0.0
    for pace in PACE:
        due_s += pace
        if due_s > age_s:
            return watch_since + timedelta(seconds=due_s)
    return at + timedelta(seconds=PACE[-1])


def _place(word_id: UUID) -> str:
    return f"phone_words:text:{word_id}"
