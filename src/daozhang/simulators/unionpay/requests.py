"""Reading what a merchant sends: a url-encoded form, its fields one by one, complaining the way UnionPay does."""

import hashlib
import re
from datetime import datetime
from urllib.parse import parse_qsl

from daozhang.clock import SHANGHAI
from daozhang.simulators.unionpay.codes import Refused
from daozhang.simulators.unionpay.signing import Keyring

Fields = dict[str, str]

_ORDER_ID = re.compile(r"[0-9A-Za-z]{8,40}", re.ASCII)
_TIME = re.compile(r"20[0-9]{12}", re.ASCII)
_FEN = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_URL = re.compile(r"https?://[^\s]{1,248}", re.ASCII)
CLOCK_S = 3 * 86_400
"""txnTime may be that far from UnionPay's own clock."""


def read_form(body: bytes) -> Fields:
    """The fields of a POST. Raises `Refused("10")`."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise Refused("10") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refused("10")
    return fields


def admit(fields: Fields, keyring: Keyring) -> None:
    """Who is asking, and is it signed by them. Raises `Refused`."""
    for name in ("version", "encoding", "signMethod", "txnType", "txnSubType", "bizType", "accessType", "merId", "certId"):
        if not fields.get(name):
            raise Refused("13", f"报文交易要素缺失，{name}[6100030]")
    if fields["version"] != "5.1.0" or fields["signMethod"] != "01" or fields["encoding"] != "UTF-8":
        raise Refused("10")
    if fields["merId"] not in keyring.merchants:
        raise Refused("31")
    if not keyring.verify(fields):
        raise Refused("11")


def order_id(fields: Fields) -> str:
    """The merchant's number. Raises `Refused`."""
    return _shaped(fields, "orderId", _ORDER_ID)


def txn_time(fields: Fields, now_s: float) -> str:
    """The merchant's time of the transaction. Raises `Refused` for none and for one that is days away."""
    text = _shaped(fields, "txnTime", _TIME)
    if abs(moment_s(text) - now_s) > CLOCK_S:
        raise Refused("10", "报文格式错误，txnTime[6100030]")
    return text


def fen(fields: Fields) -> int:
    """An amount of at least one fen, in yuan of China. Raises `Refused`."""
    amount = int(_shaped(fields, "txnAmt", _FEN))
    if _shaped(fields, "currencyCode", re.compile(r"[0-9]{3}", re.ASCII)) != "156":
        raise Refused("10", "报文格式错误，currencyCode[6100030]")
    return amount


def address(fields: Fields, name: str) -> str:
    """An address of the merchant. Raises `Refused`."""
    return _shaped(fields, name, _URL)


def moment_s(text: str) -> float:
    """`YYYYMMDDhhmmss` in Shanghai as seconds since 1970. Raises `Refused`."""
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI).timestamp()
    except ValueError:
        raise Refused("10") from None


def fingerprint(fields: Fields) -> str:
    """What must be the same when an order is brought again."""
    told = sorted((name, value) for name, value in fields.items() if name not in ("signature", "certId"))
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _shaped(fields: Fields, name: str, shape: re.Pattern[str]) -> str:
    value = fields.get(name, "")
    if not value:
        raise Refused("13", f"报文交易要素缺失，{name}[6100030]")
    if shape.fullmatch(value) is None:
        raise Refused("10", f"报文格式错误，{name}[6100030]")
    return value
