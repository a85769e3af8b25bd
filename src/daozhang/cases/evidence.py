"""Pictures as proof: sniffed, bounded in bytes and pixels, made anew without metadata. What comes in is never what is kept."""

import io
import warnings
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from daozhang.reasons.refusal import Refusal

MOST_BYTES = 6 * 1024 * 1024
MOST_PIXELS = 24_000_000
LONGEST_SIDE = 2_400
"""Pixels of the longer side of what is kept: enough to read an identity card."""
_FORMATS = ("JPEG", "PNG", "WEBP")
_QUALITY = 85


class Picture(NamedTuple):
    """A picture as it is kept: JPEG, upright, without metadata."""

    content: bytes
    width: int
    height: int


def remake(content: bytes) -> Picture:
    """Make a picture anew. CPU-bound, up to a second: call it in a thread. Raises `Refusal` (`cases.evidence_*`)."""
    if not 0 < len(content) <= MOST_BYTES:
        raise Refusal("cases.evidence_size", limit_count=MOST_BYTES // 1024 // 1024)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
                if opened.width * opened.height > MOST_PIXELS or getattr(opened, "n_frames", 1) != 1:
                    raise Refusal("cases.evidence_size", limit_count=MOST_BYTES // 1024 // 1024)
                upright = ImageOps.exif_transpose(opened)
                plain = Image.new("RGB", upright.size, "white")
                shown = upright.convert("RGBA")
                plain.paste(shown, mask=shown.getchannel("A"))
                plain.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError, Warning, MemoryError, EOFError):
        raise Refusal("cases.evidence_malformed") from None
    out = io.BytesIO()
    plain.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return Picture(out.getvalue(), plain.width, plain.height)
