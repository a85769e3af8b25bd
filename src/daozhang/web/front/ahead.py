"""What would become of an amount, told while it is typed: once for all ways to pay where they agree, at the way where they do not.

The same checks as placing, asked without effect (`recharge/preflight.py`). Nothing of it is kept, and nothing is promised that only
the payment itself can show.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from litestar import Request

from daozhang.diagnosis.cures import AT_HOME
from daozhang.recharge.preflight import Asker, answers
from daozhang.web.client import client_ip
from daozhang.web.front.device import Choice, folded
from daozhang.web.pages import house_of, locale_of, told

if TYPE_CHECKING:
    from daozhang.reasons import Told
    from daozhang.recharge.preflight import Answer, Because
    from daozhang.web.locale import Locale
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
MOST_INSTEAD = 2
"""Other ways that one which does not go names."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The answer for the amount as a whole. `kind` is the kind of the notice that tells it; `to` is where its cause is cured."""

    kind: Literal["ok", "info", "warn"]
    title: str
    text: str
    to: str = ""
    to_text: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The recharge form as a question to the checks; `card` is (bank, class)."""

    amount_fen: int
    card: tuple[str | None, str | None] = (None, None)
    offer: int | None = None
    coupon: str = ""
    agreement: int = 0


async def look(request: AnyRequest, session: "Session", wanted: Wanted) -> "list[Answer]":
    """Ask the checks about every way to pay. Nothing is answered to somebody who asks too often: the form works without it."""
    house = house_of(request)
    if await house.limiter.take("ahead.user", session.user_id):
        return []
    asker = Asker(
        session.shop_id, session.user_id, house.desk.page_version, session.device_id, client_ip(request), *wanted.card,
        wanted.offer, wanted.coupon, agreement=wanted.agreement or None,
    )  # fmt: skip
    return answers(await house.desk.consider(asker, wanted.amount_fen))


def said(
    request: AnyRequest, choices: Sequence[Choice], found: "Sequence[Answer]", amount_fen: int
) -> tuple[list[Choice], Ahead | None]:
    """The choices with what stands in each one's way, those that go in front; and the answer for the amount."""
    reader = locale_of(request)
    by_way = {(each.channel_id, each.method): each for each in found}
    mine = [by_way[each.channel_id, each.method] for each in choices if (each.channel_id, each.method) in by_way]
    if not mine:
        return list(choices), None
    common = _common(mine)
    goes = [each for each in choices if each.open and _go(by_way, each) == "yes"]
    made = [_choice(request, each, by_way.get((each.channel_id, each.method)), common, goes) for each in choices]
    made.sort(key=lambda each: (not each.open, not each.fits))
    return folded(made), _ahead(request, mine, common, len(goes), reader.money(amount_fen))


def _go(by_way: "dict[tuple[int, str], Answer]", choice: Choice) -> str:
    found = by_way.get((choice.channel_id, choice.method))
    return found.go if found else "yes"


def _common(mine: "Sequence[Answer]") -> "list[Because]":
    """The causes that every way has, in the order of the first."""
    shared = set.intersection(*({cause.reason for cause in each.because} for each in mine))
    return [cause for cause in mine[0].because if cause.reason in shared]


def _choice(
    request: AnyRequest, choice: Choice, found: "Answer | None", common: "Sequence[Because]", goes: Sequence[Choice]
) -> Choice:
    """One way with what is its own alone. What stops it already (maintenance, a limit) is told there as it was."""
    told_above = {cause.reason for cause in common}
    own = [cause for cause in found.because if cause.reason not in told_above] if found else []
    if found is None or not own or not choice.open or not choice.fits:
        return choice
    why = _told(request, own[0])
    reader = locale_of(request)
    if found.go == "extra_step":
        return replace(choice, mark="info", said=reader.t("preflight.one_more"), cure=reader.joined(why.title, why.text, why.cure))
    parts = [why.text, why.cure, _until(found, reader), _instead(found, goes, reader)]
    return replace(choice, fits=False, mark="warn", said=why.title, cure=reader.joined(*parts))


def _ahead(request: AnyRequest, mine: "Sequence[Answer]", common: "Sequence[Because]", going: int, amount: str) -> Ahead:
    reader = locale_of(request)
    if going:
        more = reader.t("preflight.some") if going < len(mine) else ""
        return Ahead("ok", reader.t("preflight.yes", amount=amount), reader.joined(more, reader.t("preflight.note")))
    best = next((each for each in mine if each.go == "extra_step"), mine[0])
    cause = next(iter(common), None) or next(iter(best.because), None)
    if cause is None:
        return Ahead("info", reader.t("preflight.yes", amount=amount), reader.t("preflight.note"))
    why = _told(request, cause)
    if best.go == "extra_step":
        return Ahead("info", reader.t("preflight.extra", amount=amount), reader.joined(why.title, why.text, why.cure))
    others = [_told(request, each).title for each in common if each is not cause]
    besides = reader.t("preflight.besides", what=reader.t("preflight.and").join(others)) if others else ""
    text = reader.joined(why.title, why.text, why.cure, _until(best, reader), besides)
    step, to = AT_HOME.get(cause.reason, ("", ""))
    return Ahead("warn", reader.t("preflight.no", amount=amount), text, to, reader.t(f"cure.{step}") if step else "")


def _told(request: AnyRequest, cause: "Because") -> "Told":
    return told(request, cause.reason, dict(cause.facts))


def _until(found: "Answer", reader: "Locale") -> str:
    return reader.t("preflight.until", when=reader.when(found.until)) if found.until else ""


def _instead(found: "Answer", goes: Sequence[Choice], reader: "Locale") -> str:
    """The best other channels that go here and now; one way of each is enough."""
    names = dict.fromkeys(
        reader.either(f"kind.{each.kind}", "kind.other")
        for each in goes
        if (each.channel_id, each.method) in found.instead and each.channel_id != found.channel_id
    )
    ways = reader.t("preflight.or").join([*names][:MOST_INSTEAD])
    return reader.t("preflight.instead", ways=ways) if ways else ""
