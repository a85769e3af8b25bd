"""Messages at the shop's door, from the channel's own hand or from somebody else's, and what they left in the book."""

import json
import secrets
import uuid
from typing import Any, NamedTuple

import aiohttp
from tests.flows.shop import Shop

from daozhang import clock
from daozhang.postgres import Database
from daozhang.simulators.merchant import Enrolment
from daozhang.simulators.watch import rfc3339
from daozhang.simulators.wechatpay.signing import Keyring

LEAKS = ("Traceback", "select ", "insert ", "asyncpg", "postgres", "daozhang", "/src", ".py", "psycopg", "SQL")
"""What no stranger may ever read in an answer."""

_BOOK = (
    "select address, balance_fen, version from accounts order by 1",
    "select id, state, version, refunded_fen from orders order by 1",
    "select id, state, version, channel_txn from attempts order by 1",
    "select id, state, version from refunds order by 1",
    "select id, state from holds order by 1",
    "select channel_id, channel_txn, attempt_id from fact_keys order by 1, 2",
    "select count(*) from transfers",
    "select count(*) from postings",
    "select count(*) from posting_keys",
    "select count(*) from order_moves",
    "select count(*) from attempt_moves",
    "select count(*) from refund_moves",
    "select count(*) from anomalies",
    "select count(*) from decisions",
    "select count(*) from events",
)


class Message(NamedTuple):
    """One message, ready to be posted."""

    headers: dict[str, str]
    body: bytes


class Heard(NamedTuple):
    """What the door answered."""

    status: int
    body: bytes
    headers: dict[str, str]


async def book(database: Database) -> list[list[tuple[Any, ...]]]:
    """Everything that moves when money does: if two of these are the same, nothing changed between them."""
    return [[tuple(row) for row in await database.rows(question)] for question in _BOOK]


async def kept(database: Database, state: str = "invalid") -> list[tuple[str, bytes]]:
    """The raw messages in a state: why, and the bytes."""
    rows = await database.rows("select why, body from notifications where state = $1 order by at, id", state)
    return [(row["why"], row["body"]) for row in rows]


def told(enrolment: Enrolment, number: str, amount_fen: int = 5_000, txn: str = "", **changes: Any) -> dict[str, Any]:
    """What a payment's callback says inside its seal; `changes` overrides single fields."""
    content: dict[str, Any] = {
        "mchid": enrolment.merchant.mchid,
        "appid": enrolment.merchant.appid,
        "out_trade_no": number,
        "transaction_id": txn or f"4200{secrets.randbelow(10**24):024d}",
        "trade_type": "NATIVE",
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "bank_type": "OTHERS",
        "attach": "",
        "success_time": rfc3339(clock.now_s()),
        "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
        "amount": {"total": amount_fen, "payer_total": amount_fen, "currency": "CNY", "payer_currency": "CNY"},
    }
    return content | changes


def sealed(enrolment: Enrolment, content: dict[str, Any] | bytes, *, event: str = "TRANSACTION.SUCCESS", **changes: Any) -> bytes:
    """The v3 envelope around a content; `changes` overrides fields of the resource."""
    plain = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    resource = Keyring(enrolment).seal(plain, "transaction") | {"original_type": "transaction"} | changes
    envelope = {
        "id": str(uuid.uuid4()),
        "create_time": rfc3339(clock.now_s()),
        "event_type": event,
        "resource_type": "encrypt-resource",
        "summary": "支付成功",
        "resource": resource,
    }
    return json.dumps(envelope, ensure_ascii=False).encode()


def signed(
    enrolment: Enrolment, body: bytes, *, age_s: int = 0, serial: str = "", probe: bool = False, forged: bool = False
) -> Message:
    """A body with the channel's signature over it."""
    keyring = Keyring(enrolment)
    headers = keyring.headers(body, serial or keyring.default_serial(), int(clock.now_s()) - age_s, probe=probe, forged=forged)
    return Message({"Content-Type": "application/json", "User-Agent": "Mozilla/4.0"} | headers, body)


def payment(enrolment: Enrolment, number: str, amount_fen: int = 5_000, txn: str = "", **changes: Any) -> Message:
    """A true callback about a payment, except for the `changes`."""
    return signed(enrolment, sealed(enrolment, told(enrolment, number, amount_fen, txn, **changes)))


async def knock(
    shop: Shop, message: Message, *, channel_id: int = 0, method: str = "POST", session: aiohttp.ClientSession | None = None
) -> Heard:
    """Send one message to the door of a channel. Whatever comes back, it tells nothing of how we are built."""
    url = f"{shop.url}/notify/wechatpay/{channel_id or shop.channel_id}"
    return await post(url, message, method=method, session=session)


async def post(url: str, message: Message, *, method: str = "POST", session: aiohttp.ClientSession | None = None) -> Heard:
    """Send one message anywhere at the shop."""
    own = session or aiohttp.ClientSession()
    try:
        async with own.request(method, url, headers=message.headers, data=message.body, allow_redirects=False) as answer:
            heard = Heard(answer.status, await answer.read(), {name.lower(): value for name, value in answer.headers.items()})
    finally:
        if own is not session:
            await own.close()
    if method != "GET":
        text = heard.body.decode("utf-8", "replace")
        assert not [leak for leak in LEAKS if leak in text], text
    return heard
