"""What arrives at Alipay's door: a form, verified over its decoded parameters in the order of their names, then read strictly.

Source: "asynchronous notice" of the open platform. `sign` and `sign_type` are left out of what is signed, and `sign_type` chooses
nothing. The documents contradict each other on empty parameters, so they are tried with and, should that fail, without.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import unquote_to_bytes

from daozhang import clock, ids
from daozhang.channels.kinds.alipay.messages import moment_of, told_payment, told_refund
from daozhang.channels.kinds.alipay.signing import Verifier, canonical
from daozhang.channels.port import Acknowledgement, Invalid, Notification
from daozhang.channels.strict import MOST_BYTES, Unclear, text_of

log = logging.getLogger(__name__)

OLDEST, AHEAD = timedelta(hours=48), timedelta(minutes=30)
"""Alipay sends again for 24 h 22 m, each time with the time of sending; what is much older is somebody else's copy."""
_MOST_PARAMETERS = 80
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_ENCODED = re.compile(rb"[A-Za-z0-9*\-._~+%!'()@:/,;$]*")
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_UNSIGNED = ("sign", "sign_type")
_KIND = "trade_status_sync"


def read_notice(body: bytes, verifiers: Sequence[Verifier], channel_id: int) -> Notification:
    """Verify and read one notice. Raises `Invalid`; nothing unverified is interpreted."""
    if len(body) > MOST_BYTES:
        raise Invalid("too_large", http=413)
    try:
        told = parameters(body)
    except Unclear as fault:
        raise Invalid("malformed", str(fault), 400) from None
    _verify(told, verifiers)
    try:
        return _read(told, channel_id)
    except Unclear as fault:
        raise Invalid("malformed", str(fault), 400) from None


def acknowledge(invalid: Invalid | None) -> Acknowledgement:
    """Yes is exactly the seven bytes `success` with 200; anything else makes the channel send again."""
    if invalid is None:
        return Acknowledgement(200, b"success", "text/plain")
    return Acknowledgement(invalid.http, b"fail", "text/plain")


def parameters(body: bytes) -> dict[str, str]:
    """The decoded parameters of a form, each name once. Raises `Unclear`."""
    pairs = body.split(b"&") if body else []
    if not 0 < len(pairs) <= _MOST_PARAMETERS:
        raise Unclear("not a form, or one with too many parameters")
    found: dict[str, str] = {}
    for pair in pairs:
        raw_name, equals, raw_value = pair.partition(b"=")
        name, value = _decoded(raw_name), _decoded(raw_value)
        if not equals or not _NAME.fullmatch(name):
            raise Unclear("a parameter without a name")
        if name in found:
            raise Unclear("a parameter appears twice")
        found[name] = value
    return found


def _decoded(raw: bytes) -> str:
    if not _ENCODED.fullmatch(raw) or _ESCAPE.search(raw):
        raise Unclear("not encoded as a form")
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise Unclear("not UTF-8") from None
    if "\0" in text:
        raise Unclear("NUL in a text")
    return text


def _verify(told: Mapping[str, str], verifiers: Sequence[Verifier]) -> None:
    signature = told.get("sign", "")
    if not signature:
        raise Invalid("unsigned", "no sign")
    if told.get("sign_type", "RSA2") != "RSA2":
        raise Invalid("downgrade", "signed with something else than RSA2")
    now_s = clock.now_s()
    whole = canonical(told, _UNSIGNED, empty=True)
    if any(each.holds(whole, signature, now_s) for each in verifiers):
        return
    shorter = canonical(told, _UNSIGNED)
    if shorter != whole and any(each.holds(shorter, signature, now_s) for each in verifiers):
        log.info("an Alipay notice was signed without its empty parameters")
        return
    raise Invalid("signature")


def _read(told: dict[str, str], channel_id: int) -> Notification:
    if told.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Invalid("malformed", "charset", 400)
    key, kind = text_of(told, "notify_id", 128), text_of(told, "notify_type", 64)
    sent_at = moment_of(told, "notify_time")
    assert sent_at is not None
    if not -AHEAD < clock.now() - sent_at < OLDEST:
        raise Invalid("stale", "sent long ago, or in the future")
    if kind != _KIND:
        return Notification(key, kind, None)
    state = text_of(told, "trade_status", 32)
    number = told.get("out_biz_no", "")
    if told.get("gmt_refund") and ids.parse26(number) is not None:
        return Notification(key, f"{state}:refund", told_refund(told, channel_id, number))
    return Notification(key, state, told_payment(told, channel_id))
