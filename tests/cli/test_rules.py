"""The commands of rules, regions and campaigns, as the people of a shop meet them at a terminal."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.test_server import last_line
from tests.cli.test_signed import code, hire
from tests.flows.conftest import enrolment, shop  # noqa: F401 -- fixtures of the flows
from tests.flows.shop import PHONE, Shop

from daozhang import clock
from daozhang.policy import regulation


def test_rules_regions_and_campaigns_take_two_people(command: Command, tmp_path: Path) -> None:
    people = {name: hire(command, name, "owner") for name in ("anna", "ben", "cai", "dai", "eva", "gao")}

    def by(option: str, name: str, ahead: int = 0) -> tuple[str, ...]:
        return option, name, "--code", code(people[name.lower()], ahead)

    _, shown, _ = command("policy", "show")
    wanted = json.loads(shown)
    wanted["risk"]["large_count"] = 4
    file = tmp_path / "book.json"
    file.write_text(json.dumps(wanted))
    status, said, wrong = command("policy", "propose", str(file), "one fewer", *by("--author", "anna"), "--json")
    assert status == 0, wrong
    proposal = str(last_line(said)["proposal"])
    status, _, wrong = command("policy", "approve", proposal, *by("--approver", "Anna", 1))
    assert (status, "second" in wrong.lower()) == (1, True), wrong
    assert command("policy", "approve", proposal, *by("--approver", "ben"))[0] == 0
    assert json.loads(command("policy", "show")[1])["risk"]["large_count"] == 4
    in_force = last_line(command("policy", "show", "--json")[1])
    assert (in_force["version"], in_force["parameters"]["risk"]["large_count"]) == (2, 4)
    begins, ends = (f"{clock.now() + timedelta(days=days):%Y-%m-%dT%H:%M}+08:00" for days in (2, 9))
    row = ("46", "aggregator", "ref 7", "--notice-zh", "公告", "--notice-en", "notice", "--in-flight", "finish", "--begins", begins)
    status, said, wrong = command("region", "add", *row, *by("--author", "cai"), "--json")
    assert status == 0, wrong
    number = str(last_line(said)["id"])
    status, _, wrong = command("region", "approve", number, *by("--approver", "cai", 1))
    assert (status, "regulation.second_person" in wrong) == (1, True), wrong
    assert command("region", "approve", number, *by("--approver", "ben", 1))[0] == 0
    assert [each["state"] for each in last_line(command("region", "list", "--json")[1])["rules"]] == ["waiting"]
    assert not last_line(command("region", "end", number, "over", *by("--actor", "dai"), "--json")[1])["ended"]
    assert last_line(command("region", "end", number, "over", *by("--actor", "eva"), "--json")[1])["ended"]
    terms = ("充送", "bonus", "--tier", "100=10", "--budget", "500", "--begins", begins, "--ends", ends)
    status, said, wrong = command("offer", "create", *terms, *by("--author", "gao"), "--json")
    assert status == 0, wrong
    campaign = str(last_line(said)["id"])
    status, _, wrong = command("offer", "approve", campaign, *by("--approver", "gao", 1))
    assert (status, "offers.second_person" in wrong) == (1, True), wrong
    assert command("offer", "approve", campaign, *by("--approver", "dai", 1))[0] == 0
    assert command("offer", "stop", campaign, "enough", "--actor", "anna")[0] == 0
    assert command("region", "declare", "13900000000", "46", "--actor", "anna")[0] == 1


async def test_a_region_is_kept_by_one_person_and_changed_by_two(command: Command, shop: Shop) -> None:  # noqa: F811
    """Its user may choose it once in thirty days, since the law's closings go by it: nobody undoes that alone."""

    async def declare(region: str, *words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(command, "region", "declare", PHONE, region, "moved", *words, "--json")

    async def is_now() -> str:
        return await regulation.declared(shop.program.database, shop.user_id)

    sue, rita = [await asyncio.to_thread(hire, command, name, role) for name, role in (("sue", "support"), ("rita", "risk"))]
    status, _, wrong = await declare("99", "--actor", "sue", "--code", code(sue))
    assert (status, "regulation.malformed" in wrong) == (1, True), wrong
    status, said, wrong = await declare("44", "--actor", "sue", "--code", code(sue))
    assert (status, last_line(said)["became"], await is_now()) == (0, "kept", "44"), wrong
    status, said, wrong = await declare("31", "--actor", "sue", "--code", code(sue, 1))
    assert (status, last_line(said)["became"], await is_now()) == (0, "proposed", "44"), wrong
    status, _, wrong = await declare("31", "--actor", "sue", "--code", code(sue, 1))
    assert (status, "staff.forbidden" in wrong, await is_now()) == (1, True, "44"), wrong
    status, _, wrong = await declare("32", "--actor", "rita", "--code", code(rita))
    assert (status, "cases.not_waiting" in wrong, await is_now()) == (1, True, "44"), "another one waits"
    status, said, wrong = await declare("31", "--actor", "rita", "--code", code(rita, 1))
    assert (status, last_line(said)["became"], await is_now()) == (0, "kept", "31"), wrong
