"""`GET /v1/channels`: the state of every way to pay for programs, from the same reading as the status page."""

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get

from daozhang.status.board import OLD_S
from daozhang.web.pages import house_of, locale_of, told
from daozhang.web.status import regulated

if TYPE_CHECKING:
    from daozhang.status.history import ChannelReport, Report, Way

AnyRequest = Request[Any, Any, Any]
KEEP = "public, max-age=5"


@get("/v1/channels")
async def show(request: AnyRequest) -> Response[bytes]:
    """Channels with their methods, ninety days, incidents, planned maintenance, and what regulation closes where.

    `observed_at` and the header `Age` say how old it is, `stale` that it could not be renewed. The tag does not change with the
    age alone. Errors are problem documents (RFC 9457). Raises `Unavailable` (503) when nothing was ever read.
    """
    report = await house_of(request).history.report(house_of(request).shop_id)
    body = _body(request, report)
    tag = f'W/"{hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()[:20]}"'
    headers = {
        "etag": tag, "age": str(int(report.age_s)), "cache-control": KEEP, "vary": "accept-language, cookie",
        "content-language": locale_of(request).tag,
    }  # fmt: skip
    if tag in [each.strip() for each in request.headers.get("if-none-match", "")[:2_000].split(",")]:
        return Response(b"", status_code=304, headers=headers)
    body = {"observed_at": min(report.at, report.now_at), **body}
    return Response(msgspec.json.encode(body), media_type="application/json", headers=headers)


def _body(request: AnyRequest, report: "Report") -> dict[str, Any]:
    return {
        "stale": report.age_s > OLD_S * 6,
        "channels": [_channel(request, channel) for channel in report.channels],
        "incidents": [
            {
                "channel_id": story.channel_id, "methods": story.methods, "severity": story.severity, "sign": story.sign,
                "began_at": story.began_at, "ended_at": story.ended_at, "down_s": story.down_s if story.ended_at else None,
            }
            for story in report.stories
        ],
        "maintenance": [
            {
                "id": plan.id, "channel_id": plan.channel_id, "methods": plan.methods or None, "begins_at": plan.begins_at,
                "ends_at": plan.ends_at, "note": plan.note,
            }
            for plan in report.calendar
        ],
        "regulation": regulated.as_data(house_of(request).regulated(), report, locale_of(request)),
    }  # fmt: skip


def _channel(request: AnyRequest, channel: "ChannelReport") -> dict[str, Any]:
    return {
        "id": channel.id,
        "kind": channel.kind,
        "name": channel.name,
        "methods": [_way(request, way) for way in channel.ways],
        "answers": channel.answers,
        "banks": [
            {
                "bank": each.bank, "notice_lag_p95_s": each.lag_p95_s,
                "success_rate": None if each.rate is None else round(each.rate, 3),
            }
            for each in channel.banks
        ],
        "uptime_90_days": None if channel.uptime is None else round(channel.uptime, 5),
        "days": [
            {
                "day": day.day, "state": day.state, "success_rate": None if day.rate is None else round(day.rate, 3),
                "down_s": day.down_s, "degraded_s": day.degraded_s, "maintenance_s": day.maintenance_s,
            }
            for day in channel.days
        ],
    }  # fmt: skip


def _way(request: AnyRequest, way: "Way") -> dict[str, Any]:
    standing, recent = way.standing, way.recent
    said = told(request, standing.why, standing.facts) if standing.why else None
    return {
        "method": way.method,
        "status": standing.status.value,
        "usable": standing.usable,
        "on_trial": standing.on_trial,
        "reason": {"code": standing.why, "title": said.title, "detail": said.text, "cure": said.cure} if said else None,
        "since_at": standing.since_at,
        "until_at": standing.until_at,
        "recent": {
            "window_s": 600, "no_recent_data": recent.rate is None,
            "success_rate": None if recent.rate is None else round(recent.rate, 3),
            "took_p95_ms": recent.took_p95_ms, "notice_lag_p95_s": recent.lag_p95_s,
        },
    }  # fmt: skip


handlers = [show]
