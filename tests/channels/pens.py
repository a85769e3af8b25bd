"""The four kinds' pens. They sign with the simulators' keys, and build every message by themselves."""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.channels.attacks import NOWHERE, NUMBER, Message, Pen, Target, Who

from daozhang import clock
from daozhang.channels.catalogue import KINDS
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Exchange, Transport
from daozhang.simulators.alipay.enrolment import Enrolment as AlipayEnrolment
from daozhang.simulators.alipay.station import card_of as alipay_card
from daozhang.simulators.alipay.trades import beijing
from daozhang.simulators.epay.enrolment import Enrolment as EpayEnrolment
from daozhang.simulators.epay.enrolment import card_of as epay_card
from daozhang.simulators.epay.enrolment import load
from daozhang.simulators.epay.signing import text_of
from daozhang.simulators.merchant import Enrolment as WechatEnrolment
from daozhang.simulators.unionpay.enrolment import Enrolment as UnionEnrolment
from daozhang.simulators.unionpay.signing import Keyring, to_sign
from daozhang.simulators.unionpay.station import card_of as union_card
from daozhang.simulators.wechatpay.signing import Keyring as WechatKeyring
from daozhang.simulators.wechatpay.station import card_of as wechat_card

STRANGER = generate_private_key(public_exponent=65537, key_size=2048)
DIGESTS = {"": hashes.SHA256(), "SHA1": hashes.SHA1(), "MD5": hashes.MD5()}


def signed(key: RSAPrivateKey, text: bytes, digest: str = "") -> str:
    """An RSA signature in base64."""
    return base64.b64encode(key.sign(text, PKCS1v15(), DIGESTS[digest])).decode()


def private(pem: str) -> RSAPrivateKey:
    """A key that a simulator made."""
    key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key


def told(facts: Mapping[str, str | None], **truth: str) -> dict[str, str]:
    """The truth with the facts that somebody wants told, without what is left away."""
    return {name: value for name, value in (truth | facts).items() if value is not None}


def aim(kind: str, card: dict[str, Any], next_card: dict[str, Any], pen: Pen, next_pen: Pen) -> Target:
    """A channel of a kind that listens, and the same with its next keys besides."""
    row = ChannelRow(
        7, 1, kind, card["name"], card["merchant"], card["app"], tuple(card["methods"]), (NOWHERE,), enabled=True, version=1
    )
    calls: list[Exchange] = []
    read, make = KINDS[kind].read_keys, KINDS[kind].make
    old, new = read(card["keys"]), read(next_card["keys"])

    def listener(*keys: Any) -> Any:
        return make(replace(row), keys, Transport((NOWHERE,), loopback=True, recorder=calls.append))

    return Target(listener(old), pen, calls, listener(new, old), next_pen, card["keys"])


def form(fields: Mapping[str, str]) -> bytes:
    """Fields as a form or a query carries them."""
    return urlencode(fields).encode()


def twice_in_a_form(message: Message, names: tuple[str, ...]) -> list[Message]:
    """One more field of each name, behind and before."""
    headers, body = message
    found = [(headers, body + f"&{name}=1".encode()) for name in names]
    return found + [(headers, f"{name}=1&".encode() + body) for name in names]


class WechatPen(Pen):
    """WeChat Pay: a signed JSON body with a sealed resource."""

    yuan, stale_s, amount_name = False, 360, "total"

    def __init__(self, enrolment: WechatEnrolment) -> None:
        self._ring, self.merchant = WechatKeyring(enrolment), enrolment.merchant
        self._serial = next(iter(enrolment.signing_keys))
        self._keys: dict[Who, RSAPrivateKey] = {
            "channel": private(enrolment.signing_keys[self._serial]), "stranger": STRANGER,
            "own": private(self.merchant.private_key),
        }  # fmt: skip

    def message(
        self, *, who: Who = "channel", digest: str = "", age_s: float = 0, signature: str | None = None, **facts: str | None
    ) -> Message:
        return self._sealed(self._plain(facts), who, digest, age_s, signature)

    def _plain(self, facts: Mapping[str, str | None]) -> str:
        # The amount is put into the text as it is: what is tried is how it is written.
        amount = facts.get("amount", "5000")
        total = "" if amount is None else f'"total":{amount or chr(34) * 2},'
        fields: dict[str, str | None] = {
            "appid": facts.get("app", self.merchant.appid), "mchid": facts.get("merchant", self.merchant.mchid),
            "out_trade_no": facts.get("number", NUMBER), "attach": facts.get("text", "x"),
            "transaction_id": "4200002900202609110000000001", "trade_type": "NATIVE", "trade_state": "SUCCESS",
            "success_time": "2026-09-11T10:34:56+08:00",
        }  # fmt: skip
        whole = json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)
        currency = json.dumps(facts.get("currency", "CNY"))
        amounts = f'{{{total}"payer_total":4500,"currency":{currency},"payer_currency":"CNY"}}'
        return f'{whole[:-1]},"payer":{{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}},"amount":{amounts}}}'

    def _sealed(
        self, plain: str, who: Who = "channel", digest: str = "", age_s: float = 0, signature: str | None = None,
        encoding: str = "utf-8",
    ) -> Message:  # fmt: skip
        resource = self._ring.seal(plain.encode(), "transaction") | {"original_type": "transaction"}
        body = json.dumps(
            {
                "id": secrets.token_hex(16), "create_time": "2026-09-11T10:34:56+08:00", "resource_type": "encrypt-resource",
                "event_type": "TRANSACTION.SUCCESS", "summary": "支付成功", "resource": resource,
            }, ensure_ascii=False,
        ).encode(encoding)  # fmt: skip
        stamp, nonce = str(int(clock.now_s() - age_s)), secrets.token_hex(16)
        made = signed(self._keys[who], f"{stamp}\n{nonce}\n".encode() + body + b"\n", digest) if signature is None else signature
        headers = {
            "wechatpay-nonce": nonce, "wechatpay-serial": self._serial, "wechatpay-timestamp": stamp,
            "wechatpay-signature": made, "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
        }  # fmt: skip
        return {name: value for name, value in headers.items() if value}, body

    def altered(self) -> list[Message]:
        headers, body = self.message()
        return [
            (headers, body.replace(b"TRANSACTION.SUCCESS", b"TRANSACTION.success")), (headers, body + b" "),
            (headers | {"wechatpay-timestamp": str(int(clock.now_s()) - 1)}, body), (headers | {"wechatpay-nonce": "x"}, body),
        ]  # fmt: skip

    def gbk(self) -> list[Message]:
        return [self._sealed(self._plain({}), encoding="gbk")]

    def chosen(self) -> list[Message]:
        headers, body = self.message(digest="SHA1")
        return [(headers | {"wechatpay-signature-type": kind}, body) for kind in ("WECHATPAY2-SHA1-RSA2048", "RSA", "none")]

    def twice(self) -> list[Message]:
        plain = self._plain({})
        return [
            self._sealed(plain.replace(f'"{name}":', f'"{name}":1,"{name}":', 1)) for name in ("total", "out_trade_no", "mchid")
        ]

    def certificates(self) -> list[Message]:
        headers, body = self.message(who="stranger")
        return [
            (headers | {"wechatpay-serial": serial}, body)
            for serial in ("5" * 40, "PUB_KEY_ID_0000000000000000000000000000000", "x")
        ]


class AlipayPen(Pen):
    """Alipay: a signed form."""

    stale_s, amount_name = 49 * 3_600, "total_amount"

    def __init__(self, enrolment: AlipayEnrolment) -> None:
        self.app = enrolment.app
        self._keys: dict[Who, RSAPrivateKey] = {
            "channel": private(enrolment.signing_key), "stranger": STRANGER, "own": private(self.app.private_key),
        }  # fmt: skip

    def message(
        self, *, who: Who = "channel", digest: str = "", age_s: float = 0, signature: str | None = None, **facts: str | None
    ) -> Message:
        names = {"number": "out_trade_no", "amount": "total_amount", "merchant": "seller_id", "app": "app_id",
                 "currency": "trans_currency", "text": "subject"}  # fmt: skip
        now = beijing(clock.now_s() - age_s)
        fields = told(
            {names[fact]: value for fact, value in facts.items()},
            app_id=self.app.app_id, charset="utf-8", gmt_payment=beijing(clock.now_s()),
            notify_id="2026112800222103000000000000000001", notify_time=now, notify_type="trade_status_sync",
            out_trade_no=NUMBER, seller_id=self.app.seller_id, subject="余额充值",
            total_amount="50.00", trade_no="2026112822001400001234567890", trade_status="TRADE_SUCCESS", version="1.0",
        )  # fmt: skip
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields)).encode()
        made = signed(self._keys[who], text, digest) if signature is None else signature
        return {}, form(fields | {"sign": made, "sign_type": "RSA2"})

    def chosen(self) -> list[Message]:
        weak, good = self.message(digest="SHA1")[1], self.message()[1]
        kinds = (b"RSA", b"MD5", b"none", b"")
        return [({}, body.replace(b"sign_type=RSA2", b"sign_type=" + kind)) for body in (weak, good) for kind in kinds]

    def twice(self) -> list[Message]:
        return twice_in_a_form(self.message(), ("total_amount", "out_trade_no", "sign", "trade_status"))


class UnionPen(Pen):
    """UnionPay: a form that brings its certificate, signed over the digest of its text."""

    yuan, amount_name = False, "txnAmt"
    lies = ("merchant", "currency")

    def __init__(self, enrolment: UnionEnrolment) -> None:
        self._ring, self._merchant = Keyring(enrolment), enrolment.merchants[0]
        self._signers: dict[Who, tuple[RSAPrivateKey, str]] = {
            "channel": (private(enrolment.signer_key), enrolment.signer), "stranger": (STRANGER, enrolment.signer),
            "own": (private(self._merchant.private_key), self._merchant.certificate),
        }  # fmt: skip

    def message(
        self,
        *,
        who: Who = "channel",
        digest: str = "",
        age_s: float = 0,
        signature: str | None = None,
        **facts: str | None,
    ) -> Message:
        assert not age_s, "a message of UnionPay does not say when it was sent"
        fields = self._fields(facts)
        key, certificate = self._signers[who]
        whole = {name: value for name, value in fields.items() if value} | {"signPubKeyCert": certificate}
        made = signed(key, to_sign(whole), digest) if signature is None else signature
        return {}, form(fields | whole | {"signature": made})

    def _fields(self, facts: Mapping[str, str | None]) -> dict[str, str]:
        names = {"number": "orderId", "amount": "txnAmt", "merchant": "merId", "currency": "currencyCode", "text": "reqReserved"}
        return told(
            {names[fact]: value for fact, value in facts.items()},
            accNo="6226********0018", accessType="0", bizType="000201", currencyCode="156", encoding="UTF-8",
            merId=self._merchant.mer_id, orderId=NUMBER, queryId="202605211034561000018", respCode="00", respMsg="成功[0000000]",
            settleAmt="5000", settleDate="0521", signMethod="01", traceNo="000018", traceTime="0521103456", txnAmt="5000",
            txnSubType="01", txnTime="20260521103400", txnType="01", version="5.1.0",
        )  # fmt: skip

    def altered(self) -> list[Message]:
        _, body = self.message()
        changes = (
            (b"txnAmt=5000", b"txnAmt=5001"),
            (b"respCode=00", b"respCode=A6"),
            (NUMBER.encode(), b"0" + NUMBER[1:].encode()[::-1]),
        )
        return [({}, body.replace(*change)) for change in changes] + [({}, body + b"&origRespCode=00")]

    def chosen(self) -> list[Message]:
        fields = self._fields({})
        shared = hashlib.sha256(
            to_sign(fields | {"signMethod": "11"}) + b"&" + hashlib.sha256(b"").hexdigest().encode()
        ).hexdigest()
        return [
            ({}, form(fields | {"signMethod": "11", "signature": shared})),
            *(({}, form(self._ring.sign(fields | {"signMethod": method}))) for method in ("11", "12", "02")),
        ]

    def twice(self) -> list[Message]:
        return twice_in_a_form(self.message(), ("txnAmt", "orderId", "signature", "signPubKeyCert"))

    def certificates(self) -> list[Message]:
        return [({}, form(self._ring.sign(self._fields({}), how))) for how in ("unknown_serial", "stale")]


class EpayPen(Pen):
    """Epay: a query string under the shared key of V1 or the operator's key of V2."""

    amount_name = "money"
    lies = ("merchant",)

    def __init__(self, enrolment: EpayEnrolment, version: str) -> None:
        self._merchant, self._v2 = enrolment.merchants[0], version == "v2"
        self.own, self.stale_s = self._v2, 360 if self._v2 else 0
        self.weaker = ("SHA1", "MD5") if self._v2 else ("SHA1",)
        self.secret = "private_key" if self._v2 else "key"
        self._keys: dict[Who, RSAPrivateKey] = {
            "channel": load(enrolment.platform_key), "stranger": STRANGER, "own": load(self._merchant.private_key),
        }  # fmt: skip

    def message(
        self, *, who: Who = "channel", digest: str = "", age_s: float = 0, signature: str | None = None, **facts: str | None
    ) -> Message:
        names = {"number": "out_trade_no", "amount": "money", "merchant": "pid", "text": "name"}
        given = {names[fact]: self._escaped(value) if fact == "text" else value for fact, value in facts.items()}
        fields = told(
            given, pid=self._merchant.pid, trade_no="2026112700000012345", out_trade_no=NUMBER, type="alipay", name="余额充值",
            money="50.00", trade_status="TRADE_SUCCESS",
        )  # fmt: skip
        if self._v2:
            fields |= {"timestamp": str(int(clock.now_s() - age_s)), "api_trade_no": "4200001", "buyer": "2088"}
        made = self._sign(fields, who, digest) if signature is None else signature
        return {}, form(fields | {"sign": made, "sign_type": "RSA" if self._v2 else "MD5"})

    def _escaped(self, text: str | None) -> str | None:
        """As operators write what a payer may have typed."""
        pairs = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#039;"))
        for plain, entity in pairs if text else ():
            text = text.replace(plain, entity)
        return text

    def _sign(self, fields: Mapping[str, str], who: Who, digest: str) -> str:
        text = text_of(fields)
        if self._v2:
            return signed(self._keys[who], text.encode(), digest)
        key = self._merchant.key if who == "channel" else "z" * 32
        how: Callable[..., Any] = hashlib.sha1 if digest else hashlib.md5
        return str(how((text + key).encode()).hexdigest())

    def chosen(self) -> list[Message]:
        own, other = (b"sign_type=RSA", b"sign_type=MD5") if self._v2 else (b"sign_type=MD5", b"sign_type=RSA")
        good, weak = self.message()[1], self.message(digest="SHA1")[1]
        shared = form({"sign": hashlib.md5((text_of({}) + self._merchant.key).encode()).hexdigest()})
        return [({}, body.replace(own, word)) for body in (good, weak) for word in (other, b"sign_type=none")] + [({}, shared)]

    def twice(self) -> list[Message]:
        return twice_in_a_form(self.message(), ("money", "out_trade_no", "sign", "trade_status"))


def wechat_target(now: WechatEnrolment, then: WechatEnrolment) -> Target:
    """WeChat Pay under attack; `then` are the same merchant's next keys."""
    cards = [wechat_card(each.merchant, NOWHERE) for each in (now, then)]
    return aim("wechatpay", cards[0], cards[1], WechatPen(now), WechatPen(then))


def alipay_target(now: AlipayEnrolment, then: AlipayEnrolment) -> Target:
    """Alipay under attack."""
    cards = [alipay_card(each.app, NOWHERE) for each in (now, then)]
    return aim("alipay", cards[0], cards[1], AlipayPen(now), AlipayPen(then))


def union_target(now: UnionEnrolment, then: UnionEnrolment) -> Target:
    """UnionPay under attack."""
    cards = [union_card(each, each.merchants[0], NOWHERE) for each in (now, then)]
    return aim("unionpay", cards[0], cards[1], UnionPen(now), UnionPen(then))


def epay_target(version: str, now: EpayEnrolment, then: EpayEnrolment) -> Target:
    """Epay under attack, in one version."""
    cards = [epay_card(each, each.merchants[0], NOWHERE, version=version) for each in (now, then)]
    return aim("epay", cards[0], cards[1], EpayPen(now, version), EpayPen(then, version))
