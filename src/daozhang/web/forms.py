"""Reads a posted form strictly: one encoding, each field once, few fields, bounded texts."""

from typing import Any
from urllib.parse import parse_qsl

from litestar import Request

from daozhang.reasons import Refusal

LIMIT_BYTES = 64 * 1024
_MOST_FIELDS = 40
_LONGEST_TEXT = 4096


async def read(request: Request[Any, Any, Any], *, longest: int = _LONGEST_TEXT) -> dict[str, str]:
    """The fields of an `application/x-www-form-urlencoded` body.

    Raises `Refusal("operation.form_malformed")` for another type, bytes that are no UTF-8, a repeated field, too many fields or too
    long a text.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refusal("operation.form_malformed")
    try:
        pairs = parse_qsl(
            (await request.body()).decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise Refusal("operation.form_malformed") from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or any(len(value) > longest or "\0" in value for value in fields.values()):
        raise Refusal("operation.form_malformed")
    return fields
