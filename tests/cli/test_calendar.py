"""Maintenance and suspension from the command line, as the person on call does it."""

from tests.cli.conftest import Command
from tests.cli.test_server import last_line


def test_the_person_on_call_suspends_a_class_and_resumes_it(command: Command) -> None:
    status, said, wrong = command(
        "channel", "suspend", "--channel-class", "aggregator", "--reference", "令 2026-17", "--reason", "order", "--json"
    )
    assert status == 0, wrong
    made = last_line(said)["id"]
    _, said, _ = command("channel", "suspensions", "--json")
    (listed,) = last_line(said)["suspensions"]
    assert (listed["id"], listed["channel_class"], listed["reference"]) == (made, "aggregator", "令 2026-17")
    status, said, wrong = command("channel", "resume", made)
    assert status == 0, wrong
    status, _, wrong = command("channel", "maintenance", "add", "1", "now", "90m")
    assert status == 1
    assert "channel.unknown" in wrong
    status, _, wrong = command("channel", "maintenance", "add", "1", "soon", "90m")
    assert (status, "is no moment" in wrong) == (1, True)
