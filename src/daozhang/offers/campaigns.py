"""Making campaigns: proposed by one person and approved by another, stopped by anybody at once, coupons issued from their budget.

A shop of one person has no second one. There a campaign waits a day, and its budget is bounded, as changes of the rules are.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.identity.staff import nobody_else, same_person, tell_alone
from daozhang.offers import codes
from daozhang.offers.model import Campaign, Terms
from daozhang.offers.quote import tiers_of
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.offers")

ALONE_WAITS = timedelta(hours=24)
MAY = "offer.approve"
ALONE_FEN = 1_000_000
"""The largest budget that one person alone may put in force."""
LONGEST = timedelta(days=400)
MOST_COUPONS = 10_000
MOST_LISTED = 500
_COLUMNS = Campaign.__struct_fields__


@dataclass(frozen=True, slots=True)
class Issued:
    """A coupon, with its code for the one time that it is shown."""

    id: UUID
    code: str
    expires_at: datetime


async def propose(database: Database, shop_id: int, terms: Terms, actor: str) -> int:
    """Put a campaign forward; its number. Nothing is given until somebody else approves it. Raises `offers.malformed`."""
    _check(terms, actor)

    async def work(tx: Tx) -> int:
        at = clock.now()
        number: int = await tx.value(
            sql.propose_campaign, shop_id, at, terms.form, terms.name_zh.strip(), terms.name_en.strip(), terms.begins_at,
            terms.ends_at, [tier.from_fen for tier in terms.tiers], [tier.bonus_fen for tier in terms.tiers], terms.budget_fen,
            terms.user_fen, terms.user_count, terms.stacks, actor,
        )  # fmt: skip
        await _tell(tx, shop_id, at, actor, "proposed", number)
        await tell_alone(tx, shop_id, MAY, f"offer:{number}")
        return number

    return await database.transact(work)


async def approve(database: Database, shop_id: int, campaign_id: int, actor: str) -> None:
    """Let a campaign run in its time. Raises `operation.not_found`, `offers.not_proposed`, `offers.second_person`."""

    async def work(tx: Tx) -> None:
        row = await tx.row(sql.lock_campaign, shop_id, campaign_id)
        if row is None:
            raise Refusal("operation.not_found")
        at = clock.now()
        if row["state"] != "proposed" or not actor.strip():
            raise Refusal("offers.not_proposed")
        waited = at - row["proposed_at"]
        alone = same_person(row["proposed_by"], actor)
        early = waited < ALONE_WAITS or row["budget_fen"] > ALONE_FEN
        if alone and (early or not await nobody_else(tx, shop_id, MAY)):
            raise Refusal("offers.second_person", wait_s=max(1, int((ALONE_WAITS - waited).total_seconds())), limit_fen=ALONE_FEN)
        assert await tx.value(sql.approve_campaign, shop_id, at, campaign_id, actor), campaign_id
        await _tell(tx, shop_id, at, actor, "approved", campaign_id)

    await database.transact(work)


async def stop(database: Database, shop_id: int, campaign_id: int, actor: str, why: str) -> None:
    """End a campaign now: nobody is promised anything any more. What was promised before is kept. Raises `Refusal`."""

    async def work(tx: Tx) -> None:
        row, at = await tx.row(sql.lock_campaign, shop_id, campaign_id), clock.now()
        if row is None:
            raise Refusal("operation.not_found")
        if row["state"] == "stopped":
            raise Refusal("offers.not_proposed")
        await tx.value(sql.stop_campaign, shop_id, at, campaign_id, actor, why[:200])
        await _tell(tx, shop_id, at, actor, "stopped", campaign_id)

    await database.transact(work)


async def issue(
    database: Database, shop_id: int, campaign_id: int, count: int, actor: str, *, user_id: int | None = None,
    expires_at: datetime | None = None,
) -> list[Issued]:  # fmt: skip
    """Issue coupons; their worth is taken from the budget now, so that each of them is good. The codes are shown this once.

    With `user_id` only that user can use them. Raises `offers.malformed`, `offers.budget`, `operation.not_found`.
    """
    if not 1 <= count <= MOST_COUPONS:
        raise Refusal("offers.malformed", field="count")

    async def work(tx: Tx) -> list[Issued]:
        row, at = await tx.row(sql.lock_campaign, shop_id, campaign_id), clock.now()
        if row is None or row["form"] != "coupon" or row["state"] != "running":
            raise Refusal("operation.not_found")
        until = min(expires_at or row["ends_at"], row["ends_at"])
        if until <= at:
            raise Refusal("offers.malformed", field="expires_at")
        made = [(new, codes.code_of(new) if user_id else codes.new_code()) for new in ids.new_ids(count)]
        hashes = [codes.digest(code) for _, code in made]
        tails = [code[-4:] for _, code in made]
        done = await tx.value(
            sql.issue_coupons, shop_id, at, campaign_id, [new for new, _ in made], hashes, tails, user_id, until, actor
        )
        if done is None:
            raise Refusal("offers.budget", left_fen=row["budget_fen"] - row["used_fen"])
        await _tell(tx, shop_id, at, actor, "issued", campaign_id, count)
        return [Issued(new, code, until) for new, code in made]

    return await database.transact(work)


async def listed(database: Database, shop_id: int) -> list[Campaign]:
    """Every campaign, newest first, with what became of it."""
    rows = await database.rows(sql.campaigns, shop_id, MOST_LISTED)
    return [Campaign(**{**{name: row[name] for name in _COLUMNS if name != "tiers"}, "tiers": tiers_of(row)}) for row in rows]


def _check(terms: Terms, actor: str) -> None:
    starts, gifts = [tier.from_fen for tier in terms.tiers], [tier.bonus_fen for tier in terms.tiers]
    rising = starts == sorted(set(starts)) and gifts == sorted(gifts)
    rules: dict[str, bool] = {
        "name_zh": 1 <= len(terms.name_zh.strip()) <= 40,
        "name_en": 1 <= len(terms.name_en.strip()) <= 80,
        "ends_at": terms.begins_at < terms.ends_at <= terms.begins_at + LONGEST,
        "tiers": 1 <= len(terms.tiers) <= 12 and rising and (terms.form == "bonus" or len(terms.tiers) == 1),
        "bonus_fen": all(0 < gift <= start <= 9_999_999_999 for start, gift in zip(starts, gifts, strict=True)),
        "budget_fen": bool(gifts) and gifts[-1] <= terms.budget_fen <= 9_999_999_999,
        "user_fen": terms.user_fen is None or 0 < terms.user_fen <= terms.budget_fen,
        "user_count": terms.user_count is None or 0 < terms.user_count <= 1_000,
        "actor": 1 <= len(actor.strip()) <= 64,
    }
    for field, holds in rules.items():
        if not holds:
            raise Refusal("offers.malformed", field=field)


async def _tell(tx: Tx, shop_id: int, at: datetime, actor: str, what: str, campaign_id: int, count: int | None = None) -> None:
    counted = f',"count":{count}' if count is not None else ""
    event = events.Event(f"offer.{what}", None, None, f'{{"campaign_id":{campaign_id}{counted}}}')
    await events.append(tx, shop_id, at, actor, [event])
