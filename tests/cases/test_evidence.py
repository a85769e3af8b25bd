"""Pictures are made anew: nothing of what came in is kept but what can be seen, and what is no picture is refused."""

import io
import zlib

import pytest
from PIL import Image
from tests.flows.shop import refuses

from daozhang.cases.evidence import LONGEST_SIDE, MOST_BYTES, marked, remake


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 48), **given: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, kind, **given)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_becomes_a_plain_jpeg(kind: str) -> None:
    made = remake(picture(kind))
    opened = Image.open(io.BytesIO(made.content))
    assert (opened.format, opened.size) == ("JPEG", (64, 48))


def test_place_and_camera_are_gone_and_it_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Camera of Li"
    exif[0x8825] = {1: "N", 2: (31.0, 14.0, 0.0)}
    made = remake(picture("JPEG", exif=exif))
    assert (made.width, made.height) == (48, 64)
    assert b"Camera of Li" not in made.content
    assert not dict(Image.open(io.BytesIO(made.content)).getexif())


def test_what_hides_behind_the_picture_is_gone() -> None:
    assert b"<script>" not in remake(picture() + b"<script>alert(1)</script>").content


def test_a_large_one_is_made_smaller() -> None:
    made = remake(picture(size=(6_000, 1_000)))
    assert (made.width, made.height) == (LONGEST_SIDE, 400)


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it is 50,000 by 50,000."""
    header = (50_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\x00" * 1_000)), (b"IEND", b"")]
    body = b"".join(len(d).to_bytes(4, "big") + n + d + zlib.crc32(n + d).to_bytes(4, "big") for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def animation() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "cases.evidence_size"),
        (b"x" * (MOST_BYTES + 1), "cases.evidence_size"),
        (animation(), "cases.evidence_size"),
        (bomb(), "cases.evidence_"),
        (b"hello", "cases.evidence_malformed"),
        (b"%PDF-1.7", "cases.evidence_malformed"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cases.evidence_malformed"),
        (picture("GIF"), "cases.evidence_malformed"),
        (picture("TIFF"), "cases.evidence_malformed"),
        (picture()[:40], "cases.evidence_malformed"),
        (picture("JPEG")[:200], "cases.evidence_malformed"),
    ],
    ids=["nothing", "huge", "animation", "bomb", "text", "pdf", "svg", "gif", "tiff", "cut png", "cut jpeg"],
)
def test_what_is_no_proof_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(Exception, match=f"^{code}"):
        remake(content)


@pytest.mark.parametrize("size", [(1, 1), (64, 48), (900, 30), (600, 1_200)])
def test_pd_02_what_staff_see_says_who_looked_and_what_is_kept_stays_as_it_is(size: tuple[int, int]) -> None:
    kept = remake(picture(size=size))
    shown = marked(kept.content, "lin 8ABCDEFG 2026-11-28 16:00")
    opened = Image.open(io.BytesIO(shown))
    assert (opened.format, opened.size) == ("JPEG", (kept.width, kept.height))
    if min(size) > 40:
        assert len(opened.getcolors(10**6) or ()) > len(Image.open(io.BytesIO(kept.content)).getcolors(10**6) or ())


def test_the_rule_sees_what_it_forbids() -> None:
    with refuses("cases.evidence_malformed"):
        remake(b"GIF89a")
