"""The service agreement, readable by everybody: the version in force, or an earlier one by its number."""

import re
from typing import Any

from litestar import Request, Response, get

from daozhang import agreements
from daozhang.web.pages import house_of, locale_of, page

_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@get("/agreement")
async def show(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The version in force in the reader's language; `?version=2` shows that one. Without any, the page says so."""
    house, asked = house_of(request), request.query_params.get("version", "")
    if _VERSION.fullmatch(asked):
        found = await agreements.read(house.database, house.shop_id, int(asked))
    else:
        found = await agreements.present(house.database, house.shop_id)
    text = "" if found is None else found.en if locale_of(request).code == "en" else found.zh
    paragraphs = [each for each in (part.strip() for part in re.split(r"\n\s*\n", text)) if each]
    return await page(
        request, "front/agreement.html", agreement=found, paragraphs=paragraphs, status=200 if found or not asked else 404
    )


handlers = [show]
