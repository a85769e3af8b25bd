"""Opening, answering, deciding and closing cases. What a verdict does is registered by kind and happens in its commit."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, Protocol
from uuid import UUID

import asyncpg
import msgspec

from daozhang import clock, ids
from daozhang.alarms import ring
from daozhang.cases import told
from daozhang.cases.evidence import Picture, remade
from daozhang.cases.kinds import ANSWER_IN, KINDS
from daozhang.cases.model import MOVES, Case, Evidence, Line, Turn, Verdict
from daozhang.events import log as events
from daozhang.identity.staff import alone as is_alone
from daozhang.identity.staff import nobody_else, same_person
from daozhang.identity.views import note_view
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.cases")

ALONE_WAITS = timedelta(hours=24)
"""How long an own proposal waits in a shop of one person; `move_case` holds it."""
ALONE_CAP_FEN = 500_000
"""What somebody who is alone may let go by an own proposal: the named ceiling of a single-purpose card. Sending back has no cap."""
ASK_LEAVES = timedelta(days=3)
"""How long the user has for a question back, at least: what is asked later could not be answered before the case has to end."""
LONGEST_TEXT = 2_000
MOST_EVIDENCE = 12
EVIDENCE_KEPT = timedelta(days=30)
"""How long proof is kept after the decision."""


class Effect(Protocol):
    """What a verdict does, in the transaction that gives it. Raises `Refusal` when it cannot be done; then nothing is decided."""

    async def __call__(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        """Do it."""


class Cases:
    """The cases of all shops."""

    def __init__(
        self, database: Database, vault: Vault, effects: Mapping[str, Effect] | None = None, *, alone: bool = False
    ) -> None:
        """`alone`: the shop has one person, who may confirm an own proposal after a day; else the staff are counted."""
        self._database, self._vault, self._alone = database, vault, alone
        self._effects = dict(effects or {})

    def on(self, kind: str, effect: Effect) -> None:
        """Register the effect of a verdict for a kind of case that was not passed to the constructor."""
        self._effects[kind] = effect

    async def open(
        self, tx: Tx, shop_id: int, user_id: int | None, kind: str, about: str, question: str, facts: Mapping[str, Any], *,
        first: Literal["user", "staff"] = "user",
    ) -> UUID:  # fmt: skip
        """Open a case about a matter, or join the one that is open; its id. `facts` hold nothing personal."""
        clocks, at = KINDS[kind], clock.now()
        assert question in clocks.questions, (kind, question)
        state = "need_user" if first == "user" else "need_staff"
        deadline = at + timedelta(seconds=clocks.user_s if first == "user" else clocks.target_s)
        look = told.look_at(deadline, at) if first == "user" else at + timedelta(seconds=clocks.escalate_s)
        case_id = ids.new_id()
        opened = await tx.value(
            sql.open_case, case_id, shop_id, user_id, kind, about, state, question, msgspec.json.encode(dict(facts)).decode(), at,
            at + ANSWER_IN, deadline, look,
        )  # fmt: skip
        if opened == case_id:
            data = msgspec.json.encode({"case": str(case_id), "kind": kind, "about": about}).decode()
            await events.append(tx, shop_id, at, "program", [events.Event("case.opened", None, user_id, data)])
        return UUID(int=opened.int)

    async def answer(self, user_id: int, case_id: UUID, text: str, pictures: Sequence[bytes] = ()) -> None:
        """The user answers, with proof. Raises `cases.*`."""
        case = await self._of(user_id, case_id)
        if case.state == "closed":
            raise Refusal("cases.closed")
        said = _said(text)
        made = await remade(pictures)

        async def work(tx: Tx) -> None:
            now = await self._locked(tx, case_id)
            if now.state == "closed":
                raise Refusal("cases.closed")
            await self._keep(tx, case_id, f"user:{user_id}", said, made)
            await self._move(tx, now, "answered", f"user:{user_id}", "")

        await self._database.transact(work)

    async def hand_in(self, tx: Tx, case_id: UUID, actor: str, text: str, pictures: Sequence[Picture]) -> None:
        """Add what somebody without an account says and shows (`remake` made the pictures). Raises `cases.*`."""
        # Pictures are counted under the case's lock: of many who send at once none counts what another has not written yet.
        await self._locked(tx, case_id)
        await self._keep(tx, case_id, actor, _said(text), pictures)

    async def _keep(self, tx: Tx, case_id: UUID, actor: str, said: str, pictures: Sequence[Picture]) -> None:
        if len(await tx.rows(sql.evidence, case_id)) + len(pictures) > MOST_EVIDENCE:
            raise Refusal("cases.evidence_count", limit_count=MOST_EVIDENCE)
        at = clock.now()
        for picture in pictures:
            evidence_id = ids.new_id()
            sealed = self._vault.seal(picture.content, _evidence_place(evidence_id))
            digest = sha256(picture.content).digest()
            await tx.run(
                sql.add_evidence, evidence_id, case_id, actor, "image/jpeg", digest, picture.width, picture.height, sealed, at
            )
        await self._say(tx, case_id, actor, said, at)

    async def ask(self, case_id: UUID, actor: str, question: str, text: str) -> None:
        """Staff ask the user for something: the user's clock begins. Raises `cases.*`."""
        said = _said(text)

        async def work(tx: Tx) -> None:
            case = await self._locked(tx, case_id)
            if question not in KINDS[case.kind].questions:
                raise Refusal("cases.question_unknown")
            if case.answer_by - clock.now() < ASK_LEAVES:
                raise Refusal("cases.too_late_to_ask", until_at=case.answer_by)
            await self._say(tx, case_id, actor, said, clock.now())
            await told.asked(tx, case, await self._move(tx, case, "asked", actor, "", question=question))

        await self._database.transact(work)

    async def note(self, case_id: UUID, actor: str, text: str) -> None:
        """Staff say something without passing the turn."""
        said = _said(text)

        async def work(tx: Tx) -> None:
            case = await self._locked(tx, case_id)
            await self._say(tx, case_id, actor, said, clock.now())
            await told.said(tx, case)

        await self._database.transact(work)

    async def propose(self, case_id: UUID, actor: str, verdict: Verdict, why: str) -> None:
        """Decide, or, where two must, propose a verdict for the second one. Raises `cases.*`."""
        said = _said(why)[:400]

        async def work(tx: Tx) -> None:
            case = await self._locked(tx, case_id)
            if KINDS[case.kind].four_eyes:
                await self._move(tx, case, "proposed", actor, said, verdict=verdict)
                if await self._is_alone(tx, case.shop_id):
                    # The notice of a shop of one person: whoever runs it hears at once of what would happen tomorrow.
                    await ring(tx, case.shop_id, clock.now(), "staff.alone", case.shown, {"kind": case.kind, "verdict": verdict})
            else:
                await self._take_effect(tx, case, verdict, actor)
                await self._move(tx, case, "decided", actor, said, verdict=verdict)
                await told.ended(tx, case, verdict)

        await self._database.transact(work)

    async def confirm(self, case_id: UUID, actor: str, why: str = "") -> None:
        """The second one confirms the proposal: it takes effect in the same commit. Raises `cases.second_person`."""

        async def work(tx: Tx) -> None:
            case = await self._locked(tx, case_id)
            if case.state != "second" or case.verdict is None:
                raise Refusal("cases.not_waiting")
            lone = await self._by_one(tx, case, actor)
            if lone and case.verdict == "approved" and case.facts.get("amount_fen", 0) > ALONE_CAP_FEN:
                raise Refusal("cases.alone_capped", limit_fen=ALONE_CAP_FEN)
            try:
                await self._move(tx, case, "confirmed", actor, why[:400], verdict=case.verdict, alone=lone)
            except asyncpg.CheckViolationError as fault:
                if fault.constraint_name != "four_eyes":
                    raise
                raise Refusal("cases.second_person") from fault
            await self._take_effect(tx, case, case.verdict, actor)
            await told.ended(tx, case, case.verdict)

        await self._database.transact(work)

    async def second(self, tx: Tx, case_id: UUID, actor: str, verdict: Verdict) -> bool:
        """Whether somebody else proposed this verdict, so that `actor` may act on it. Raises `cases.second_person` as `confirm`."""
        case = await self._locked(tx, case_id)
        if case.state != "second" or case.verdict != verdict:
            return False
        await self._by_one(tx, case, actor)
        return True

    async def object(self, case_id: UUID, actor: str, why: str) -> None:
        """The second one does not agree: it is looked at anew."""
        said = _said(why)[:400]

        async def work(tx: Tx) -> None:
            await self._move(tx, await self._locked(tx, case_id), "objected", actor, said)

        await self._database.transact(work)

    async def withdraw(self, user_id: int, case_id: UUID) -> None:
        """The user takes it back; nothing takes effect. A case about money cannot be taken back: it needs an end."""
        case = await self._of(user_id, case_id)
        if not KINDS[case.kind].withdrawable:
            raise Refusal("cases.not_withdrawable")

        async def work(tx: Tx) -> None:
            await self._move(tx, await self._locked(tx, case_id), "withdrawn", f"user:{user_id}", "")

        await self._database.transact(work)

    async def overtake(self, tx: Tx, shop_id: int, kind: str, about: str, why: str) -> bool:
        """Close the open case about a matter that has ended elsewhere. False when there is none."""
        row = await tx.row(sql.open_about, shop_id, kind, about)
        if row is None:
            return False
        await self._move(tx, await self._locked(tx, row["id"]), "overtaken", "program", why[:400])
        return True

    async def case(self, case_id: UUID, user_id: int | None = None) -> Case | None:
        """A case; with `user_id` only that user's."""
        row = await self._database.row(sql.one_case, case_id, user_id)
        return _case(row) if row else None

    async def open_in(self, tx: Tx, shop_id: int, kind: str, about: str) -> UUID | None:
        """The open case about a matter, seen in the caller's transaction."""
        row = await tx.row(sql.open_about, shop_id, kind, about)
        return UUID(int=row["id"].int) if row else None

    async def open_about(self, shop_id: int, kind: str, about: str) -> Case | None:
        """The open case about a matter, if there is one."""
        row = await self._database.row(sql.open_about, shop_id, kind, about)
        return await self.case(row["id"]) if row else None

    async def of_user(self, user_id: int, limit: int = 50) -> list[Case]:
        """A user's cases, newest first."""
        return [_case(row) for row in await self._database.rows(sql.of_user, user_id, limit)]

    async def queue(self, shop_id: int, limit: int = 100) -> list[Case]:
        """What waits for staff: escalated first, then by deadline."""
        return [_case(row) for row in await self._database.rows(sql.queue, shop_id, limit)]

    async def unfinished(self, shop_id: int, limit: int = 200) -> list[Case]:
        """Every open case: escalated ones first, then those that wait for staff, then those of users; by deadline."""
        return [_case(row) for row in await self._database.rows(sql.unfinished, shop_id, limit)]

    async def history(self, case_id: UUID) -> list[Turn]:
        """What was done to a case, oldest first."""
        return [Turn(**dict(row)) for row in await self._database.rows(sql.case_history, case_id)]

    async def alone_until(self, case: Case) -> datetime | None:
        """When whoever proposed may confirm, because nobody else can; None where a second person is there."""
        lone = await self._database.transact(lambda tx: self._is_alone(tx, case.shop_id))
        proposed_at: datetime | None = await self._database.value(sql.proposed_at, case.id) if lone else None
        return proposed_at + ALONE_WAITS if proposed_at else None

    async def thread(self, case_id: UUID) -> list[Line]:
        """What was said, oldest first."""
        rows = await self._database.rows(sql.messages, case_id)
        return [Line(row["actor"], self._vault.unseal_text(row["text_sealed"], _text_place(row["id"])), row["at"]) for row in rows]

    async def evidence(self, case_id: UUID) -> list[Evidence]:
        """What was handed in, oldest first."""
        rows = await self._database.rows(sql.evidence, case_id)
        return [
            Evidence(row["id"], row["actor"], row["width"], row["height"], row["sha256"].hex(), row["at"], row["gone"])
            for row in rows
        ]

    async def picture(self, case_id: UUID, evidence_id: UUID, actor: str, why: str) -> bytes | None:
        """A picture in clear; who looked at whose is on record first. None when it is gone."""
        row = await self._database.row(sql.picture, case_id, evidence_id)
        if row is None or row["content_sealed"] is None:
            return None
        if row["user_id"] is not None and actor != f"user:{row['user_id']}":
            await self._database.transact(lambda tx: note_view(tx, row["shop_id"], row["user_id"], "evidence", actor, why))
        return self._vault.unseal(row["content_sealed"], _evidence_place(evidence_id))

    async def claim(self, tx: Tx, most: int) -> Sequence[Any]:
        """Claim cases whose clock has run out, and set when they are looked at next."""
        at = clock.now()
        rows = await tx.rows(sql.due_cases, at, most)
        for row in rows:
            await tx.run(sql.postpone_case, row["id"], at + timedelta(minutes=10))
        return rows

    async def look(self, row: Any) -> None:
        """A clock has run out: the user's silence is a verdict, staff's silence goes up."""
        await self._database.transact(lambda tx: self._look(tx, row["id"]))

    async def forget(self) -> int:
        """Daily: delete proof of cases that were closed thirty days ago, and names of those taken back; how many pictures."""
        at = clock.now()

        async def work(tx: Tx) -> int:
            await tx.value(sql.forget_wanted)
            return int(await tx.value(sql.forget_evidence, at - EVIDENCE_KEPT, at))

        return await self._database.transact(work)

    async def _look(self, tx: Tx, case_id: UUID) -> None:
        case, at = await self._locked(tx, case_id), clock.now()
        if case.state == "need_user" and case.deadline_at and at >= case.deadline_at:
            await self._lapse(tx, case, KINDS[case.kind].silence, "no answer in time")
        elif case.state == "need_user" and case.deadline_at:
            if told.look_at(case.deadline_at, case.moved_at) <= at:
                await told.reminded(tx, case)
            await tx.run(sql.postpone_case, case_id, case.deadline_at)
        elif case.turn == "staff" and at >= case.answer_by and (late := KINDS[case.kind].unanswered):
            # Ours was the silence, and money must not wait for ever: it goes back, which can be made good again.
            await self._lapse(tx, case, late, "no answer of ours in time")
        elif case.turn == "staff" and case.escalated_at is None:
            await tx.value(sql.escalate_case, case_id, at, case.answer_by)
            data = msgspec.json.encode({"case": str(case_id), "kind": case.kind}).decode()
            await events.append(tx, case.shop_id, at, "program", [events.Event("case.escalated", None, case.user_id, data)])

    async def _lapse(self, tx: Tx, case: Case, verdict: Verdict, why: str) -> None:
        await self._take_effect(tx, case, verdict, "program")
        await self._move(tx, case, "lapsed", "program", why, verdict=verdict)
        await told.ended(tx, case, verdict)

    async def _take_effect(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        effect = self._effects.get(case.kind)
        if effect is not None:
            await effect(tx, case, verdict, actor)

    async def _of(self, user_id: int, case_id: UUID) -> Case:
        case = await self.case(case_id, user_id)
        if case is None:
            raise Refusal("cases.not_found")
        return case

    async def _is_alone(self, tx: Tx, shop_id: int) -> bool:
        return self._alone or await is_alone(tx, shop_id, "case.confirm")

    async def _by_one(self, tx: Tx, case: Case, actor: str) -> bool:
        """Whether one person confirms an own proposal. Raises `cases.second_person` where another one could, or within a day."""
        if not same_person(case.proposed_by or "", actor):
            return False
        since = await tx.value(sql.proposed_at, case.id)
        alone = self._alone or await nobody_else(tx, case.shop_id, "case.confirm")
        if not alone or since is None or clock.now() - since < ALONE_WAITS:
            raise Refusal("cases.second_person")
        return True

    async def _locked(self, tx: Tx, case_id: UUID) -> Case:
        # A user's row is locked before anything of the user's, here as everywhere.
        await tx.value(sql.lock_user_of, case_id)
        row = await tx.row(sql.lock_case, case_id)
        if row is None:
            raise Refusal("cases.not_found")
        return _case(row)

    async def _say(self, tx: Tx, case_id: UUID, actor: str, text: str, at: datetime) -> None:
        if text:
            message_id = ids.new_id()
            await tx.run(sql.add_message, message_id, case_id, actor, self._vault.seal(text, _text_place(message_id)), at)

    async def _move(
        self, tx: Tx, case: Case, move: str, actor: str, why: str, *, verdict: Verdict | None = None, question: str | None = None,
        alone: bool = False,
    ) -> datetime | None:  # fmt: skip
        """Move it; until when whoever has the turn now answers."""
        to = MOVES.get((case.state, move))
        if to is None:
            raise Refusal("cases.not_waiting" if case.state != "closed" else "cases.closed")
        at = clock.now()
        deadline, look = _clock(case, to, at)
        moved = await tx.value(
            sql.move_case,
            case.id,
            case.version,
            case.state,
            move,
            to,
            actor,
            verdict,
            why,
            at,
            deadline,
            look,
            question,
            alone,
        )
        assert moved, "a locked case did not move"
        data = msgspec.json.encode({"case": str(case.id), "kind": case.kind, "verdict": verdict}).decode()
        await events.append(tx, case.shop_id, at, actor, [events.Event(f"case.{move}", None, case.user_id, data)])
        return deadline


def _clock(case: Case, to: str, at: datetime) -> tuple[datetime | None, datetime | None]:
    """Until when whoever has the turn answers, and when the case is looked at; both before the case has to be answered.

    Who writes again while it is our turn is not kept waiting longer for it: our clock goes on.
    """
    clocks = KINDS[case.kind]
    if to == "need_user":
        deadline = min(at + timedelta(seconds=clocks.user_s), max(case.answer_by, at))
        return deadline, told.look_at(deadline, at)
    if to == "closed":
        return None, None
    still = case.state == "need_staff" == to and case.deadline_at is not None
    deadline = case.deadline_at if still and case.deadline_at else at + timedelta(seconds=clocks.target_s)
    since = deadline - timedelta(seconds=clocks.target_s)
    if still and case.escalated_at is not None:
        return deadline, case.answer_by
    return deadline, min(since + timedelta(seconds=clocks.escalate_s), max(case.answer_by, at))


def _said(text: str) -> str:
    plain = text.strip()
    if not plain or len(plain) > LONGEST_TEXT or any(not (each.isprintable() or each in "\n\r\t") for each in plain):
        raise Refusal("cases.text_malformed", limit_count=LONGEST_TEXT)
    return plain


def _case(row: Any) -> Case:
    return Case(**{**dict(row), "facts": msgspec.json.decode(row["facts"])})


def _text_place(message_id: UUID) -> str:
    return f"case_messages:text:{message_id}"


def _evidence_place(evidence_id: UUID) -> str:
    return f"case_evidence:content:{evidence_id}"
