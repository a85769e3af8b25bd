"""Bonus and coupon on the recharge form: what there is to choose, and what was chosen."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar import Request

from daozhang.offers import given, quote
from daozhang.web.pages import house_of, locale_of

if TYPE_CHECKING:
    from daozhang.offers.model import Offer, OwnCoupon
    from daozhang.web.locale import Locale
    from daozhang.web.sessions import Session

FIELDS = ("offer", "coupon", "own_coupon")
"""The fields of the form that are about offers, in the order in which a draft holds them."""
NO_OFFER = "none"
_CAMPAIGN = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Choice:
    """One campaign or coupon to choose; `value` is what the form sends."""

    value: str
    name: str
    terms: str
    note: str
    usable: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class Gifts:
    """What there is to choose. `none_chosen`: the person said that no campaign is wanted, or none can be had."""

    offers: tuple[Choice, ...]
    coupons: tuple[Choice, ...]
    none_chosen: bool
    codes: bool
    """Whether a code may be typed."""
    marked: str = NO_OFFER
    """The campaign that is chosen as the form stands, as the form sends it."""


def campaign(text: str) -> int | None:
    """The chosen campaign's number; None for none, and for anything that a form of ours does not send."""
    return int(text) if _CAMPAIGN.fullmatch(text) else None


async def shown(request: Request[Any, Any, Any], session: "Session", amount_fen: int | None, chosen: str) -> Gifts:
    """What the form offers. What was chosen stays chosen; at first it is the campaign that brings most, and no coupon."""
    house, reader = house_of(request), locale_of(request)
    page = await quote(house.database, session.shop_id, session.user_id, amount_fen)
    open_ones = [str(each.id) for each in page.offers if each.state == "open"]
    marked = chosen if chosen in (*open_ones, NO_OFFER) else next(iter(open_ones), NO_OFFER)
    offers = tuple(_offer(each, marked, reader) for each in page.offers)
    return Gifts(offers, tuple(_coupon(each, reader) for each in page.coupons), marked == NO_OFFER, page.coupons_run, marked)


@dataclass(frozen=True, slots=True)
class Line:
    """What an order brings on top, as its page says it."""

    name: str
    text: str


async def lines(request: Request[Any, Any, Any], order_id: UUID) -> list[Line]:
    """What an order was promised, was given, and gave back."""
    reader, made = locale_of(request), []
    for each in await given(house_of(request).database, order_id):
        said = reader.t(f"offers.{each.state}", gift=reader.money(each.bonus_fen))
        if each.taken_fen:
            said = reader.joined(said, reader.t("offers.taken", gift=reader.money(each.taken_fen)))
        made.append(Line(each.name_en if reader.code == "en" else each.name_zh, said))
    return made


def _offer(offer: "Offer", marked: str, reader: "Locale") -> Choice:
    usable = offer.state == "open"
    terms = reader.t("offers.between").join(
        reader.t("offers.tier", start=reader.short_money(tier.from_fen), gift=reader.short_money(tier.bonus_fen))
        for tier in offer.tiers
    )
    note = ""
    if not usable:
        note = reader.t(f"offers.{offer.state}")
    elif offer.bonus_fen:
        note = reader.t("offers.brings", gift=reader.money(offer.bonus_fen))
    elif offer.next:
        note = reader.t("offers.from", start=reader.short_money(offer.next.from_fen))
    name = offer.name_en if reader.code == "en" else offer.name_zh
    return Choice(str(offer.id), name, terms, note, usable, str(offer.id) == marked)


def _coupon(coupon: "OwnCoupon", reader: "Locale") -> Choice:
    name = coupon.name_en if reader.code == "en" else coupon.name_zh
    terms = reader.t("offers.tier", start=reader.short_money(coupon.from_fen), gift=reader.short_money(coupon.bonus_fen))
    return Choice(coupon.code, name, terms, reader.t("offers.until", at=reader.when(coupon.expires_at)), coupon.fits, chosen=False)
