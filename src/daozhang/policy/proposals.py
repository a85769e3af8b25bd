"""A change of the book needs a second person: proposed by one, approved by another, both on the append-only record.

A shop of one person has no second one. There a proposal waits a day instead, may not raise an amount or a number of times above
twice what holds, touches neither what the law asks of the shop nor a rule that is hard or firm, and is on the record like any
other, so that a stolen login cannot open the limits at once and unseen.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.identity.staff import nobody_else, same_person, tell_alone
from daozhang.policy.book import BadBook, Book, Parameters, canonical, checked
from daozhang.policy.books import Books
from daozhang.policy.model import Strength
from daozhang.policy.rules.tree import Rule
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.catalogue import Disclosure
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.policy")

ALONE_WAITS = timedelta(hours=24)
_BOUNDED = ("amount", "day", "open", "risk", "tolerance", "eligibility", "confirm")
"""The parts of a book that hold amounts and numbers of times."""
_TWICE = ("_fen", "_count")
MAY = "rules.approve"
OPEN_FOR = timedelta(days=30)
"""How long a proposal may be approved."""


class _Content(msgspec.Struct, frozen=True):
    parameters: Parameters
    sha256: str
    note: str
    base: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A version that somebody wants; `base` is the version it was made from."""

    id: UUID
    author: str
    note: str
    parameters: Parameters
    sha256: str
    base: int
    at: datetime


async def propose(database: Database, books: Books, shop_id: int, parameters: Parameters, author: str, note: str) -> Proposal:
    """Put a version forward. Raises `BadBook` when it contradicts itself.

    A rule whose criterion is published is enforced as published: with a budget that nobody may know, asking beforehand would tell
    what is left of it.
    """
    for rule in (*parameters.rules, *parameters.shadows):
        if rule.tolerance != "none" and rule.disclosure is Disclosure.FULL:
            raise BadBook(f"{rule.key[:64]}: a rule that is told in full has no tolerance")
    base = (await books.current(shop_id)).version
    digest = hashlib.sha256(canonical(checked(parameters))).hexdigest()
    data = msgspec.json.encode(_Content(parameters, digest, note, base)).decode()
    event = events.Event("policy.proposed", None, None, data)

    async def work(tx: Tx) -> None:
        await events.append(tx, shop_id, clock.now(), author, [event])
        await tell_alone(tx, shop_id, MAY, f"rules:{digest[:12]}")

    await database.transact(work)
    return (await proposals(database, shop_id))[-1]


async def proposals(database: Database, shop_id: int) -> list[Proposal]:
    """What was proposed within thirty days and is not in force yet, the oldest first."""
    rows = await database.rows(sql.proposals, shop_id, ids.first_at(clock.now() - OPEN_FOR))
    contents = [(row, msgspec.json.decode(row["data"], type=_Content)) for row in rows]
    return [Proposal(r["id"], r["actor"], c.note, c.parameters, c.sha256, c.base, r["at"]) for r, c in contents]


async def approve(database: Database, books: Books, shop_id: int, proposal_id: UUID, approver: str) -> int:
    """Put a proposal in force as the next version; its number.

    Raises `operation.not_found`, `policy.second_person` (the author, where somebody else could, before a day is over, or with more
    than one person alone may change), and `policy.overtaken` (another version came into force since).
    """
    proposal = next((each for each in await proposals(database, shop_id) if each.id == proposal_id), None)
    if proposal is None:
        raise Refusal("operation.not_found")
    book = await books.current(shop_id)
    if proposal.base != book.version:
        raise Refusal("policy.overtaken")
    if same_person(proposal.author, approver):
        waited = clock.now() - proposal.at
        alone = await database.transact(lambda tx: nobody_else(tx, shop_id, MAY))
        if opens(book, proposal.parameters) or waited < ALONE_WAITS or not alone:
            raise Refusal("policy.second_person", wait_s=max(1, int((ALONE_WAITS - waited).total_seconds())))
    version = book.version + 1
    note = f"{proposal.note} (approved by {approver})"
    if not await books.publish(shop_id, proposal.parameters, version=version, author=proposal.author, note=note):
        raise Refusal("policy.overtaken")
    event = events.Event("policy.approved", None, None, msgspec.json.encode({"proposal": proposal.id, "version": version}).decode())
    await database.transact(lambda tx: events.append(tx, shop_id, clock.now(), approver, [event]))
    return version


def opens(book: Book, wanted: Parameters) -> bool:
    """Whether a change opens more than one person alone may.

    That is another mode, payments from abroad, less proof than the law asks for, a rule that is hard or firm, or more than twice.
    """
    held = {name: msgspec.to_builtins(getattr(book, name)) for name in _BOUNDED}
    firm = {_judges(rule) for rule in book.rules.rules if rule.firmness is not Strength.SOFT}
    return (
        book.eligibility.mode != wanted.eligibility.mode
        or (wanted.eligibility.cross_border and not book.eligibility.cross_border)
        or book.confirm.strengths != wanted.confirm.strengths
        or not firm <= {_judges(rule) for rule in wanted.rules}
        or _opened(held, msgspec.to_builtins(wanted))
    )


def _judges(rule: Rule) -> tuple[str, ...]:
    """A rule without its descriptive texts: what two rules are compared by."""
    when = msgspec.json.encode(rule.when, order="deterministic").decode()
    return rule.key, rule.strength, rule.outcome.value, rule.unknown, *sorted(rule.stages), when


def _opened(held: Any, wanted: Any) -> bool:
    """Whether something, wherever it stands in these parts, is more than twice what holds: a ceiling, where a rule begins."""
    if not isinstance(held, dict) or not isinstance(wanted, dict):
        return False
    return any(
        wanted[name] > 2 * value if name.endswith(_TWICE) and isinstance(value, int) else _opened(value, wanted[name])
        for name, value in held.items()
        if name in wanted
    )
