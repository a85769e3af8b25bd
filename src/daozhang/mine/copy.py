"""A copy of everything that is held about a person and may be given to that person (Personal Information Protection Law art. 45).

Codes of purchases are not in it: they are shown only where the password was asked for that, and every look is recorded.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from daozhang import clock, ids, notices
from daozhang.cases import Case, Cases
from daozhang.goods.buy import Purchases
from daozhang.identity import Identity, Session
from daozhang.postgres import Database, statements
from daozhang.recharge.desk import Desk

if TYPE_CHECKING:
    from uuid import UUID

sql = statements("daozhang.mine")

MOST_LINES = 5_000
_PAGE = 50
_STANDING = ("from_standing", "to_standing", "why", "until_at", "review_at", "at")
_CASE = ("kind", "about", "state", "question", "verdict", "opened_at", "deadline_at", "answer_by", "closed_at")
_FACTS = ("order", "purchase", "amount_fen", "kind", "method", "code", "number", "channel_txn", "placed_at", "at")
"""What of a standing and of a case is its owner's. What staff noted about them, and who they were, is not."""


async def copy(
    database: Database, identity: Identity, desk: Desk, purchases: Purchases, cases: Cases, session: Session
) -> tuple[bytes, str]:
    """The copy as JSON, and its SHA-256. Amounts are fen, moments ISO 8601. That it was made is on record."""
    user_id = session.user_id
    content: dict[str, Any] = {
        "made_at": clock.now(),
        "shop": session.shop_id,
        "user": {
            "number": user_id, "phone": await identity.phone(user_id), "verification": session.verification,
            "language": session.locale, "standing": session.standing,
            "standing_history": [_told(row, _STANDING) for row in await identity.standing_history(user_id)],
        },
        "sessions": await identity.sessions(user_id),
        "balances": await desk.wallet(user_id),
        "statement": await _all(lambda before: desk.statement(user_id, before, _PAGE)),
        "orders": await _all(lambda before: desk.orders(user_id, before, _PAGE)),
        "purchases": await _all(lambda before: purchases.purchases(user_id, before, _PAGE)),
        "cases": [await _case(cases, case, user_id) for case in await cases.of_user(user_id, 200)],
        "messages": await notices.recent(database, user_id),
    }  # fmt: skip
    body = msgspec.json.format(msgspec.json.encode(content, enc_hook=str), indent=1)
    digest = sha256(body)
    row = (ids.new_id(), session.shop_id, user_id, session.id, digest.digest())
    await database.transact(lambda tx: tx.run(sql.note_export, *row, clock.now()))
    return body, digest.hexdigest()


def _told(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if row.get(name) is not None}


async def _case(cases: Cases, case: Case, user_id: int) -> dict[str, Any]:
    """A case as its owner may read it: what both sides said, and how it ended; neither who decided nor what they noted."""
    lines = await cases.thread(case.id)
    said = [{"by": "you" if line.actor == f"user:{user_id}" else "support", "text": line.text, "at": line.at} for line in lines]
    return {"number": case.shown, **_told(msgspec.structs.asdict(case), _CASE), "facts": _told(case.facts, _FACTS), "thread": said}


async def _all(page: Any) -> list[Any]:
    """Every line of a list that comes in pages, at most `MOST_LINES`."""
    lines: list[Any] = []
    before: UUID | None = None
    while len(lines) < MOST_LINES:
        more = await page(before)
        lines += more
        if len(more) < _PAGE:
            break
        before = more[-1].id
    return lines
