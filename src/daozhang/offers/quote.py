"""What a recharge of an amount may bring on top, for the page that asks; and what an order was promised."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from daozhang.offers.codes import code_of
from daozhang.offers.judge import share, tier_fen
from daozhang.offers.model import Given, Offer, OwnCoupon, Page, Tier
from daozhang.postgres import Database, statements

sql = statements("daozhang.offers")

MOST = 5
"""Campaigns and coupons that one page shows."""


async def quote(database: Database, shop_id: int, user_id: int, amount_fen: int | None) -> Page:
    """The campaigns that run and the user's own coupons, best first."""
    campaigns = [_offer(row, amount_fen) for row in await database.rows(sql.running, shop_id, user_id, MOST)]
    rows = await database.rows(sql.own_coupons, shop_id, user_id, MOST)
    coupons = [
        OwnCoupon(
            code_of(row["id"]), row["name_zh"], row["name_en"], row["from_fen"], row["bonus_fen"], row["expires_at"],
            amount_fen is None or amount_fen >= row["from_fen"],
        )
        for row in rows
    ]  # fmt: skip
    coupons_run = bool(coupons) or bool(await database.value(sql.coupons_run, shop_id))
    best = sorted(campaigns, key=lambda each: (each.state != "open", -each.bonus_fen, each.id))
    return Page(tuple(best), tuple(coupons), coupons_run)


async def given(database: Database, order_id: UUID) -> Sequence[Given]:
    """What an order was promised, for its page."""
    return [Given(**dict(row)) for row in await database.rows(sql.given, order_id)]


def _offer(row: Any, amount_fen: int | None) -> Offer:
    tiers = tiers_of(row)
    bonus_fen = tier_fen(row["tier_from_fen"], row["tier_bonus_fen"], amount_fen)
    above = [tier for tier in tiers if amount_fen is None or tier.from_fen > amount_fen]
    least_fen = bonus_fen or tiers[0].bonus_fen
    return Offer(
        row["campaign_id"], row["name_zh"], row["name_en"], tiers, row["ends_at"], bonus_fen, above[0] if above else None,
        share(row, least_fen, 0), row["stacks"],
    )  # fmt: skip


def tiers_of(row: Any) -> tuple[Tier, ...]:
    """The tiers of a campaign's row, the lowest first."""
    return tuple(Tier(start, bonus) for start, bonus in zip(row["tier_from_fen"], row["tier_bonus_fen"], strict=True))
