"""What arrives at WeChat Pay's door: verify on the raw body, then read strictly, then open, then read strictly again.

The v2 refund notice (XML) also arrives here when somebody refunds by hand on the merchant platform. It is recognised by its few
fields with a pattern, never with an XML parser, and answered in its own form; the refund itself is learnt by asking.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daozhang import clock
from daozhang.channels.kinds.wechatpay.messages import payment_report, refund_report
from daozhang.channels.kinds.wechatpay.ring import KeyRing
from daozhang.channels.kinds.wechatpay.signing import Seal, decrypt, read_seal, verify
from daozhang.channels.port import Acknowledgement, Invalid, Notification, Opened
from daozhang.channels.strict import MOST_BYTES, Unclear, object_of, read_object, text_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_ALGORITHM = "AEAD_AES_256_GCM"
_V2_FIELD = re.compile(rb"<([a-z_]{1,32})>(?:<!\[CDATA\[([^<>\]]{0,32768})\]\]>|([^<>&]{0,32768}))</\1>")
V2_NOTICE = "v2_notice"
_V2_YES = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
_NO = {
    "unsigned": b'{"code":"FAIL","message":"signature missing"}',
    "stale": b'{"code":"FAIL","message":"timestamp out of range"}',
    "malformed": b'{"code":"FAIL","message":"malformed"}',
    "undecipherable": b'{"code":"FAIL","message":"resource cannot be opened"}',
    "oversize": b'{"code":"FAIL","message":"body too long"}',
    "slow": b'{"code":"FAIL","message":"body too slow"}',
    "unavailable": b'{"code":"FAIL","message":"unavailable, send again"}',
}


async def read_notice(
    headers: Mapping[str, str], body: bytes, ring: KeyRing, ciphers: tuple[AESGCM, ...], channel: tuple[int, str, str]
) -> Notification:
    """Verify and read one callback whose key may have to be fetched. Raises `Invalid`."""
    seal = _seal(headers, body, channel[1])
    verify(seal, body, await ring.find(seal.serial))
    return _opened(body, ciphers, channel)


def read_notices(
    messages: Sequence[tuple[Mapping[str, str], bytes]],
    ring: KeyRing,
    ciphers: tuple[AESGCM, ...],
    channel: tuple[int, str, str],
) -> list[Opened]:
    """Verify and read callbacks, in two steps: all are verified, then all that hold are opened; nothing unverified is interpreted.

    `channel` is (id, merchant, app). None for a callback whose key is not in memory.
    """
    heard: list[Opened] = [None] * len(messages)
    signed: list[tuple[int, Seal, RSAPublicKey]] = []
    for place, (headers, body) in enumerate(messages):
        try:
            seal = _seal(headers, body, channel[1])
        except Invalid as invalid:
            heard[place] = invalid
            continue
        key = ring.known(seal.serial)
        if key is not None:
            signed.append((place, seal, key))
    holding: list[int] = []
    for place, seal, key in signed:
        try:
            verify(seal, messages[place][1], key)
            holding.append(place)
        except Invalid as invalid:
            heard[place] = invalid
    for place in holding:
        try:
            heard[place] = _opened(messages[place][1], ciphers, channel)
        except Invalid as invalid:
            heard[place] = invalid
    return heard


def _seal(headers: Mapping[str, str], body: bytes, merchant: str) -> Seal:
    """The signature to be verified, of a message that is small enough and not of API v2. Raises `Invalid`."""
    if len(body) > MOST_BYTES:
        raise Invalid("too_large", http=413)
    if body[:1] == b"<":
        _refuse_v2(body, merchant)
    return read_seal(headers, clock.now_s())


def _opened(body: bytes, ciphers: tuple[AESGCM, ...], channel: tuple[int, str, str]) -> Notification:
    try:
        return _open(body, ciphers, channel)
    except Unclear as fault:
        raise Invalid("malformed", str(fault), 400) from None


def acknowledge(invalid: Invalid | None) -> Acknowledgement:
    """Yes is 204 without a body (within 5 s); no is 4xx or 5xx with FAIL and a word, and makes the channel send again."""
    if invalid is None:
        return Acknowledgement(204)
    if invalid.code == V2_NOTICE:
        return Acknowledgement(200, _V2_YES, "text/xml")
    return Acknowledgement(invalid.http, _NO.get(invalid.code, b'{"code":"FAIL","message":"signature wrong"}'))


def _open(body: bytes, ciphers: tuple[AESGCM, ...], channel: tuple[int, str, str]) -> Notification:
    envelope = read_object(body)
    key, event = text_of(envelope, "id", 64), text_of(envelope, "event_type", 64)
    resource = object_of(envelope, "resource")
    if text_of(resource, "algorithm", 32) != _ALGORITHM:
        raise Invalid("malformed", "algorithm", 400)
    plain = decrypt(
        ciphers,
        text_of(resource, "nonce", 32),
        text_of(resource, "associated_data", 64, optional=True),
        text_of(resource, "ciphertext", MOST_BYTES),
    )
    told = read_object(plain)
    if event == "TRANSACTION.SUCCESS":
        return Notification(key, event, payment_report(told, "notification", channel[0]))
    if event.startswith("REFUND."):
        return Notification(key, event, refund_report(told, "notification", *channel))
    return Notification(key, event, None)


def _refuse_v2(body: bytes, merchant: str) -> None:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body or b"&" in body:
        raise Invalid("malformed", "XML with a declaration or entities", 400)
    fields = {name: cdata or plain for name, cdata, plain in _V2_FIELD.findall(body)}
    if fields.get(b"mch_id") == merchant.encode() and b"req_info" in fields:
        raise Invalid(V2_NOTICE, "refund notice of API v2: not signed, so it is answered and the refund is asked for", 200)
    raise Invalid("malformed", "XML that is no refund notice of this merchant", 400)
