"""What a first page wears: its style inside itself, let in by its hash and by nothing else."""

import re
from base64 import b64encode
from hashlib import sha256

from tests.web.test_sessions import Browser

from daozhang.web import assets
from daozhang.web.dress import dress
from daozhang.web.guard import POLICY
from daozhang.web.pages import environment

STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


async def test_who_comes_from_elsewhere_gets_the_style_with_the_page_and_fetches_the_sheet_last(buyer: Browser) -> None:
    sheet = f'<link rel="stylesheet" href="{assets.load().url("daozhang.css")}">'
    for site in ("none", "cross-site", "same-site"):
        answer = await buyer.get("/recharge", **{"sec-fetch-site": site})
        (style,) = STYLE.findall(answer.text)
        digest = b64encode(sha256(style.encode()).digest()).decode()
        assert answer.headers["content-security-policy"] == POLICY.replace(
            "style-src 'self'", f"style-src 'self' 'sha256-{digest}'"
        )
        head, _, body = answer.text.partition("</head>")
        assert sheet not in head
        assert body.strip().endswith(f"{sheet}\n</body>\n</html>")
        assert " style=" not in body


async def test_a_page_after_that_names_the_sheet_and_lets_no_style_in(buyer: Browser) -> None:
    for headers in ({"sec-fetch-site": "same-origin"}, {}, {"sec-fetch-site": "what"}):
        answer = await buyer.get("/recharge", **headers)
        assert not STYLE.search(answer.text)
        assert answer.text.count(assets.load().url("daozhang.css")) == 1
        assert answer.headers["content-security-policy"] == POLICY


def test_a_page_wears_what_its_templates_name_and_not_what_others_do() -> None:
    recharge, status = dress(environment(), "front/recharge.html"), dress(environment(), "status/status.html")
    assert recharge is not None
    assert status is not None
    assert ".ahead" in recharge.text
    assert ".health" not in recharge.text
    assert ".health" in status.text
    assert ".ahead" not in status.text
    for worn in (recharge.text, status.text):
        assert worn.startswith("@layer reset, tokens, base, parts, pages, print;")
        assert "</" not in worn
        assert "--paper:" in worn
        assert ".foot" in worn
    assert dress(environment(), "console/login.html") is None
