"""Reading `biz_content` field by field, and complaining the way the gateway does."""

import re
from datetime import datetime
from typing import Any

import msgspec

from daozhang.clock import SHANGHAI
from daozhang.simulators.alipay.errors import ApiError

_NUMBER = re.compile(r"[0-9A-Za-z_]{1,64}", re.ASCII)
_YUAN = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?", re.ASCII)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
_EXPRESS = re.compile(r"([1-9][0-9]*)([mhd])|(1c)", re.ASCII)
_UNITS = {"m": 60, "h": 3600, "d": 86_400}
MOST_FEN = 10_000_000_000


class Fields:
    """The content of one call. `known` are the keys the interface documents; any other is refused."""

    def __init__(self, values: dict[str, Any], known: frozenset[str]) -> None:
        self.values = values
        for name in values:
            if name not in known:
                raise ApiError("ACQ.INVALID_PARAMETER", f"参数无效：{name}")

    def text(self, name: str, most: int, *, required: bool = True) -> str:
        """A text of at most so many characters; empty when it is optional and missing."""
        value = self.values.get(name, "")
        if not isinstance(value, str) or len(value) > most or (required and not value):
            raise ApiError("ACQ.INVALID_PARAMETER", f"参数无效：{name}")
        return value

    def number(self, name: str, *, required: bool = True) -> str:
        """A merchant's own number."""
        value = self.text(name, 64, required=required)
        if value and _NUMBER.fullmatch(value) is None:
            raise ApiError("ACQ.INVALID_PARAMETER", f"参数无效：{name}")
        return value

    def fen(self, name: str) -> int:
        """An amount in yuan, as fen."""
        match = _YUAN.fullmatch(self.text(name, 12))
        if match is None:
            raise ApiError("ACQ.INVALID_PARAMETER", f"参数无效：{name}")
        fen = int(match.group(1)) * 100 + int((match.group(2) or "").ljust(2, "0"))
        if not 1 <= fen <= MOST_FEN:
            raise ApiError("ACQ.TOTAL_FEE_EXCEED")
        return fen

    def subject(self) -> str:
        """The title: without `/ = &`, and without words that look like an attack on the gateway's own fields."""
        value = self.text("subject", 256)
        if any(sign in value for sign in "/=&"):
            raise ApiError("ACQ.INVALID_PARAMETER", "参数无效：subject")
        if "total_fee" in value or "out_trade_no" in value:
            raise ApiError("isv.suspected-attack")
        if "违禁" in value:
            raise ApiError("ACQ.EXIST_FORBIDDEN_WORD")
        return value

    def expires_s(self, now_s: float, usual_s: float) -> float:
        """When it cannot be paid any more: `time_expire`, else `timeout_express` from now, else the usual span."""
        until = self.text("time_expire", 32, required=False)
        if until:
            try:
                moment = datetime.fromisoformat(until if _MOMENT.fullmatch(until) else "").replace(tzinfo=SHANGHAI).timestamp()
            except ValueError:
                raise ApiError("ACQ.INVALID_PARAMETER", "参数无效：time_expire") from None
            if moment <= now_s:
                raise ApiError("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR")
            return moment
        express = self.text("timeout_express", 6, required=False)
        if not express:
            return now_s + usual_s
        match = _EXPRESS.fullmatch(express)
        if match is None:
            raise ApiError("ACQ.INVALID_PARAMETER", "参数无效：timeout_express")
        span_s = int(match.group(1)) * _UNITS[match.group(2)] if match.group(1) else 86_400
        if span_s > 15 * 86_400:
            raise ApiError("ACQ.INVALID_PARAMETER", "参数无效：timeout_express")
        return now_s + span_s


def read_content(text: str, known: frozenset[str]) -> Fields:
    """`biz_content` as an object. Raises isv.illegal-json."""
    try:
        values = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError):
        raise ApiError("isv.illegal-json") from None
    if not isinstance(values, dict):
        raise ApiError("isv.illegal-json")
    return Fields(values, known)
