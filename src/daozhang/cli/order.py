"""The commands about one order: what happened, what was said to the channel, and what staff may do about its money."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from cyclopts import App

from daozhang.cli.channel import in_words
from daozhang.cli.frame import Failed, app, say, say_json
from daozhang.cli.server import settle
from daozhang.cli.signed import signed
from daozhang.cli.trail import noted

order = App(name="order", help="One order: show it, return its money, or decide about money that waits.")
app.command(order)


@order.command
def show(number: str, /, *, json: bool = False) -> None:
    """Show an order, each step of it, and what was said to its channel (redacted).

    Args:
        number: as the buyer sees it, RC-...
        json: end with one JSON line.
    """
    from daozhang.recharge.view import order_view

    async def work(program: Any, order_id: UUID) -> Any:
        return await order_view(program.database, order_id), await program.interface_log.of_order(order_id)

    view, said = on_order(number, work)
    if json:
        say_json(order=view, interface_log=said)
        return
    from daozhang.money import yuan

    say(f"{view.shown}  ¥{yuan(view.amount_fen)}  {view.state}  money: {view.money}  returned: ¥{yuan(view.gone_fen)}"
        + (f"  on its way back: ¥{yuan(view.going_fen)}" if view.going_fen else ""))  # fmt: skip
    if view.reason:
        say(f"reason: {view.reason} {view.native_code}")
    if view.anomalies:
        say(f"anomalies: {', '.join(view.anomalies)}")
    for refund in view.refunds:
        reason = f" {refund.reason}" if refund.reason else ""
        say(f"refund {refund.id}  ¥{yuan(refund.amount_fen)}  {refund.state}  {refund.origin} at {refund.kind}{reason}")
    for payout in view.payouts:
        say(f"payout by hand  ¥{yuan(payout.amount_fen)}  {payout.state}  account ending in {payout.tail}")
    for step in view.steps:
        say(f"  {step.at:%Y-%m-%d %H:%M:%S}  {step.what:22} {step.actor:10} {step.facts.get('why', '')}")
    for entry in said:
        took_ms = entry.duration_us / 1000
        answer = f"{entry.result:10} {entry.status or '-'} {took_ms:.0f} ms"
        say(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.operation:22} {answer}  {entry.trace}")


@order.command
def refund(number: str, amount: str, why: str, /, *, actor: str = "operator", checked: bool = False, json: bool = False) -> None:
    """Return money of a credited order to where it came from; it is taken from the user's balance first.

    Args:
        number: as the buyer sees it, RC-...
        amount: yuan, such as 12.50.
        why: the reason the payer reads, at most 80 characters.
        actor: who does it, for the record.
        checked: you looked at what the rules ask about (money just unfrozen); it goes once. A frozen account stays frozen.
        json: end with one JSON line.
    """
    from daozhang.money import MalformedAmount, parse_yuan
    from daozhang.reasons.refusal import Refusal

    try:
        amount_fen = parse_yuan(amount)
    except MalformedAmount:
        raise Failed("the amount is yuan with at most two decimals, such as 12.50") from None
    if amount_fen == 0:
        raise Failed("the amount is more than nothing, such as 12.50")
    if len(why) > 80:
        raise Failed("the payer reads at most 80 characters of why")
    view = on_order(number, lambda program, order_id: program.desk.refund(order_id, amount_fen, why, actor, checked=checked))
    if json:
        say_json(refund=view)
    if view.state == "failed":
        raise Failed(
            f"the channel did not take it, and the money is balance again: {in_words(Refusal(view.reason or 'refund.failed'))}"
        )
    if not json:
        ended = view.state == "done"
        say("returned by the channel" if ended else "the refund is on its way; the channel is asked until it has ended")


@order.command
def release(number: str, why: str, /, *, actor: str, code: str = "") -> None:
    """Credit money that is held, or keep a payment of another amount: one person proposes it, another one gives the same command.

    Args:
        number: as the buyer sees it, RC-...
        why: for the record.
        actor: who does it: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
    """
    say(_verdict(number, "approved", why, actor, code, "credited"))


@order.command
def reject(number: str, why: str, /, *, actor: str, code: str = "") -> None:
    """Send money that is held, or of another amount, back to where it came from: one proposes it, another gives the same command.

    Args:
        number: as the buyer sees it, RC-...
        why: the reason the payer reads, at most 80 characters.
        actor: who does it: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
    """
    say(_verdict(number, "rejected", why, actor, code, "on its way back; the channel is asked until it has ended"))


@order.command
def approve(number: str, why: str, /, *, actor: str = "operator") -> None:
    """Let an order go that is being asked about before its payment: a one-time pass, then every check again.

    Args:
        number: as the buyer sees it, RC-...
        why: for the record.
        actor: who does it, for the record.
    """
    on_order(number, lambda program, order_id: program.desk.resume.approve(order_id, actor, why))
    say("approved; the buyer can pay, unless another check stops it now")


@order.command
def refuse(number: str, why: str, /, *, actor: str = "operator") -> None:
    """Refuse an order that is being asked about before its payment.

    Args:
        number: as the buyer sees it, RC-...
        why: for the record.
        actor: who does it, for the record.
    """
    on_order(number, lambda program, order_id: program.desk.resume.refuse(order_id, actor, why))
    say("refused; nothing was paid")


@order.command
def returned(number: str, why: str, /, *, actor: str, code: str = "") -> None:
    """Book that money which another person proposed to send back was returned by hand: its channel is not asked for that.

    Args:
        number: as the buyer sees it, RC-...
        why: for the record.
        actor: who does it: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
    """
    say(_verdict(number, "rejected", why, actor, code, "booked as returned", by_hand=True))


@order.command
def unpaid(number: str, why: str, /, *, actor: str, code: str = "", json: bool = False) -> None:
    """End what its channel tells nothing about any more, after you looked it up there by hand and found no payment.

    Only a day after the payment's time, and the channel is asked once more. Where it once said that money came, a second person
    confirms by the same command. Nothing is booked: money that comes after all is credited.

    Args:
        number: the order as the buyer sees it, RC-...
        why: where you looked and what you found, for the record.
        actor: who says so: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
        json: end with one JSON line.
    """

    async def work(program: Any, order_id: UUID) -> Any:
        who = await signed(program.database, program.vault, actor, "order.refund", code)
        return await program.desk.stalled.end(order_id, why, who)

    became = on_order(number, work)
    if json:
        say_json(number=number, became=became)
    else:
        said = {"ended": "ended as unpaid; money that still comes is credited", "asked": "asked; it waits for a second person"}
        say(said.get(became, "the channel has answered meanwhile; see order show"))


@order.command
def keep(refund_id: str, why: str, /, *, actor: str, json: bool = False) -> None:
    """Give up a refund that waits at its channel for a person: the money is balance again, or held as before.

    Args:
        refund_id: as `order show` lists it.
        why: for the record.
        actor: who decides it.
        json: end with one JSON line.
    """
    try:
        known = UUID(refund_id)
    except ValueError:
        raise Failed("a refund's id looks like 01a21f4c-7a29-7622-9b52-a052da205c0c") from None
    state = on_program(lambda program: program.desk.refunds.keep(known, why, actor))
    if json:
        say_json(id=known, state=state)
    else:
        say("given up; the money is where it was before" if state == "failed" else f"the channel has ended it meanwhile: {state}")


@order.command
def freeze(number: str, authority: str, reference: str, /, *, review: str, until: str = "", actor: str, json: bool = False) -> None:
    """Keep held money by order of an authority, at once; given again for the same order it takes down the new dates.

    Args:
        number: the order as the buyer sees it, RC-...
        authority: who ordered it. The buyer is not told.
        reference: the number of its order. The buyer is not told.
        review: when it is to be reviewed at the latest, such as 2027-03-01, within a year; Shanghai time.
        until: when it ends, if it says so; then the money is held again by itself.
        actor: who does it.
        json: end with one JSON line.
    """
    from daozhang.recharge.freeze import Writ

    writ = Writ(authority, reference, _moment(review), _moment(until) if until else None)
    on_order(number, lambda program, order_id: program.desk.freezes.order(order_id, writ, actor))
    say_json(number=number, state="frozen_by_order") if json else say("frozen; nobody gets it until it ends or two people lift it")


@order.command
def lift(number: str, why: str, /, *, actor: str, code: str = "", json: bool = False) -> None:
    """End a freeze before its time: the first person asks, a second one confirms by the same command. The money is held again then.

    Args:
        number: the order as the buyer sees it, RC-...
        why: for the record.
        actor: who asks, or confirms: two people of the staff, or the only one a day later.
        code: that person's code; asked for where it is left out.
        json: end with one JSON line.
    """

    async def work(program: Any, order_id: UUID) -> Any:
        who = await signed(program.database, program.vault, actor, "order.freeze", code)
        return await program.desk.freezes.lift(order_id, who, why)

    lifted = on_order(number, work)
    if json:
        say_json(number=number, lifted=lifted)
    else:
        say("lifted; its case says what becomes of the money" if lifted else "asked; it waits for a second person")


@order.command
def fraud(number: str, why: str, /, *, actor: str, payer: bool = False, json: bool = False) -> None:
    """Confirm that the money of an order was a fraud's: its account has no small-amount budget for ninety days.

    Args:
        number: the order as the buyer sees it, RC-...
        why: for the record.
        actor: who confirms it.
        payer: hold whoever paid it from now on, too.
        json: end with one JSON line.
    """
    from daozhang.policy import losses

    def work(program: Any, order_id: UUID) -> Awaitable[None]:
        return losses.confirm(program.database, program.desk.shop_id, order_id, why, actor, payer_too=payer)

    on_order(number, work)
    if json:
        say_json(number=number, fraud=True)
    else:
        say("confirmed; small amounts of the account are tolerated no more for ninety days")


@order.command
def payer(number: str, why: str, /, *, actor: str, clear: bool = False, json: bool = False) -> None:
    """Flag whoever paid an order, so that further payments of theirs are held; `--clear` takes the flag away.

    Args:
        number: the order as the buyer sees it, RC-...
        why: for the record.
        actor: who does it.
        clear: take the flag away.
        json: end with one JSON line.
    """
    from daozhang.policy import payers

    on_order(number, lambda program, order_id: payers.flag(program.database, order_id, flagged=not clear, why=why, actor=actor))
    say_json(number=number, flagged=not clear) if json else say(
        "cleared" if clear else "flagged; the next payment of theirs is held"
    )


def _verdict(number: str, verdict: str, why: str, actor: str, code: str, done: str, *, by_hand: bool = False) -> str:
    """Propose a verdict about money that waits, or confirm it as the second person; what became of it."""

    async def work(program: Any, order_id: UUID) -> str:
        from daozhang.recharge.release import CASE
        from daozhang.recharge.release import returned as was_returned
        from daozhang.recharge.view import shown

        case = await program.house.cases.open_about(program.desk.shop_id, CASE, shown(order_id))
        if case is None:
            raise Failed("no money of this order waits for a decision")
        second = case.state == "second" and case.verdict == verdict
        who = await signed(program.database, program.vault, actor, "case.confirm" if second else "case.propose", code)
        if not second:
            await program.house.cases.propose(case.id, who, verdict, why)
            return "proposed; it is done when another person gives the same command"
        if by_hand:
            await was_returned(program.database, program.accounts, order_id, who, why, program.house.cases, case.id)
        else:
            await program.house.cases.confirm(case.id, who, why)
        return done

    told: str = on_order(number, work)
    return told


def _moment(text: str) -> Any:
    """A moment in Shanghai."""
    from datetime import datetime

    from daozhang.clock import SHANGHAI

    try:
        return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    except ValueError:
        raise Failed("a moment looks like 2027-03-01 or 2027-03-01 12:00") from None


def on_order(number: str, work: Callable[[Any, UUID], Awaitable[Any]]) -> Any:
    """Do something about an order with the program on its database, beside a running one. A refusal becomes a sentence."""
    from daozhang.recharge.view import order_view, parse_shown

    order_id = parse_shown(number)
    if order_id is None:
        raise Failed("an order's number is RC- and 26 letters or digits")

    async def there(program: Any) -> Any:
        if await order_view(program.database, order_id) is None:
            raise Failed("there is no such order")
        return await work(program, order_id)

    return on_program(there)


def on_program(work: Callable[[Any], Awaitable[Any]]) -> Any:
    """Do it with the program on its database, beside a running one. A refusal becomes a sentence."""
    from daozhang.app import open_program
    from daozhang.postgres.place import find_server
    from daozhang.reasons.refusal import Refusal
    from daozhang.serve import beside, prepare
    from daozhang.settings import read_settings

    settings = read_settings()

    async def done() -> Any:
        async with find_server(settings) as server:
            await prepare(settings, server, beside=True)
            same = await beside(settings, server)
            async with open_program(same, server.dsn("app"), server.direct(), work=False) as program, noted(program.database):
                return await work(program)

    try:
        return settle(done())
    except Refusal as refusal:
        raise Failed(in_words(refusal)) from None
