"""Pictures that people send: whatever comes in, what is kept is a plain JPEG, and it is shown to nobody but those it is for."""

import io
import re
import time
import zipfile
from typing import Any

import pytest
from PIL import Image
from tests.cases.test_evidence import bomb, picture
from tests.web.stage import Stage
from tests.web.test_cases import frozen, multipart
from tests.web.test_sessions import Browser

from daozhang.web import forms
from daozhang.web.front.cases import MOST_UPLOAD

PAGE = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


def archive() -> bytes:
    """A ZIP whose one file is sixty megabytes of nothing."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.png", b"\0" * 60_000_000)
    return out.getvalue()


def with_place() -> bytes:
    """A photograph that says where it was taken."""
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (31.0, 14.0, 0.0), 3: "E", 4: (121.0, 28.0, 0.0)}
    exif[0x010F] = "Camera of Li"
    return picture("JPEG", exif=exif)


async def send(
    buyer: Browser, address: str, content: bytes, file: str = "a.png", kind: str = "image/png", text: str = "see"
) -> Any:
    """Answer a case with one picture."""
    body, form = multipart({"csrf": await buyer.token(address), "text": text}, [content])
    head = f'filename="{file}"\r\ncontent-type: {kind}'.encode()
    body = body.replace(b'filename="a.png"\r\ncontent-type: image/png', head)
    return await buyer.post(f"{address}/answer", body=body, content_type=form)


async def kept(stage: Stage) -> int:
    """How many pictures there are."""
    count: int = await stage.house.database.value("select count(*) from case_evidence")
    return count


@pytest.mark.parametrize(
    "content",
    [PAGE, SVG, archive(), bomb(), picture()[:50], b"GIF89a" + b"\0" * 40, b"%PDF-1.7\n" + PAGE],
    ids=["html", "svg", "zip", "pixels", "cut", "gif", "pdf"],
)
async def test_in_05_what_is_no_picture_is_refused_whatever_it_calls_itself(stage: Stage, buyer: Browser, content: bytes) -> None:
    address = await frozen(stage, buyer)
    answer = await send(buyer, address, content)
    assert answer.status_code == 422
    assert await kept(stage) == 0
    assert "alert(1)" not in answer.text


@pytest.mark.parametrize("name", ["../../../etc/passwd", "a.png\x00.html", '"><script>x</script>.png', "到" * 300 + ".png", ""])
async def test_in_05_a_polyglot_is_made_anew_and_its_name_is_kept_nowhere(stage: Stage, buyer: Browser, name: str) -> None:
    address = await frozen(stage, buyer)
    answer = await send(buyer, address, with_place() + PAGE + archive(), file=name, kind="text/html")
    if answer.status_code == 303:
        (shown,) = re.findall(rf'href="({address}/evidence/[0-9a-f-]+)"', (await buyer.get(address)).text)
        proof = await buyer.get(shown)
        assert (proof.headers["content-type"], proof.headers["x-content-type-options"]) == ("image/jpeg", "nosniff")
        assert "default-src 'none'" in proof.headers["content-security-policy"]
        for trace in (b"alert", b"Camera of Li", b"PK\x03\x04", b"Exif"):
            assert trace not in proof.content
        page = (await buyer.get(address)).text
        assert "passwd" not in page
        assert "<script>x" not in page
    else:
        assert answer.status_code in {400, 422}, answer.text
        assert await kept(stage) == 0


async def test_in_05_nothing_is_no_picture_and_too_much_is_not_even_read(stage: Stage, buyer: Browser) -> None:
    address = await frozen(stage, buyer)
    assert (await send(buyer, address, b"")).status_code == 303, "an empty field is a field that was left empty"
    assert await kept(stage) == 0
    token, edge, sent = await buyer.token(address), b"x" * 24, 0

    async def endless() -> Any:
        nonlocal sent
        yield b'--%b\r\ncontent-disposition: form-data; name="csrf"\r\n\r\n%b\r\n' % (edge, token.encode())
        yield b'--%b\r\ncontent-disposition: form-data; name="pictures"; filename="a.png"\r\n\r\n' % edge
        while sent < 1_000_000_000:
            sent += 1_000_000
            yield b"\0" * 1_000_000

    headers = {"cookie": buyer.cookies(), "origin": buyer.origin, "content-type": f"multipart/form-data; boundary={edge.decode()}"}
    answer = await buyer.http.post(f"{address}/answer", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert sent < MOST_UPLOAD + 3_000_000, "what is too much is not read to its end"
    assert await kept(stage) == 0


@pytest.mark.parametrize("text", ["a\0b", "\0", "x" * 4_097])
async def test_in_11_a_text_beside_pictures_is_read_as_strictly_as_any_other(stage: Stage, buyer: Browser, text: str) -> None:
    address = await frozen(stage, buyer)
    answer = await send(buyer, address, picture(), text=text)
    assert answer.status_code in {400, 422}, answer.text
    assert await kept(stage) == 0


async def test_in_11_a_broken_form_with_pictures_is_refused_and_never_a_fault(stage: Stage, buyer: Browser) -> None:
    address = await frozen(stage, buyer)
    token = (await buyer.token(address)).encode()
    start = b'--q\r\ncontent-disposition: form-data; name="csrf"\r\n\r\n' + token + b"\r\n"
    part = b'--q\r\ncontent-disposition: form-data; name="text"\r\n'
    for body, kind in (
        (start + part + b"\r\n\xff\xfe\xfd\r\n--q--\r\n", "multipart/form-data; boundary=q"),
        (start + part + b"content-type: text/plain; charset=nonsense\r\n\r\nx\r\n--q--\r\n", "multipart/form-data; boundary=q"),
        (start + part * 200, "multipart/form-data; boundary=q"),
        (start + b"--q\r\n\r\nno head\r\n--q--\r\n", "multipart/form-data; boundary=q"),
        (start, "multipart/form-data"),
        (start, "multipart/form-data; boundary="),
        (start, 'multipart/form-data; boundary="' + "q" * 5_000 + '"'),
        (b"\r\n" * 30_000, "multipart/form-data; boundary=q"),
        (start * 2 + b"--q--\r\n", "multipart/form-data; boundary=q"),
    ):
        answer = await buyer.post(f"{address}/answer", body=body, content_type=kind)
        assert answer.status_code in {303, 400, 403, 413, 422}, (kind[:40], body[-60:], answer.status_code)


async def test_rl_10_what_many_send_at_once_has_a_bound_and_is_forgotten(
    stage: Stage, buyer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = await frozen(stage, buyer)
    with monkeypatch.context() as narrow:
        narrow.setattr(forms, "MOST_HELD_BYTES", 100)
        assert (await send(buyer, address, picture())).status_code == 503
    assert forms._held == 0
    assert (await send(buyer, address, picture()[:50])).status_code == 422
    assert (await send(buyer, address, picture())).status_code == 303
    assert forms._held == 0


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "rot13", "zip", "undefined", "nonsense"])
async def test_in_10_nobody_chooses_how_long_a_text_is_decoded(shop_app: Any, charset: str) -> None:
    """Of `punycode` half a megabyte took half a minute, in which nobody else was answered; this door asks for no login."""
    stranger = Browser(shop_app, ip="198.51.100.7")
    token = await stranger.token("/deceived")
    form = b'--q\r\ncontent-disposition: form-data; name="%b"\r\n'
    body = form % b"csrf" + b"\r\n" + token.encode() + b"\r\n" + form % b"text"
    for text in (b"a" * 600_000, b"too short"):
        whole = body + b"content-type: text/plain; charset=%b\r\n\r\n%b\r\n--q--\r\n" % (charset.encode(), text)
        began = time.process_time()
        answer = await stranger.post("/deceived", body=whole, content_type="multipart/form-data; boundary=q")
        assert time.process_time() - began < 3
        assert answer.status_code in {303, 400, 422}


async def test_in_06_a_picture_is_there_for_its_owner_while_he_is_logged_in(stage: Stage, buyer: Browser, shop_app: Any) -> None:
    address = await frozen(stage, buyer)
    assert (await send(buyer, address, picture())).status_code == 303
    (shown,) = re.findall(rf'href="({address}/evidence/[0-9a-f-]+)"', (await buyer.get(address)).text)
    mine = await buyer.get(shown)
    assert (mine.status_code, mine.headers["cache-control"]) == (200, "no-store")
    guessed = shown[:-4] + "0000"
    stranger, nobody = Browser(shop_app, ip="198.51.100.7"), Browser(shop_app, ip="198.51.100.8")
    await stranger.submit("/register", "/register", phone="13712345678", password="tea at four by the river")
    await stranger.login("13712345678", "tea at four by the river")
    number = shown.rpartition("/")[2]
    for path in (shown, guessed, f"/cases/CA-{'0' * 26}/evidence/{number}", f"/desk{shown}"):
        for who in (stranger, nobody):
            answer = await who.get(path)
            assert answer.status_code in {303, 404}, path
            assert b"\xff\xd8" not in answer.content
    assert (await buyer.get(guessed)).status_code == 404
    # A link that was handed on is worth nothing once its owner has left.
    cookies = buyer.cookies()
    await buyer.submit("/me", "/logout")
    late = await nobody.get(shown, cookie=cookies)
    assert (late.status_code, late.headers["location"].partition("?")[0]) == (303, "/login")
