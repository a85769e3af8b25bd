"""Pictures as proof: sniffed, bounded in bytes and pixels, made anew without metadata. What comes in is never what is kept."""

import asyncio
import io
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

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


async def remade(contents: Sequence[bytes]) -> list[Picture]:
    """Make pictures anew, beside the loop. Two at a time in a process, since each needs some 300 MB while it is made.

    Raises `Refusal` (`cases.evidence_*`).
    """
    loop = asyncio.get_running_loop()
    return [await loop.run_in_executor(_threads(), remake, content) for content in contents]


@cache
def _threads() -> ThreadPoolExecutor:
    """Threads of their own: those of everybody look names up, too, and must not wait for pictures."""
    return ThreadPoolExecutor(2, thread_name_prefix="pictures")


def remake(content: bytes) -> Picture:
    """Make a picture anew. CPU-bound, up to a second: `remade` calls it in a thread. Raises `Refusal` (`cases.evidence_*`)."""
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


def marked(content: bytes, words: str) -> bytes:
    """A kept picture with words all over it, for whoever looks at somebody else's: a copy that leaves says who made it, and when.

    `words` are ASCII. CPU-bound, up to a second: call it in a thread. What is kept stays as it is.
    """
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as opened:
        plain = opened.convert("RGBA")
    size = max(14, max(plain.size) // 40)
    font = ImageFont.load_default(size)
    wide, step = int(font.getlength(words)) + 2 * size, 5 * size
    side = plain.width + plain.height
    over = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(over)
    for row, top in enumerate(range(0, side, step)):
        for left in range(-(row % 2) * wide // 2, side, wide):
            draw.text((left + 1, top + 1), words, (255, 255, 255, 96), font)
            draw.text((left, top), words, (0, 0, 0, 80), font)
    turned = over.rotate(30)
    at = ((side - plain.width) // 2, (side - plain.height) // 2)
    plain.alpha_composite(turned.crop((*at, at[0] + plain.width, at[1] + plain.height)))
    out = io.BytesIO()
    plain.convert("RGB").save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
