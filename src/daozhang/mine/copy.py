"""A copy of everything that is held about a person and may be given to that person (Personal Information Protection Law art. 45).

Codes of purchases are not in it: they are shown only where the password was asked for that, and every look is recorded.
"""

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from daozhang import clock, ids, notices
from daozhang.cases import Cases
from daozhang.goods.buy import Purchases
from daozhang.identity import Identity, Session
from daozhang.postgres import Database, statements
from daozhang.recharge.desk import Desk

if TYPE_CHECKING:
    from uuid import UUID

sql = statements("daozhang.mine")

MOST_LINES = 5_000
_PAGE = 50


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
            "standing_history": list(await identity.standing_history(user_id)),
        },
        "sessions": await identity.sessions(user_id),
        "balances": await desk.wallet(user_id),
        "statement": await _all(lambda before: desk.statement(user_id, before, _PAGE)),
        "orders": await _all(lambda before: desk.orders(user_id, before, _PAGE)),
        "purchases": await _all(lambda before: purchases.purchases(user_id, before, _PAGE)),
        "cases": [{"case": case, "thread": await cases.thread(case.id)} for case in await cases.of_user(user_id, 200)],
        "messages": await notices.recent(database, user_id),
    }  # fmt: skip
    body = msgspec.json.format(msgspec.json.encode(content, enc_hook=str), indent=1)
    digest = sha256(body)
    row = (ids.new_id(), session.shop_id, user_id, session.id, digest.digest())
    await database.transact(lambda tx: tx.run(sql.note_export, *row, clock.now()))
    return body, digest.hexdigest()


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
