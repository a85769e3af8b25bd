"""The commands of payouts: money whose way back is closed, paid by hand to an account of the same name, by two people."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from cyclopts import App

from daozhang.cli.frame import Failed, app, say, say_json
from daozhang.cli.order import on_order, on_program
from daozhang.cli.signed import signed

payout = App(name="payout", help="Pay money back by hand where its way back is closed: one person proposes, another approves.")
app.command(payout)


@payout.command
def propose(number: str, amount: str, file: Path, why: str, /, *, actor: str, code: str = "", json: bool = False) -> None:
    """Set money of a credited order aside, to be paid to an account of the verified name.

    Args:
        number: the order as the buyer sees it, RC-...
        amount: yuan, such as 12.50.
        file: JSON with name, bank and number of the account; `-` reads standard input.
        why: for the record.
        actor: who proposes it: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
        json: end with one JSON line.
    """
    import msgspec

    from daozhang.money import MalformedAmount, parse_yuan
    from daozhang.recharge.payout import Payee

    try:
        payee = msgspec.json.decode(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes(), type=Payee)
        amount_fen = parse_yuan(amount)
    except OSError as fault:
        raise Failed(f"{file} cannot be read: {fault.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Failed('the account is JSON such as {"name": ..., "bank": ..., "number": ...}') from None
    except MalformedAmount:
        raise Failed("the amount is yuan with at most two decimals, such as 12.50") from None

    async def work(program: Any, order_id: UUID) -> UUID:
        who = await signed(program.database, program.vault, actor, "payout.propose", code)
        made: UUID = await program.payouts.propose(order_id, amount_fen, payee, why, who)
        return made

    payout_id = on_order(number, work)
    _said(json, f"payout {payout_id} waits for a second person", id=payout_id)


@payout.command(name="list")
def list_payouts(*, json: bool = False) -> None:
    """List what waits for a second person, or to be paid.

    Args:
        json: end with one JSON line.
    """
    rows = on_program(lambda program: program.payouts.waiting())
    if json:
        say_json(payouts=rows)
        return
    from daozhang.money import yuan
    from daozhang.recharge.view import shown

    for row in rows:
        second = f", approved by {row.decided_by}" if row.decided_by else ""
        say(f"{row.id}  {row.state:8}  ¥{yuan(row.amount_fen)}  {shown(row.order_id)}  to an account ending in {row.payee_tail}")
        say(f"    proposed by {row.proposed_by}{second}: {row.why}")


@payout.command
def approve(payout_id: str, /, *, actor: str, code: str = "", json: bool = False) -> None:
    """Approve a payout as the second person. Where nobody else could, who proposed it may a day later, up to 5,000 yuan a day.

    Args:
        payout_id: as `payout list` shows it.
        actor: who approves: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
        json: end with one JSON line.
    """

    async def work(program: Any, known: UUID) -> None:
        await program.payouts.approve(known, await signed(program.database, program.vault, actor, "payout.approve", code))

    _decided(payout_id, work, "approved; it can be paid now", json)


@payout.command
def reject(payout_id: str, why: str, /, *, actor: str, json: bool = False) -> None:
    """Reject a payout: the money is the user's to spend again.

    Args:
        payout_id: as `payout list` shows it.
        why: for the record.
        actor: who rejects.
        json: end with one JSON line.
    """
    _decided(payout_id, lambda program, known: program.payouts.reject(known, actor, why), "rejected; it is balance again", json)


@payout.command
def account(payout_id: str, /, *, actor: str, json: bool = False) -> None:
    """Show the account in clear, to whoever pays an approved payout at the bank. The look is on record.

    Args:
        payout_id: as `payout list` shows it.
        actor: who looks.
        json: end with one JSON line.
    """
    payee = on_program(lambda program: program.payouts.payee(_id(payout_id), actor))
    if json:
        say_json(name=payee.name, bank=payee.bank, number=payee.number)
    else:
        say(f"{payee.name}  {payee.bank}  {payee.number}")


@payout.command
def paid(payout_id: str, reference: str, /, *, actor: str, json: bool = False) -> None:
    """Book that an approved payout was paid at the bank.

    Args:
        payout_id: as `payout list` shows it.
        reference: the bank's own number of the payment.
        actor: who paid it.
        json: end with one JSON line.
    """
    _decided(payout_id, lambda program, known: program.payouts.paid(known, actor, reference), "booked as paid", json)


@payout.command
def bounced(payout_id: str, why: str, /, *, actor: str, json: bool = False) -> None:
    """Book that the bank sent a paid payout back: the money is the user's to spend again.

    Args:
        payout_id: as it was proposed.
        why: for the record.
        actor: who saw it.
        json: end with one JSON line.
    """
    _decided(payout_id, lambda program, known: program.payouts.bounced(known, actor, why), "booked as sent back", json)


def _decided(payout_id: str, work: Callable[[Any, UUID], Awaitable[None]], said: str, json: bool) -> None:  # noqa: FBT001
    known = _id(payout_id)
    on_program(lambda program: work(program, known))
    _said(json, said, id=known)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Failed("a payout's id looks like 01a21f4c-7a29-7622-9b52-a052da205c0c") from None


def _said(json: bool, text: str, **facts: Any) -> None:  # noqa: FBT001
    if json:
        say_json(**facts)
    else:
        say(text)
