"""What the recharge form holds, read as it was typed."""

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daozhang.limits.model import card_fits
from daozhang.money import Fen, MalformedAmount, parse_yuan, yuan
from daozhang.reasons import Refusal
from daozhang.web.front.offers import FIELDS

if TYPE_CHECKING:
    from daozhang.recharge.quote import Quote

_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_METHOD = re.compile(r"([0-9]{1,18}):([a-z][a-z0-9_]{0,31})", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_NAMES = ("amount", "other_amount", "method", "key", "page_version", "card", "agreement", *FIELDS)


@dataclass(frozen=True)
class Draft:
    """What the form holds. `choice` is a preset in yuan or `other`; `typed` is the free amount exactly as it was typed.

    `card` is `bank:class` of the card that the payer means to use, or empty.
    """

    choice: str = ""
    typed: str = ""
    method: str = ""
    key: str = ""
    page_version: str = ""
    card: str = ""
    agreement: str = ""
    offer: str = ""
    coupon: str = ""
    own_coupon: str = ""

    @property
    def amount_text(self) -> str:
        """The amount as text, from whichever field speaks."""
        return self.typed if self.choice in {"", "other"} else self.choice

    @property
    def amount_fen(self) -> Fen | None:
        """The amount; None while it is none."""
        try:
            return parse_yuan(self.amount_text)
        except MalformedAmount:
            return None

    @property
    def sent_key(self) -> str:
        """The key that the form brought; a new one where it brought none of ours."""
        return self.key if _KEY.fullmatch(self.key) else new_key()

    @property
    def agreed(self) -> int | None:
        """The version of the agreement that was ticked."""
        return int(self.agreement) if _VERSION.fullmatch(self.agreement) else None

    @property
    def any_coupon(self) -> str:
        """The coupon: what was typed before what was chosen."""
        return self.coupon.strip()[:64] or self.own_coupon[:64]

    def demand_amount(self) -> Fen:
        """The amount. Raises `operation.amount.malformed`."""
        amount_fen = self.amount_fen
        if amount_fen is None:
            raise Refusal("operation.amount.malformed")
        return amount_fen

    def demand_method(self) -> tuple[int, str]:
        """The channel and the way. Raises `channel.not_configured` when none was chosen."""
        match = _METHOD.fullmatch(self.method)
        if match is None:
            raise Refusal("channel.not_configured")
        return int(match.group(1)), match.group(2)

    def card_of(self) -> tuple[str | None, str | None]:
        """The bank and class of a card as the form sends them; anything else is no card."""
        bank, _, instrument = self.card.partition(":")
        card = (bank or None, instrument or None)
        return card if card_fits(*card) else (None, None)


def read_draft(form: dict[str, str]) -> Draft:
    """The draft of a sent form."""
    return Draft(*(form.get(name, "") for name in _NAMES))


def proposed(quote: "Quote", text: str) -> Draft:
    """Start with the amount that was proposed, else with the middle preset."""
    if text:
        try:
            amount_fen = parse_yuan(text)
        except MalformedAmount:
            return proposed(quote, "")
        preset = amount_fen in quote.presets_fen
        plain = yuan(amount_fen, grouped=False)
        return Draft(choice=str(amount_fen // 100)) if preset else Draft(choice="other", typed=plain)
    presets = [fen for fen in quote.presets_fen if fen <= quote.day_left_fen] or list(quote.presets_fen)
    return Draft(choice=str(presets[len(presets) // 2 - (len(presets) > 4)] // 100)) if presets else Draft(choice="other")


def new_key() -> str:
    """A key for one press of the button."""
    return secrets.token_urlsafe(18)
