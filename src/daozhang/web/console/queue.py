"""The first page of the desk: what waits, whose turn it is, and until when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from litestar import Request, Response, get

from daozhang import clock
from daozhang.identity.roles import may
from daozhang.web.console import access
from daozhang.web.pages import house_of, title_of

AnyRequest = Request[Any, Any, Any]
MOST = 200
KINDS = (
    "hold", "review", "deceived", "returning", "unfreeze", "funds", "factor", "verification", "region", "claim", "aftersale",
    "complaint",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Waiting:
    """A line of the queue. `due_at`: when whoever's turn it is should have acted."""

    kind: str
    href: str
    number: str
    about: str
    user_id: int | None
    amount_fen: int | None
    said: str
    turn: Literal["user", "staff", "second"]
    due_at: datetime | None
    opened_at: datetime
    escalated: bool
    mine: bool = False

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return self.due_at is not None and self.due_at < clock.now()


@get("/", may="desk.enter")
async def queue(request: AnyRequest) -> Response[bytes]:
    """The queue, narrowed by kind and turn; who may not see cases is shown the rooms that are theirs."""
    session = await access.staff(request)
    if not may(session.roles, "case.read"):
        return await access.page(request, "rooms.html", here="queue")
    kind, turn = request.query_params.get("kind", ""), request.query_params.get("turn", "")
    lines = await waiting(request)
    counts = {name: sum(each.kind == name for each in lines) for name in KINDS}
    seen = [each for each in lines if kind in ("", each.kind) and turn in ("", each.turn)]
    return await access.page(
        request, "queue.html", here="queue", lines=seen, counts={k: v for k, v in counts.items() if v}, kind=kind, turn=turn,
        turns={name: sum(each.turn == name for each in lines) for name in ("staff", "second", "user")},
        late=sum(each.late and each.turn != "user" for each in lines), total=len(lines),
    )  # fmt: skip


async def waiting(request: AnyRequest) -> list[Waiting]:
    """Everything that waits: what was escalated, then what is late or due soonest and ours, then what waits for users."""
    house, session = house_of(request), await access.staff(request)
    cases = await house.cases.unfinished(session.shop_id, MOST)
    lines = [
        Waiting(
            case.kind, f"/desk/cases/{case.shown}", case.shown, case.about if case.about.startswith("RC-") else "", case.user_id,
            case.facts.get("amount_fen"), _said(request, case.facts), "second" if case.state == "second" else case.turn,  # type: ignore[arg-type]
            case.deadline_at, case.opened_at, case.escalated_at is not None, case.proposed_by == session.actor,
        )
        for case in cases
    ]  # fmt: skip
    return sorted(lines, key=lambda each: (not each.escalated, each.turn == "user", each.due_at or each.opened_at))


def _said(request: AnyRequest, facts: dict[str, Any]) -> str:
    reason = facts.get("reason")
    return title_of(request, reason) if isinstance(reason, str) else ""


handlers = [queue]
