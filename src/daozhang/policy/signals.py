"""From rows to the signals that rules judge by: the present order is added to what was there before it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from daozhang.policy.book import Book, Tier
from daozhang.policy.model import NEVER_S, Signals
from daozhang.postgres import statements

if TYPE_CHECKING:
    from daozhang.policy.facts import Wish

sql = statements("daozhang.policy")

NO_PAYER = Signals(device_known=False, place_known=False)
"""At `paid` neither device nor place speaks: they were judged when the order was placed."""
WEEK_S, QUARTER_S = 7 * 86_400, 90 * 86_400


def placed(wish: "Wish", row: Any, book: Book) -> Signals:
    """The signals of a wish to recharge. Windows include the wish itself once it has an amount."""
    amount_fen, payer, place = wish.amount_fen, wish.payer, wish.place()
    own = 0 if amount_fen is None else 1
    own_fen = amount_fen or 0
    large, near = int(own_fen >= book.risk.large_fen), int(own_fen >= book.risk.near_fen)
    known = row["device_s"] is not None
    return Signals(
        user_age_s=row["user_age_s"],
        verification=row["verification"],
        large_count=row["large_count"] + large,
        orders_hour_count=row["hour_count"] + own,
        orders_day_count=row["day_count"] + own,
        orders_day_fen=row["day_fen"] + own_fen,
        unfrozen_s=_ago(row["unfrozen_s"]),
        device_known=known,
        device_s=row["device_s"],
        device_accounts_count=row["device_others"] + 1 if known else None,
        device_day_fen=row["device_fen"] + own_fen if known else None,
        device_near_count=row["device_near"] + near if known else None,
        device_failures_count=row["device_failures"],
        place_known=place is not None,
        place_usual=row["usual"],
        place_abroad=place.abroad if place else None,
        elsewhere_s=_ago(row["elsewhere_s"]) if place else None,
        payer_flagged=row["flagged"],
        payer_new=not row["payer_before"] if payer else None,
        payer_accounts_count=row["payer_others"] + 1 if payer else None,
        payer_day_fen=row["payer_fen"] + own_fen if payer else None,
        payer_near_count=row["payer_near"] + near if payer else None,
        payer_failures_count=row["payer_failures"],
        tolerance_fen=_tolerance_fen(row, book),
    )


def paid(wish: "Wish", row: Any, near_fen: int) -> Signals:
    """The signals that a payment brings: who paid."""
    if not wish.payer:
        return NO_PAYER
    amount_fen = wish.amount_fen or 0
    return Signals(
        device_known=False,
        place_known=False,
        user_age_s=row["user_age_s"],
        payer_flagged=row["flagged"],
        payer_new=not row["payer_before"],
        payer_accounts_count=row["payer_others"] + 1,
        payer_day_fen=row["payer_fen"] + amount_fen,
        payer_near_count=row["payer_near"] + int(amount_fen >= near_fen),
    )


def together(wishes: "Sequence[Wish]", rows: Sequence[Any], near_fen: int) -> Sequence[Any]:
    """The rows of a batch's payments, each as if those of its payer that stand before it had come alone and been marked.

    Payments whose payer no other one of the batch shares keep their row, and nothing is done for them.
    """
    named = [wish.payer for wish in wishes if wish.payer is not None]
    if len(set(named)) == len(named):
        return rows
    seen, before = list(rows), defaultdict[bytes, list[int]](list)
    for place, wish in enumerate(wishes):
        if wish.payer is None:
            continue
        if earlier := before[wish.payer]:
            # Whoever paid with it before this batch is among the others of the row already.
            fresh = {wishes[each].user_id for each in earlier if not rows[each]["payer_before"]} - {wish.user_id}
            sums = [wishes[each].amount_fen or 0 for each in earlier]
            row = rows[place]
            seen[place] = {
                **row,
                "payer_before": row["payer_before"] or any(wishes[each].user_id == wish.user_id for each in earlier),
                "payer_others": row["payer_others"] + len(fresh),
                "payer_fen": row["payer_fen"] + sum(sums),
                "payer_near": row["payer_near"] + sum(fen >= near_fen for fen in sums),
            }
        earlier.append(place)
    return seen


def leaving(row: Any) -> Signals:
    """The signals of money that leaves a balance."""
    return Signals(
        user_age_s=row["user_age_s"],
        verification=row["verification"],
        unfrozen_s=_ago(row["unfrozen_s"]),
        unfrozen_fen=row["unfrozen_fen"],
    )


def tier(user_age_s: int | None, verification: str | None, book: Book) -> Tier:
    """The trust tier: new or unverified, verified for a week (or by the face, which needs no week), or known for ninety days."""
    if user_age_s is None or verification not in ("identity", "face") or (user_age_s < WEEK_S and verification != "face"):
        return book.tolerance.fresh
    return book.tolerance.trusted if user_age_s >= QUARTER_S else book.tolerance.known


def _tolerance_fen(row: Any, book: Book) -> int:
    """What is left for this order: the least of the order's, the day's and the month's room. A confirmed loss leaves nothing."""
    if row["lost"]:
        return 0
    allowed = tier(row["user_age_s"], row["verification"], book)
    if row["used_count"] >= allowed.day_count:
        return 0
    left_fen: int = min(allowed.order_fen, allowed.day_fen - row["used_fen"], allowed.month_fen - row["month_fen"])
    return max(0, left_fen)


def _ago(seconds: int | None) -> int:
    return NEVER_S if seconds is None else max(0, seconds)
