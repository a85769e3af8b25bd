"""Reads a posted form strictly: one encoding, each field once, few fields, bounded texts."""

from typing import Any
from urllib.parse import parse_qsl

from litestar import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header  # type: ignore[import-untyped]

from daozhang.reasons import Refusal

LIMIT_BYTES = 64 * 1024
_MOST_FIELDS = 40
_LONGEST_TEXT = 4096
_LONGEST_BOUNDARY = 70
MOST_HELD_BYTES = 192 * 1024 * 1024
"""Bytes of all files that one process holds while their forms are read: anybody may send some, and many may send at once."""
_held = 0


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


async def read_with_files(request: Request[Any, Any, Any], longest_file: int) -> tuple[dict[str, str], list[bytes]]:
    """The fields of a `multipart/form-data` body, and its files that are not empty, none kept beyond a byte more than the longest.

    Texts are UTF-8 whatever a part says of itself: a sender who chooses how he is decoded chooses how long that takes, too.
    Raises `Refusal("operation.form_malformed")` as `read` does, and `platform.busy` when too much is on its way at once.
    """
    global _held  # noqa: PLW0603 - a bound of the process
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise Refusal("operation.form_malformed")
    fields: dict[str, str] = {}
    files: list[bytes] = []
    segment: Any = None
    content, mine = bytearray(), 0
    try:
        with PushMultipartParser(boundary, max_segment_count=_MOST_FIELDS) as parser:
            async for chunk in request.stream():
                mine, _held = mine + len(chunk), _held + len(chunk)
                if _held > MOST_HELD_BYTES:
                    raise Refusal("platform.busy", wait_s=30)
                for part in parser.parse(chunk):
                    if isinstance(part, MultipartSegment):
                        segment, content = part, bytearray()
                    elif part:
                        most = _LONGEST_TEXT * 4 if segment.filename is None else longest_file
                        content += part[: max(0, most + 1 - len(content))]
                    elif segment.filename is None:
                        _add(fields, segment.name, content.decode())
                    elif content:
                        files.append(bytes(content))
    except (MultipartError, ValueError):
        raise Refusal("operation.form_malformed") from None
    finally:
        _held -= mine
    return fields, files


def _add(fields: dict[str, str], name: str, text: str) -> None:
    if name in fields or len(text) > _LONGEST_TEXT or "\0" in text:
        raise Refusal("operation.form_malformed")
    fields[name] = text
