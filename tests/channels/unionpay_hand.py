"""Messages as UnionPay's hand, or a stranger's, writes them, and one adapter that reads them all."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from tests.channels.unionpay_rig import keys_of, row_of

from daozhang.channels.kinds.unionpay.adapter import UnionPay
from daozhang.channels.port import Invalid
from daozhang.outbound import Exchange, Transport
from daozhang.simulators.unionpay.enrolment import Enrolment
from daozhang.simulators.unionpay.signing import Keyring, to_sign

NUMBER = "01K9ZZZZZZZZZZZZZZZZZZZZZZ"
Fields = dict[str, str]


@asynccontextmanager
async def listening(enrolment: Enrolment, calls: list[Exchange]) -> AsyncIterator[UnionPay]:
    """One adapter for all messages; its own calls go nowhere and are written down in `calls`."""
    nowhere = "http://127.0.0.1:9"
    transport = Transport((nowhere,), loopback=True, recorder=calls.append)
    made = UnionPay(row_of(enrolment.merchants[0], nowhere), [keys_of(enrolment)], transport)
    yield made
    await made.close_connections()


def paid(ring: Keyring, **changes: str) -> Fields:
    """What a notice about a payment of 50 yuan tells; `changes` overrides single fields."""
    return {
        "accNo": "6226********0018",
        "accessType": "0",
        "bizType": "000201",
        "currencyCode": "156",
        "encoding": "UTF-8",
        "merId": ring.enrolment.merchants[0].mer_id,
        "orderId": NUMBER,
        "payCardType": "01",
        "queryId": "202605211034561000018",
        "respCode": "00",
        "respMsg": "成功[0000000]",
        "settleAmt": "4500",
        "settleCurrencyCode": "156",
        "settleDate": "0521",
        "signMethod": "01",
        "traceNo": "000018",
        "traceTime": "0521103456",
        "txnAmt": "5000",
        "txnSubType": "01",
        "txnTime": "20260521103400",
        "txnType": "01",
        "version": "5.1.0",
    } | changes


def body(fields: Fields) -> bytes:
    """Fields as a POST carries them."""
    return urlencode(fields).encode()


async def refused(channel: UnionPay, raw: bytes) -> Invalid:
    """The message is refused, in UnionPay's own form."""
    with pytest.raises(Invalid) as caught:
        await channel.read({}, raw)
    answer = channel.acknowledge(caught.value)
    assert 400 <= answer.status < 600
    assert answer.body == b"fail"
    return caught.value


def stranger() -> RSAPrivateKey:
    """A key nobody knows."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def key_of(text: str) -> RSAPrivateKey:
    """A private key out of the simulator's enrolment."""
    key = serialization.load_pem_private_key(text.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def signed_by(fields: Fields, key: RSAPrivateKey, certificate: str) -> bytes:
    """A message that anybody may have signed."""
    whole = fields | {"signPubKeyCert": certificate}
    signature = key.sign(to_sign(whole), PKCS1v15(), hashes.SHA256())
    return body(whole | {"signature": base64.b64encode(signature).decode()})
