"""The commands of regulation: which class of channels may not be used where, written by one person and confirmed by another."""

from datetime import datetime
from typing import Any, Literal

from cyclopts import App

from daozhang.cli.channel import on_database
from daozhang.cli.frame import Failed, app, say, say_json
from daozhang.cli.order import on_program
from daozhang.cli.signed import signed

region = App(name="region", help="Regulation: classes of channels that may not be used in a region, from a moment on.")
app.command(region)

SHOP = 1


@region.command
def add(
    where: str, channel_class: str, reference: str, /, *, notice_zh: str, notice_en: str,
    in_flight: Literal["finish", "refund", "hold"],
    author: str, code: str = "", goods: str = "*", begins: str = "", ends: str = "", urgent: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Write a row. It holds once somebody else confirms it; an urgent one at once, for two days unless it is confirmed.

    Args:
        where: * for everywhere, the first digits of a code of GB/T 2260 (44), or a country (HK).
        channel_class: * for all, or wallet, card, aggregator, other.
        reference: the number of the document.
        notice_zh: what people read, with the alternatives that there are.
        notice_en: the same in English.
        in_flight: what becomes of money of orders that were there before: finish, refund or hold.
        author: who writes it: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
        goods: * for everything, wallet for recharges of a balance, or a class of goods.
        begins: from when, such as 2026-12-01T00:00+08:00; now by default.
        ends: until when; until it is ended by default.
        urgent: it holds at once.
        json: end with one JSON line.
    """
    from daozhang import clock
    from daozhang.policy import regulation

    from_at = _moment(begins) or clock.now()
    draft = regulation.Draft(
        where, channel_class, goods, reference, notice_zh, notice_en, in_flight, from_at, _moment(ends), urgent=urgent
    )

    async def work(database: Any, vault: Any, _settings: Any) -> int:
        return await regulation.propose(database, SHOP, draft, await signed(database, vault, author, "region.decide", code))

    number = on_database(work)
    if json:
        say_json(id=number, urgent=urgent)
    else:
        holds = "holds now, for two days unless it is confirmed" if urgent else "waits"
        say(f"row {number} {holds}; somebody else confirms it with: daozhang region approve {number} --approver NAME")


@region.command
def approve(rule_id: int, /, *, approver: str, code: str = "", json: bool = False) -> None:
    """Confirm a row. The author alone has to wait a day.

    Args:
        rule_id: its number.
        approver: who confirms it: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
        json: end with one JSON line.
    """
    from daozhang.policy import regulation

    async def work(database: Any, vault: Any, _settings: Any) -> None:
        await regulation.approve(database, SHOP, rule_id, await signed(database, vault, approver, "region.decide", code))

    on_database(work)
    say_json(id=rule_id, approved=True) if json else say(f"row {rule_id} is confirmed")


@region.command
def end(rule_id: int, why: str = "", /, *, actor: str, code: str = "", json: bool = False) -> None:
    """Ask that a row ends; the same command by somebody else, or a day later, ends it.

    Args:
        rule_id: its number.
        why: for the record.
        actor: who asks, or confirms: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
        json: end with one JSON line.
    """
    from daozhang.policy import regulation

    async def work(database: Any, vault: Any, _settings: Any) -> bool:
        return await regulation.end(database, SHOP, rule_id, await signed(database, vault, actor, "region.decide", code), why)

    over = on_database(work)
    if json:
        say_json(id=rule_id, ended=over)
    else:
        say(f"row {rule_id} is over" if over else f"row {rule_id} ends when somebody else says so with the same command")


@region.command(name="list")
def list_rules(*, json: bool = False) -> None:
    """List the rows, newest first.

    Args:
        json: end with one JSON line.
    """
    from daozhang.policy import regulation
    from daozhang.policy.regions import name_of

    rows = on_database(lambda database, _vault, _settings: regulation.listed(database, SHOP))
    if json:
        say_json(rules=rows)
        return
    for row in rows:
        what = f"{name_of(row.region, 'en')} / {row.channel_class} / {row.goods_class}"
        say(f"{row.id:>4}  {row.state:8}  {what}  from {row.from_at:%Y-%m-%d %H:%M}  in flight: {row.in_flight}  {row.reference}")


@region.command
def declare(phone: str, region: str, why: str = "", /, *, actor: str, code: str = "", json: bool = False) -> None:
    """Keep where a user says to live. Another region than was kept takes two: one proposes it, another gives the same command.

    Args:
        phone: the user's phone number.
        region: the first two digits of the code of the province.
        why: for the record.
        actor: who was told: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
        json: end with one JSON line.
    """

    async def work(program: Any) -> str:
        from daozhang.policy import regulation

        user_id = await program.house.identity.find(SHOP, phone)
        if user_id is None:
            raise Failed("nobody of this shop has that phone number")
        regulation.check_region(region)
        return await _declared(program, user_id, region, why, actor, code)

    became = on_program(work)
    told = {
        "kept": f"kept: {region}",
        "there": f"{region} was kept before",
        "proposed": "proposed; another person gives the same command",
    }
    say_json(region=region, became=became) if json else say(told[became])


async def _declared(program: Any, user_id: int, region: str, why: str, actor: str, code: str) -> str:
    from daozhang.cases import region as correction
    from daozhang.policy import regulation

    before = await regulation.declared(program.database, user_id)
    if before == region:
        return "there"
    cases = program.house.cases
    waits = await cases.open_about(SHOP, correction.KIND, f"user:{user_id}") if before else None
    second = waits is not None and waits.state == "second" and waits.facts.get("region") == region
    who = await signed(program.database, program.vault, actor, "case.confirm" if second else "user.region", code)
    if not before:
        await regulation.declare(program.database, SHOP, user_id, region, who)
        return "kept"
    if waits is not None and second:
        await cases.confirm(waits.id, who, why)
        return "kept"
    await correction.propose(program.database, cases, SHOP, user_id, region, who, f"{before} → {region}: {why}")
    return "proposed"


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    said = "a moment is written with its time zone, such as 2026-12-01T00:00+08:00"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Failed(said) from None
    if moment.tzinfo is None:
        raise Failed(said)
    return moment
