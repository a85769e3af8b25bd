"""The commands of offers: campaigns with four eyes, and coupons from their budget."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from cyclopts import App

from daozhang.cli.channel import on_database
from daozhang.cli.frame import Failed, app, say, say_json
from daozhang.cli.signed import signed

offer = App(name="offer", help="Campaigns that give a bonus on a recharge, and coupons: one person proposes, another approves.")
app.command(offer)

SHOP = 1


@offer.command
def create(
    name_zh: str, name_en: str, /, *, tier: list[str], budget: str, begins: str, ends: str, author: str, code: str = "",
    form: Literal["bonus", "coupon"] = "bonus", user_most: str = "", user_times: int | None = None, stacks: bool = False,
    json: bool = False,
) -> None:  # fmt: skip
    """Put a campaign forward; it gives nothing until somebody else approves it.

    Args:
        name_zh: its name in Chinese.
        name_en: its name in English.
        tier: `100=10`: recharge at least 100 yuan, get 10 on top; several for a bonus, one for coupons.
        budget: yuan that it may cost in all.
        begins: from when, such as 2026-12-01T00:00+08:00.
        ends: until when.
        author: who proposes it: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
        form: `bonus` for everybody who chooses it, or `coupon` for those who hold one.
        user_most: yuan that one user may get of it in all.
        user_times: how often one user may get it.
        stacks: it goes together with other offers that stack.
        json: end with one JSON line.
    """
    from daozhang.offers import campaigns
    from daozhang.offers.model import Terms, Tier

    pairs = [each.split("=") for each in tier]
    if any(len(pair) != 2 for pair in pairs):
        raise Failed("a tier is written 100=10: recharge 100 yuan, get 10 on top")
    tiers = tuple(Tier(_fen(start), _fen(gift)) for start, gift in pairs)
    most_fen = _fen(user_most) if user_most else None
    terms = Terms(
        form, name_zh, name_en, _moment(begins), _moment(ends), tiers, _fen(budget), user_fen=most_fen, user_count=user_times,
        stacks=stacks,
    )  # fmt: skip

    async def work(database: Any, vault: Any, _settings: Any) -> int:
        return await campaigns.propose(database, SHOP, terms, await signed(database, vault, author, "offer.propose", code))

    number = on_database(work)
    if json:
        say_json(id=number, state="proposed")
    else:
        say(f"campaign {number} is proposed; somebody else lets it run with: daozhang offer approve {number} --approver NAME")


@offer.command
def approve(campaign_id: int, /, *, approver: str, code: str = "", json: bool = False) -> None:
    """Let a campaign run in its time. The author alone has to wait a day, and only up to a budget of 10,000 yuan.

    Args:
        campaign_id: its number.
        approver: who approves it: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
        json: end with one JSON line.
    """
    from daozhang.offers import campaigns

    async def work(database: Any, vault: Any, _settings: Any) -> None:
        await campaigns.approve(database, SHOP, campaign_id, await signed(database, vault, approver, "offer.approve", code))

    on_database(work)
    say_json(id=campaign_id, state="running") if json else say(f"campaign {campaign_id} runs in its time")


@offer.command
def stop(campaign_id: int, why: str, /, *, actor: str = "operator", json: bool = False) -> None:
    """End a campaign now. What was promised before is kept.

    Args:
        campaign_id: its number.
        why: for the record.
        actor: who stops it.
        json: end with one JSON line.
    """
    from daozhang.offers import campaigns

    _done(lambda database: campaigns.stop(database, SHOP, campaign_id, actor, why))
    say_json(id=campaign_id, state="stopped") if json else say(f"campaign {campaign_id} is stopped")


@offer.command
def issue(
    campaign_id: int, /, *, count: int = 1, phone: str = "", expires: str = "", actor: str = "operator", json: bool = False
) -> None:
    """Issue coupons of a running campaign. Their codes are printed this once; only hashes are kept.

    Args:
        campaign_id: its number.
        count: how many.
        phone: the user whom they are for; without it whoever holds the code may use it.
        expires: until when they are good; by default as long as the campaign runs.
        actor: who issues them.
        json: end with one JSON line.
    """
    from daozhang.identity import Identity, Limiter
    from daozhang.offers import campaigns

    expires_at = _moment(expires) if expires else None

    async def work(database: Any, vault: Any, _settings: Any) -> Any:
        user_id = await _user(Identity(database, vault, Limiter(database)), phone) if phone else None
        if phone and user_id is None:
            raise Failed("nobody of this shop has that phone number")
        return await campaigns.issue(database, SHOP, campaign_id, count, actor, user_id=user_id, expires_at=expires_at)

    issued = on_database(work)
    if json:
        say_json(coupons=[{"id": each.id, "code": each.code, "expires_at": each.expires_at} for each in issued])
        return
    for each in issued:
        say(each.code)


@offer.command(name="list")
def list_offers(*, json: bool = False) -> None:
    """List the campaigns, newest first, with what they promised and gave.

    Args:
        json: end with one JSON line.
    """
    from daozhang.money import yuan
    from daozhang.offers import campaigns

    rows = _done(lambda database: campaigns.listed(database, SHOP))
    if json:
        say_json(campaigns=rows)
        return
    for row in rows:
        tiers = " ".join(f"{yuan(tier.from_fen)}={yuan(tier.bonus_fen)}" for tier in row.tiers)
        say(f"{row.id:>4}  {row.state:8} {row.form:6} {row.begins_at:%Y-%m-%d} to {row.ends_at:%Y-%m-%d}  {row.name_zh}  {tiers}")
        coupons = f", {row.coupons_used_count} of {row.coupons_count} coupons used" if row.form == "coupon" else ""
        given = f"¥{yuan(row.granted_fen)} given in {row.orders_count} orders"
        say(f"      ¥{yuan(row.used_fen)} of ¥{yuan(row.budget_fen)} taken, {given}{coupons}")
        stopped = f", stopped by {row.stopped_by}: {row.why}" if row.stopped_by else ""
        say(f"      proposed by {row.proposed_by}, approved by {row.approved_by or 'nobody yet'}{stopped}")


def _done(work: Callable[[Any], Awaitable[Any]]) -> Any:
    return on_database(lambda database, _vault, _settings: work(database))


async def _user(identity: Any, phone: str) -> int | None:
    try:
        found: int | None = await identity.find(SHOP, phone)
    finally:
        identity.hasher.close()
    return found


def _fen(text: str) -> int:
    from daozhang.money import MalformedAmount, parse_yuan

    try:
        return parse_yuan(text)
    except MalformedAmount:
        raise Failed(f"{text!r} is no amount of yuan such as 12.50") from None


def _moment(text: str) -> datetime:
    said = "a moment is written with its time zone, such as 2026-12-01T00:00+08:00"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Failed(said) from None
    if moment.tzinfo is None:
        raise Failed(said)
    return moment
