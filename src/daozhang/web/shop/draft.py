"""What the form of a good holds, read as it was typed."""

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daozhang.goods.model import MOST_PIECES
from daozhang.reasons import Refusal

if TYPE_CHECKING:
    from daozhang.goods.model import Good

BALANCE = "balance"
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
_PRICE = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_METHOD = re.compile(r"([0-9]{1,18}):([a-z][a-z0-9_]{0,31})", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True)
class Draft:
    """The fields as texts. `pay` is `balance` or `channel:method`; `mixed`: the balance pays what it can of it."""

    count: str = "1"
    target: str = ""
    pay: str = ""
    mixed: bool = False
    price: str = ""
    key: str = ""
    page_version: str = ""
    agreement: str = ""

    @property
    def counted(self) -> bool:
        """Whether the count is one that may be bought at once."""
        return _COUNT.fullmatch(self.count) is not None and int(self.count) <= MOST_PIECES

    @property
    def pieces(self) -> int:
        """The count, or one where it is none."""
        return int(self.count) if self.counted else 1

    @property
    def agreed(self) -> int | None:
        """The version of the agreement that was ticked."""
        return int(self.agreement) if _VERSION.fullmatch(self.agreement) else None

    def price_fen(self, good: "Good") -> int:
        """The price that the buyer saw; without one, that of now."""
        return int(self.price) if _PRICE.fullmatch(self.price) else good.price_fen


def read_draft(form: dict[str, str]) -> Draft:
    """The draft of a sent form. A key that is none is replaced: then nothing is guarded against a second press."""
    given = form.get("key", "")
    return Draft(
        form.get("count", "1").strip()[:8],
        form.get("target", "").strip()[:128],
        form.get("pay", "")[:64],
        form.get("mixed", "") == "1",
        form.get("price", ""),
        given if _KEY.fullmatch(given) else secrets.token_urlsafe(18),
        form.get("page_version", "")[:64],
        form.get("agreement", ""),
    )


def check_count(draft: Draft) -> None:
    """Raises `goods.count` for a number of pieces that nobody can buy at once."""
    if not draft.counted:
        raise Refusal("goods.count", limit_count=MOST_PIECES)


def method_of(pay: str) -> tuple[int, str]:
    """The channel and the way. Raises `channel.not_configured` when nothing that can pay was chosen."""
    match = _METHOD.fullmatch(pay)
    if match is None:
        raise Refusal("channel.not_configured")
    return int(match.group(1)), match.group(2)
