"""UnionPay's settlement files: one for each clearing day, which ends at 23:00 in Shanghai and not at midnight.

Source: the ACP 5.1.0 file transfer interface: fileContent is base64 of zlib of a zip with the files of the day.
"""

import binascii
import io
import zipfile
import zlib
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from daozhang.channels.port import Native, Outcome
from daozhang.channels.strict import Unclear
from daozhang.clock import SHANGHAI

CUT_HOUR = 23
MOST_PACKED = 16 * 1024 * 1024
MOST_BYTES = 64 * 1024 * 1024
_MOST_FILES = 64


@dataclass(frozen=True, slots=True)
class BillFile:
    """The files of a clearing day by their name, as they came (GBK, fixed width). An empty day is a success without files."""

    outcome: Outcome
    files: dict[str, bytes] = field(default_factory=dict)
    reason: str | None = None
    native: Native | None = None


def clearing_day(moment: datetime) -> date:
    """The clearing day of a moment: from 23:00 on it is the next calendar day in Shanghai."""
    return (moment.astimezone(SHANGHAI) + timedelta(hours=24 - CUT_HOUR)).date()


def unpack(content: str) -> dict[str, bytes]:
    """The files inside a fileContent. Raises `Unclear`; nothing grows beyond 64 MiB."""
    try:
        inflate = zlib.decompressobj()
        packed = inflate.decompress(b64decode(content, validate=True), MOST_PACKED)
        if inflate.unconsumed_tail or not inflate.eof:
            raise Unclear("the file is cut off, or larger than any of its kind")
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise Unclear("more, or larger, files than any day has")
            return {_name(entry): _content(archive, entry) for entry in entries if not entry.is_dir()}
    except (ValueError, binascii.Error, zlib.error, zipfile.BadZipFile, RuntimeError):
        raise Unclear("not a packed settlement file") from None


def _name(entry: zipfile.ZipInfo) -> str:
    name = entry.filename.replace("\\", "/").rsplit("/", 1)[-1]
    if not name or len(name) > 128 or not name.isprintable():
        raise Unclear("a file without a proper name")
    return name


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    # The size in the directory is a claim; what is read is what counts.
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise Unclear("a file that is larger than it says")
    return content
