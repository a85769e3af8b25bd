"""Reading the JSON body of a call field by field, and complaining the way the real channel does."""

import re
from datetime import datetime
from typing import Any

import msgspec

from daozhang.simulators.wechatpay.errors import ApiError, bad_field

_NUMBER = re.compile(r"[0-9A-Za-z_\-|*]+", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)


class Fields:
    """An object of the body at `path`."""

    def __init__(self, values: dict[str, Any], path: str = "/body") -> None:
        self.values, self._path = values, path

    def text(self, name: str, label: str, longest: int, *, shortest: int = 1, required: bool = True) -> str:
        """A text field of `shortest` to `longest` characters; empty when it is optional and missing."""
        value = self.values.get(name)
        if value is None or (value == "" and not required):
            if required:
                raise self.complaint(name, label, "该字段必填")
            return ""
        if not isinstance(value, str):
            raise self.complaint(name, label, "值类型应为字符串", value)
        if len(value) < shortest:
            raise self.complaint(name, label, f"字符串小于最小长度 {shortest}", value)
        if len(value) > longest:
            raise self.complaint(name, label, f"字符串超过最大长度 {longest}", value)
        return value

    def number(self, name: str, label: str, longest: int, *, shortest: int = 6) -> str:
        """A merchant's own number: digits, letters and `_-|*`."""
        value = self.text(name, label, longest, shortest=shortest)
        if _NUMBER.fullmatch(value) is None:
            raise self.complaint(name, label, "只能是数字、大小写字母_-|*", value)
        return value

    def fen(self, name: str, label: str) -> int:
        """A positive whole number of fen."""
        value = self.values.get(name)
        if value is None:
            raise self.complaint(name, label, "该字段必填")
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.complaint(name, label, "值类型应为整数", value)
        if value < 1:
            raise self.complaint(name, label, "值低于最小值 1", value)
        if value > 10**11:
            raise self.complaint(name, label, "值超过最大值", value)
        return value

    def inner(self, name: str, label: str, *, required: bool = True) -> "Fields":
        """An object inside this one."""
        value = self.values.get(name)
        if value is None and not required:
            return Fields({}, f"{self._path}/{name}")
        if not isinstance(value, dict):
            raise self.complaint(name, label, "该字段必填" if value is None else "值类型应为对象", value)
        return Fields(value, f"{self._path}/{name}")

    def currency(self, name: str, label: str, *, required: bool = False) -> None:
        """CNY, or nothing where the documents let it be left out."""
        value = self.text(name, label, 16, required=required)
        if value not in ("", "CNY"):
            raise self.complaint(name, label, "不支持的币种", value)

    def moment_s(self, name: str, label: str) -> float | None:
        """An RFC 3339 moment with its zone, in seconds since 1970."""
        value = self.text(name, label, 64, required=False)
        if not value:
            return None
        if _MOMENT.fullmatch(value) is None:
            raise self.complaint(name, label, "不符合 rfc3339 格式", value)
        try:
            return datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError):
            raise self.complaint(name, label, "不符合 rfc3339 格式", value) from None

    def address(self, name: str, label: str, *, required: bool = True) -> str:
        """A callback address: http(s), no query string, at most 255 characters."""
        value = self.text(name, label, 255, required=required)
        if value and (not value.startswith(("https://", "http://")) or any(sign in value for sign in "?# ")):
            raise self.complaint(name, label, "通知地址必须为不带参数的完整URL", value)
        return value

    def complaint(self, name: str, label: str, why: str, value: object = None) -> ApiError:
        """The error for one field of this object."""
        return bad_field(f"{self._path}/{name}", label, why, value)


def read_body(body: bytes) -> Fields:
    """The body as an object. Raises PARAM_ERROR for anything that is not a JSON object."""
    try:
        values = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiError("PARAM_ERROR", "请求体不是合法的 JSON", detail={"location": "/body", "value": None}) from None
    if not isinstance(values, dict):
        raise ApiError("PARAM_ERROR", "请求体不是合法的 JSON 对象", detail={"location": "/body", "value": None})
    return Fields(values)
