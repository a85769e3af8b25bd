"""Whether a chosen offer is to be had. Pure: it sees one row of `offers_seen` and what the batch took before."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from daozhang.offers.model import Ask, Seen

if TYPE_CHECKING:
    from datetime import datetime


class Taken:
    """What wishes earlier in the same batch would take: they are judged by one reading, and must not all see the same room."""

    def __init__(self) -> None:
        self.budget_fen: dict[int, int] = {}
        self.coupons: set[object] = set()


def tier_fen(from_fen: list[int] | tuple[int, ...], bonus_fen: list[int] | tuple[int, ...], amount_fen: int | None) -> int:
    """What the highest tier gives that the amount reaches; 0 when it reaches none."""
    if amount_fen is None:
        return 0
    reached = [(start, bonus) for start, bonus in zip(from_fen, bonus_fen, strict=True) if start <= amount_fen]
    return max(reached)[1] if reached else 0


def judge(row: Mapping[str, Any], ask: Ask, taken: Taken | None) -> Seen:
    """One wish. With `taken` what is to be had is also counted there, for the wishes after it."""
    offer, offer_fen = _offer(row, ask, taken)
    coupon, coupon_fen = _coupon(row, ask, taken)
    if taken is not None:
        if offer == "open":
            taken.budget_fen[row["campaign_id"]] = taken.budget_fen.get(row["campaign_id"], 0) + offer_fen
        if coupon == "open":
            taken.coupons.add(row["coupon_id"])
    return Seen(
        offer=offer,
        offer_fen=offer_fen,
        coupon=coupon,
        coupon_fen=coupon_fen,
        coupon_from_fen=row["coupon_from_fen"],
        coupon_until_at=row["coupon_expires_at"],
        stacks=bool(row["stacks"] and row["coupon_stacks"]) if ask.campaign_id is not None and ask.code_hash is not None else True,
        promised_fen=row["user_promised_fen"],
        campaign_id=row["campaign_id"],
        coupon_id=row["coupon_id"],
        coupon_campaign_id=row["coupon_campaign_id"],
    )


def _offer(row: Mapping[str, Any], ask: Ask, taken: Taken | None) -> tuple[str, int]:
    if ask.campaign_id is None:
        return "none", 0
    if row["campaign_id"] is None or row["state"] == "proposed":
        return "unknown", 0
    at: datetime = row["at"]
    if at < row["begins_at"]:
        return "early", 0
    if row["state"] != "running" or at >= row["ends_at"]:
        return "over", 0
    bonus_fen = tier_fen(row["tier_from_fen"], row["tier_bonus_fen"], ask.amount_fen)
    if bonus_fen == 0:
        return "below", 0
    return share(row, bonus_fen, 0 if taken is None else taken.budget_fen.get(row["campaign_id"], 0)), bonus_fen


def share(row: Mapping[str, Any], bonus_fen: int, before_fen: int) -> str:
    """Whether the budget and the user's share still hold a bonus: open, spent or capped."""
    if row["used_fen"] + before_fen + bonus_fen > row["budget_fen"]:
        return "spent"
    return "capped" if _over(row, bonus_fen) else "open"


def _over(row: Mapping[str, Any], bonus_fen: int, of: str = "") -> bool:
    """Whether a bonus is more than one user may get of a campaign. `of`: how the columns of the campaign are called."""
    most_fen, most_count = row[f"{of}user_fen"], row[f"{of}user_count"]
    over_fen = most_fen is not None and row[f"{of}user_used_fen"] + bonus_fen > most_fen
    return over_fen or (most_count is not None and row[f"{of}user_used_count"] >= most_count)


def _coupon(row: Mapping[str, Any], ask: Ask, taken: Taken | None) -> tuple[str, int]:  # noqa: PLR0911 -- one return per state
    if ask.code_hash is None:
        return "none", 0
    if row["coupon_id"] is None or row["coupon_user_id"] not in (None, ask.user_id):
        return "unknown", 0
    if row["coupon_state"] == "used":
        return "used", 0
    if row["coupon_busy"] or (taken is not None and row["coupon_id"] in taken.coupons):
        return "reserved", 0
    if row["at"] >= row["coupon_expires_at"]:
        return "expired", 0
    if ask.amount_fen is not None and ask.amount_fen < row["coupon_from_fen"]:
        return "below", 0
    return ("capped", 0) if _over(row, row["coupon_bonus_fen"], "coupon_") else ("open", row["coupon_bonus_fen"])
