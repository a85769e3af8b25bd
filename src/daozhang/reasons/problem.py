"""Problem documents (RFC 9457): how a refusal is told to a program."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daozhang.reasons.catalogue import catalogue
from daozhang.reasons.refusal import Refusal

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document: its status, the headers it asks for, and its members ready for JSON."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


def problem(refusal: Refusal, locale: str = "zh", *, trace: str = "", instance: str = "") -> Problem:
    """Tell a refusal as RFC 9457. `type` is relative (`/reasons/<code>`); facts are only those the reason's disclosure allows.

    `trace` is our number of the request, `instance` the path of the order it is about. A reason that passes by itself after
    `wait_s` seconds also gives `Retry-After` (RFC 9110 §10.2.3).
    """
    reason = catalogue().get(refusal.reason)
    facts = reason.shown(refusal.facts)
    told = reason.told(locale, refusal.facts)
    body: dict[str, Any] = {
        "type": f"/reasons/{reason.code}",
        "title": told.title,
        "status": reason.http,
        "detail": told.text or told.title,
        "code": reason.code,
        "layer": reason.layer.value,
        "cure": told.cure,
        "cured_by": reason.cured_by.value,
        "retry": reason.retry.value,
        "facts": {name: _plain(value) for name, value in facts.items()},
    }
    if instance:
        body["instance"] = instance
    if trace:
        body["trace"] = trace
    headers = {"content-type": MEDIA_TYPE, "content-language": "en" if locale == "en" else "zh-CN"}
    wait_s = facts.get("wait_s")
    if isinstance(wait_s, (int, float)):
        headers["retry-after"] = str(max(1, -int(-wait_s // 1)))
    return Problem(reason.http, headers, body)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, (str, int, float)) else str(value)
