"""What takes two takes two at the command line as well: two people with a second factor, not two names that one person types."""

import asyncio
import json
from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.test_server import last_line
from tests.flows.conftest import enrolment, shop  # noqa: F401 -- fixtures of the flows
from tests.flows.shop import Shop
from tests.flows.test_hold import held

from daozhang import clock
from daozhang.identity import totp
from daozhang.postgres import Database


def hire(command: Command, name: str, role: str) -> str:
    """A new person of the staff; the secret of their second factor."""
    status, said, wrong = command("staff", "add", name, "--role", role, "--json")
    assert status == 0, wrong
    return str(last_line(said)["secret"])


def code(secret: str, ahead: int = 0) -> str:
    return totp.code_of(secret, totp.step_at(clock.now_s()) + ahead)


def proposed(command: Command, tmp_path: Path, *words: str) -> tuple[int, str, str]:
    wanted = json.loads(command("policy", "show")[1])
    wanted["risk"]["large_count"] = 4
    file = tmp_path / "book.json"
    file.write_text(json.dumps(wanted))
    return command("policy", "propose", str(file), "one fewer", *words, "--json")


def test_a_name_that_is_typed_is_nobody_where_there_is_staff(command: Command, tmp_path: Path) -> None:
    anna, ben, sue = (hire(command, name, role) for name, role in (("anna", "owner"), ("ben", "risk"), ("sue", "support")))
    status, _, wrong = proposed(command, tmp_path, "--author", "anna")
    assert (status, "--code" in wrong) == (1, True), wrong
    for name, shown, reason in (
        ("ghost", code(anna), "unknown"),
        ("sue", code(sue), "forbidden"),
        ("anna", code(ben), "code_wrong"),
    ):
        status, _, wrong = proposed(command, tmp_path, "--author", name, "--code", shown)
        assert (status, f"staff.{reason}" in wrong) == (1, True), wrong
    status, said, wrong = proposed(command, tmp_path, "--author", "anna", "--code", code(anna))
    assert status == 0, wrong
    proposal = str(last_line(said)["proposal"])
    status, _, wrong = command("policy", "approve", proposal, "--approver", "ben", "--code", code(anna, 1))
    assert status == 1, "whoever proposed it cannot sign for a colleague"
    status, _, wrong = command("policy", "approve", proposal, "--approver", "anna", "--code", code(anna, 1))
    assert (status, "second" in wrong.lower()) == (1, True), wrong
    used = code(ben)
    assert command("policy", "approve", proposal, "--approver", "ben", "--code", used)[0] == 0
    assert json.loads(command("policy", "show")[1])["risk"]["large_count"] == 4
    status, _, wrong = command("policy", "approve", proposal, "--approver", "ben", "--code", used)
    assert (status, "code_wrong" in wrong) == (1, True), "a code opens once"


def test_without_staff_two_typed_names_are_one_person(command: Command, tmp_path: Path) -> None:
    status, said, wrong = proposed(command, tmp_path, "--author", "anna")
    assert status == 0, wrong
    proposal = str(last_line(said)["proposal"])
    for name in ("anna", "ben", "cli:ben"):
        status, _, wrong = command("policy", "approve", proposal, "--approver", name)
        assert (status, "second" in wrong.lower()) == (1, True), wrong


async def test_held_money_is_let_go_by_two_and_by_no_single_command(command: Command, shop: Shop) -> None:  # noqa: F811
    order, case = await held(shop)

    async def say(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(command, "order", *words)

    anna, ben = [await asyncio.to_thread(hire, command, name, "risk" if name == "ben" else "owner") for name in ("anna", "ben")]
    assert (await say("release", order.shown, "fits", "--actor", "anna"))[0] == 1
    status, said, wrong = await say("release", order.shown, "fits", "--actor", "anna", "--code", code(anna))
    assert (status, "another person" in said) == (0, True), wrong
    status, _, wrong = await say("release", order.shown, "fits", "--actor", "anna", "--code", code(anna, 1))
    assert (status, "cases.second_person" in wrong) == (1, True), wrong
    assert await shop.cash() == 0
    status, said, wrong = await say("release", order.shown, "seen", "--actor", "ben", "--code", code(ben))
    assert (status, "credited" in said) == (0, True), wrong
    assert await shop.cash() == 5_000
    closed = await shop.program.house.cases.case(case.id)
    assert closed is not None
    assert (closed.state, closed.verdict) == ("closed", "approved")
    assert (await say("release", order.shown, "again", "--actor", "ben"))[0] == 1


async def test_money_returned_by_hand_is_booked_by_a_second_person(command: Command, shop: Shop) -> None:  # noqa: F811
    order, _ = await held(shop)

    async def say(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(command, "order", *words)

    assert (await say("returned", order.shown, "at the counter", "--actor", "anna"))[0] == 0
    status, _, wrong = await say("returned", order.shown, "at the counter", "--actor", "ben")
    assert (status, "cases.second_person" in wrong) == (1, True), "two names, and whoever types both"
    assert (await shop.order(order.id)).state == "held"
    await shop.later(86_460)
    status, said, wrong = await say("returned", order.shown, "at the counter", "--actor", "anna")
    assert (status, "booked" in said) == (0, True), wrong
    assert (await shop.order(order.id)).state == "refunded"
    assert await shop.program.house.cases.open_about(1, "hold", order.shown) is None


async def test_a_command_beside_a_demo_leaves_its_clock_and_its_channels_alone(command: Command, owner_database: Database) -> None:
    await owner_database.transact(lambda tx: tx.run("update clock_offset set test_mode = true, offset_s = 86400"))
    await asyncio.to_thread(hire, command, "anna", "owner")
    status, said, wrong = await asyncio.to_thread(command, "staff", "code", "anna")
    assert (status, len(said.strip())) == (0, 6), wrong
    assert tuple(await owner_database.row("select test_mode, offset_s from clock_offset") or ()) == (True, 86_400.0)
