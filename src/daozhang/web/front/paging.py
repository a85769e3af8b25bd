"""Pages of a list by position, not by number: `?before=<id>` shows what is older than that line."""

from typing import Any
from uuid import UUID

from litestar import Request

from daozhang import ids


def before_of(request: Request[Any, Any, Any]) -> UUID | None:
    """The position in the address, or None for the newest page. A mistyped one shows the newest page too."""
    text = request.query_params.get("before", "")
    return ids.parse26(text.removeprefix("RC-")) if text else None
