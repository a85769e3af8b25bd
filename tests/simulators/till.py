"""A merchant's side written once more and by hand: it signs calls, checks answers and opens callbacks, trusting nobody's code."""

import asyncio
import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import msgspec
from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daozhang.simulators.merchant import Merchant

ORDERS = "/v3/pay/transactions/native"
REFUNDS = "/v3/refund/domestic/refunds"


async def until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.005)


@dataclass
class Reply:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        return str(self.content["code"])


@dataclass
class Till:
    """Calls one simulator as one merchant."""

    url: str
    merchant: Merchant
    session: aiohttp.ClientSession
    notify_url: str = "http://127.0.0.1:9/nobody"
    key: RSAPrivateKey = field(init=False)
    public: dict[str, RSAPublicKey] = field(init=False)

    def __post_init__(self) -> None:
        key = serialization.load_pem_private_key(self.merchant.private_key.encode(), None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, RSAPrivateKey)
        self.key = key
        self.public = {
            serial: x509.load_pem_x509_certificate(pem.encode()).public_key()  # type: ignore[misc]
            for serial, pem in self.merchant.platform_certificates.items()
        }
        if self.merchant.public_key:
            loaded = serialization.load_pem_public_key(self.merchant.public_key.encode())
            assert isinstance(loaded, RSAPublicKey)
            self.public[self.merchant.public_key_id] = loaded

    def sign(self, text: str) -> str:
        return base64.b64encode(self.key.sign(text.encode(), PKCS1v15(), hashes.SHA256())).decode()

    def authorization(self, method: str, target: str, body: str, **wrong: str) -> str:
        """The header; keyword arguments put something wrong in a field."""
        timestamp = wrong.get("timestamp", str(int(time.time())))
        nonce = secrets.token_hex(16)
        signature = wrong.get("signature") or self.sign(f"{method}\n{target}\n{timestamp}\n{nonce}\n{body}\n")
        fields = {"mchid": self.merchant.mchid, "nonce_str": nonce, "signature": signature, "timestamp": timestamp}
        fields |= {"serial_no": self.merchant.serial_no} | {
            name: value for name, value in wrong.items() if name in ("mchid", "serial_no")
        }
        return "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{name}="{value}"' for name, value in fields.items())

    async def call(
        self, method: str, target: str, content: object = None, headers: dict[str, str | None] | None = None, **wrong: str
    ) -> Reply:
        """One signed call. `headers` replaces headers, None leaves one away."""
        body = "" if content is None else content if isinstance(content, str) else msgspec.json.encode(content).decode()
        sent: dict[str, str | None] = {
            "Authorization": self.authorization(method, target, body, **wrong),
            "Accept": "application/json",
            "User-Agent": "till",
            "Content-Type": "application/json" if body else None,
        }
        sent |= headers or {}
        kept = {name: value for name, value in sent.items() if value is not None}
        left = [name for name, value in sent.items() if value is None]
        async with self.session.request(
            method, self.url + target, data=body.encode() or None, headers=kept, skip_auto_headers=left
        ) as answer:
            return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, await answer.read())

    def order(self, number: str = "", **other: object) -> dict[str, Any]:
        """The body of an order."""
        content: dict[str, Any] = {
            "appid": self.merchant.appid,
            "mchid": self.merchant.mchid,
            "description": "充值",
            "out_trade_no": number or secrets.token_hex(13).upper(),
            "notify_url": self.notify_url,
            "amount": {"total": 5_000, "currency": "CNY"},
        }
        return content | other

    async def placed(self, **other: object) -> str:
        """Place an order that must be taken; its number."""
        body = self.order(**other)
        reply = await self.call("POST", ORDERS, body)
        assert reply.status == 200, reply
        return str(body["out_trade_no"])

    async def asked(self, number: str) -> Reply:
        """Query an order by our number."""
        return await self.call("GET", f"/v3/pay/transactions/out-trade-no/{number}?mchid={self.merchant.mchid}")

    async def closed(self, number: str) -> Reply:
        """Close an order."""
        return await self.call("POST", f"/v3/pay/transactions/out-trade-no/{number}/close", {"mchid": self.merchant.mchid})

    def refund(self, number: str, refund_no: str, amount_fen: int, total_fen: int = 5_000, **other: object) -> dict[str, Any]:
        """The body of a refund."""
        amount = {"refund": amount_fen, "total": total_fen, "currency": "CNY"}
        return {"out_trade_no": number, "out_refund_no": refund_no, "notify_url": self.notify_url, "amount": amount} | other

    def verified(self, headers: dict[str, str], body: bytes) -> bool:
        """Whether an answer or callback carries a fresh signature of the channel."""
        key = self.public.get(headers.get("wechatpay-serial", ""))
        if key is None or abs(time.time() - int(headers["wechatpay-timestamp"])) > 300:
            return False
        message = f"{headers['wechatpay-timestamp']}\n{headers['wechatpay-nonce']}\n".encode() + body + b"\n"
        try:
            key.verify(base64.b64decode(headers["wechatpay-signature"]), message, PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True

    def opened(self, body: bytes) -> Any:
        """What is inside a callback."""
        resource = msgspec.json.decode(body)["resource"]
        return msgspec.json.decode(self.unsealed(resource))

    def unsealed(self, resource: dict[str, str]) -> bytes:
        """Decrypt what the channel sealed for us."""
        sealed = base64.b64decode(resource["ciphertext"])
        aead = AESGCM(self.merchant.api_v3_key.encode())
        return aead.decrypt(resource["nonce"].encode(), sealed, resource["associated_data"].encode())


class Door:
    """Where callbacks arrive. It answers what `answers` says in turn, then 204."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, str]] = []
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/notify", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/notify"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.messages.append(({name.lower(): value for name, value in request.headers.items()}, body))
        status, text = self.answers.pop(0) if self.answers else (204, "")
        return web.Response(status=status, text=text or None)
