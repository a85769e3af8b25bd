"""`POST /v1/preflight`: would this recharge go, before anything is ordered. For a logged-in user; nothing is changed by asking.

The body is JSON: `{"amount": "50.00", "ways": [{"channel_id": 1, "method": "native"}]}`, amount in yuan as text, ways optional.
So are `bank`, `instrument`, `offer`, `coupon`, `currency`, and `agreement`, the version that will be ticked.
"""

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, post

from daozhang.money import MalformedAmount, parse_yuan
from daozhang.reasons import Refusal
from daozhang.recharge.preflight import MOST_WAYS, Asker
from daozhang.web import sessions
from daozhang.web.client import client_ip
from daozhang.web.pages import house_of, locale_of, told

if TYPE_CHECKING:
    from daozhang.recharge.preflight import Answer, Because

AnyRequest = Request[Any, Any, Any]
_LARGEST_BYTES = 8_192


class _Way(msgspec.Struct, forbid_unknown_fields=True):
    channel_id: int
    method: str


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    amount: str
    ways: list[_Way] | None = None
    bank: str | None = None
    instrument: str | None = None
    offer: int | None = None
    coupon: str = ""
    currency: str | None = None
    agreement: int | None = None


@post("/v1/preflight", status_code=200)
async def ask(request: AnyRequest) -> Response[bytes]:
    """Per way: `go` (yes, extra_step, no), `because`, `until`, `instead`. Errors are problem documents (RFC 9457).

    Raises `account.login_required`, `operation.too_many`, `operation.form_foreign`, `operation.form_malformed`,
    `operation.amount.malformed`.
    """
    session, house = await sessions.require(request), house_of(request)
    sessions.check_origin(request)
    await house.limiter.demand("preflight.user", session.user_id)
    asked = await _read(request)
    try:
        amount_fen = parse_yuan(asked.amount)
    except MalformedAmount:
        raise Refusal("operation.amount.malformed") from None
    asker = Asker(
        session.shop_id,
        session.user_id,
        house.desk.page_version,
        session.device_id,
        client_ip(request),
        asked.bank,
        asked.instrument,
        asked.offer,
        asked.coupon,
        asked.currency,
        asked.agreement,
    )
    ways = None if asked.ways is None else [(way.channel_id, way.method) for way in asked.ways]
    answers = await house.desk.preflight(asker, amount_fen, ways)
    reader = locale_of(request)
    body = {
        "amount_fen": amount_fen,
        "methods": [_method(request, answer) for answer in answers],
        "note": reader.t("preflight.note"),
    }
    headers = {"cache-control": "no-store", "content-language": reader.tag}
    return Response(msgspec.json.encode(body), media_type="application/json", headers=headers)


async def _read(request: AnyRequest) -> _Asked:
    """A form of another site can send text and forms, but no JSON without being asked: so nothing else is read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind != "application/json" or len(body) > _LARGEST_BYTES:
        raise Refusal("operation.form_malformed")
    try:
        asked = msgspec.json.decode(body, type=_Asked)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Refusal("operation.form_malformed") from None
    if asked.ways is not None and (
        len(asked.ways) > MOST_WAYS or any(not 0 < way.channel_id < 2**63 or not 0 < len(way.method) <= 32 for way in asked.ways)
    ):
        raise Refusal("operation.form_malformed")
    numbers = ((asked.offer, 2**63), (asked.agreement, 2**31))
    if len(asked.coupon) > 64 or any(number is not None and not 0 < number < most for number, most in numbers):
        raise Refusal("operation.form_malformed")
    if any(word is not None and len(word) > 32 for word in (asked.bank, asked.instrument, asked.currency)):
        raise Refusal("operation.form_malformed")
    return asked


def _method(request: AnyRequest, answer: "Answer") -> dict[str, Any]:
    return {
        "channel_id": answer.channel_id,
        "kind": answer.kind,
        "method": answer.method,
        "go": answer.go,
        "because": [_because(request, each) for each in answer.because],
        "until": answer.until,
        "instead": [{"channel_id": channel_id, "method": method} for channel_id, method in answer.instead],
    }


def _because(request: AnyRequest, because: "Because") -> dict[str, Any]:
    said = told(request, because.reason, dict(because.facts))
    return {"reason": because.reason, "title": said.title, "text": said.text, "cure": said.cure, "facts": dict(because.facts)}


handlers = [ask]
