"""Orders, decisions and users as staff read them: everything that is known, personal data masked."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from litestar import Request

from daozhang.identity import mask_phone
from daozhang.policy.record import read_verdicts
from daozhang.policy.sentences import line
from daozhang.postgres import statements
from daozhang.reasons import Refusal, catalogue
from daozhang.reasons.writing import money
from daozhang.recharge.view import order_view, parse_shown
from daozhang.web.console import access
from daozhang.web.pages import house_of, locale_of, title_of

if TYPE_CHECKING:
    from daozhang.recharge.model import OrderView

sql = statements("daozhang.web.console")

AnyRequest = Request[Any, Any, Any]
_QUIET = frozenset(
    {"at", "shop_id", "user_id", "page_version", "page_current", "database_writes", "limits", "methods", "notify_door"}
)
"""Facts of a decision that say nothing about why it went as it did."""


MOST_NUMBER = 1 << 62
"""No row of ours has a number as large; whoever types one asks for what is not there."""


@dataclass(frozen=True, slots=True)
class OrderHead:
    """An order in a line."""

    shown: str
    state: str
    money: str
    amount_fen: int
    created_at: datetime
    kind: str
    method: str
    reason: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict. `mark` is passed, noted, stopped, or later; `why` the comparisons that decided a rule."""

    check: str
    layer: str
    mark: str
    name: str
    text: str
    outcome: str
    hidden: bool
    why: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision with its verdicts, the gravest first, and the facts that it rests on."""

    stage: str
    outcome: str
    reason: str
    code: str
    version: int
    at: datetime
    latency_us: int
    verdicts: list[Judged]
    facts: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Person:
    """A user. The number is masked."""

    user_id: int
    phone: str
    standing: str
    standing_why: str | None
    office: str | None
    since: datetime
    until: datetime | None
    review_at: datetime | None
    verification: str
    created_at: datetime
    seen_at: datetime
    locale: str
    devices_count: int
    sessions_count: int


async def order_of(request: AnyRequest, number: str) -> "OrderView":
    """An order of this shop by its number, whoever's it is. Raises `operation.not_found`."""
    session, house = await access.staff(request), house_of(request)
    order_id = parse_shown(number)
    view = await order_view(house.database, order_id) if order_id else None
    if view is None or house.desk.shop_id != session.shop_id:
        raise Refusal("operation.not_found")
    return view


async def order_line(request: AnyRequest, order_id: UUID) -> OrderHead | None:
    """An order in a line, for a page about something else."""
    view = await order_view(house_of(request).database, order_id)
    if view is None:
        return None
    reason = title_of(request, view.reason) if view.reason else ""
    return OrderHead(view.shown, view.state, view.money, view.amount_fen, view.created_at, view.kind, view.method, reason)


async def decisions(request: AnyRequest, order_id: UUID) -> list[Decided]:
    """Every decision about an order, the newest first."""
    reader = locale_of(request)
    rows = await house_of(request).database.rows(sql.order_decisions, order_id)
    return [
        Decided(
            row["stage"], row["outcome"], title_of(request, row["reason"]) if row["reason"] else "", row["reason"] or "",
            row["book_version"], row["at"], row["latency_us"], _verdicts(row["verdicts"], reader.code), _facts(row["facts"]),
        )
        for row in reversed(rows)
    ]  # fmt: skip


async def person(request: AnyRequest, user_id: int) -> Person:
    """A user of this shop. Raises `staff.not_found`."""
    session, house = await access.staff(request), house_of(request)
    row = await house.database.row(sql.person, user_id, session.shop_id) if user_id < MOST_NUMBER else None
    if row is None:
        raise Refusal("staff.not_found")
    phone = mask_phone(await house.identity.phone(user_id))
    frozen = row["standing"] == "frozen"
    return Person(
        user_id, phone, row["standing"], row["standing_why"] if frozen else None, row["standing_office"] if frozen else None,
        row["standing_since"], row["standing_until"], row["standing_review_at"], row["verification"], row["created_at"],
        row["seen_at"], row["locale"], row["devices_count"], row["sessions_count"],
    )  # fmt: skip


def _verdicts(content: str, locale: str) -> list[Judged]:
    made = []
    for verdict in read_verdicts(content):
        said = line(msgspec.structs.replace(verdict, shown=True), locale)
        outcome = verdict.outcome.value if verdict.outcome else "later"
        reason = catalogue().get(verdict.reason).told(locale, verdict.facts).title if verdict.reason else ""
        mark = said.mark if said else ("stopped" if verdict.reason else "passed")
        why = "; ".join(" ".join(str(part) for part in each) for each in verdict.why)
        made.append(
            Judged(
                verdict.check, verdict.layer.value, mark, said.name if said else verdict.check,
                reason or (said.text if said else ""), outcome, not verdict.shown, why,
            )
        )  # fmt: skip
    order = {"stopped": 0, "noted": 1, "passed": 2, "later": 3}
    return sorted(made, key=lambda each: order[each.mark])


def _facts(content: str) -> list[tuple[str, str]]:
    """Facts and signals by name, in their units, without what says nothing here."""
    tree: dict[str, Any] = msgspec.json.decode(content)
    signals = tree.pop("signals", None) or {}
    flat = {name: value for name, value in tree.items() if name not in _QUIET and value is not None}
    flat |= {f"signals.{name}": value for name, value in signals.items() if value is not None}
    return [(name, plain(name, value)) for name, value in flat.items()]


def plain(name: str, value: Any) -> str:
    """A fact as text, by the unit that its name promises."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_fen") and isinstance(value, int):
        return money(value)
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()[:400]
    return str(value)[:200]
