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
    for begins, ends in (
        ("soon", "90m"), ("now", "999999999h"), ("now", f"{'9' * 5_000}m"), ("9999-12-31 23:59", "2h"), ("0001-01-01", "2h"),
        ("9999-12-31T23:59+00:00", "9999-12-31T23:59+00:00"),
    ):  # fmt: skip
        status, _, wrong = command("channel", "maintenance", "add", "1", begins, ends)
        assert (status, "is no moment" in wrong, "Traceback" in wrong) == (1, True, False), wrong
    for days in ("-2147483647", "0", "2147483647"):
        assert command("policy", "stats", "--days", days)[0] == 0, days
