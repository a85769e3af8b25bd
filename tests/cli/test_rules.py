"""The commands of rules, regions and campaigns, as the people of a shop meet them at a terminal."""

import json
from datetime import timedelta
from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.test_server import last_line
from tests.cli.test_signed import code, hire

from daozhang import clock


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
    assert command("region", "declare", "13900000000", "46")[0] == 1
