"""Maintenance and suspension from the command line, as the person on call does it."""

from pathlib import Path

from tests.cli.test_server import daozhang, last_line, place

__all__ = ["place"]


def test_the_person_on_call_suspends_a_class_and_resumes_it(place: Path) -> None:
    data = place / "data"
    status, said, wrong = daozhang(
        data, "channel", "suspend", "--channel-class", "aggregator", "--reference", "令 2026-17", "--reason", "order", "--json"
    )
    assert status == 0, wrong
    made = last_line(said)["id"]
    _, said, _ = daozhang(data, "channel", "suspensions", "--json")
    (listed,) = last_line(said)["suspensions"]
    assert (listed["id"], listed["channel_class"], listed["reference"]) == (made, "aggregator", "令 2026-17")
    status, said, wrong = daozhang(data, "channel", "resume", made)
    assert status == 0, wrong
    status, _, wrong = daozhang(data, "channel", "maintenance", "add", "1", "now", "90m")
    assert status == 1
    assert "channel.unknown" in wrong
    status, _, wrong = daozhang(data, "channel", "maintenance", "add", "1", "soon", "90m")
    assert (status, "is no moment" in wrong) == (1, True)
