"""What a command cannot be given is a sentence, an exit status and, for a program, a line of JSON; nothing is looked for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.ready import Ready

from daozhang.cli.frame import LONGEST_WHY, LONGEST_WORD, MOST


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("nonsense",), 'Unknown command "nonsense"'),
        (("order", "show"), "requires an argument"),
        (("channel", "enable", "x"), "unable to convert"),
        (("channel", "enable", str(MOST + 1)), f"at most {MOST}"),
        (("channel", "retire", "1", "99999999999999999999"), f"at most {MOST}"),
        (("goods", "alarm", "1", str(-MOST - 1)), f"at most {MOST}"),
        (("order", "show", "a" * (LONGEST_WORD + 1)), "word 3 of the command is longer"),
        (("order", "show", "\udcff"), "word 3 of the command is no text"),
        (("order", "fraud", "RC-1", "x", "--actor", ""), "--actor is a name"),
        (("announce", "add", "x", "x", "x", "x", "--author= "), "--author is a name"),
    ],
)
def test_what_no_command_takes_is_told_and_opens_nothing(ready: Ready, tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    for asked in (words, (*words, "--json")):
        status, said, wrong = ready.run(tmp_path / "data", *asked)
        assert (status, "Traceback" in wrong, len(wrong) < 2 * LONGEST_WHY) == (2, False, True), wrong
        if "--json" in asked:
            told = json.loads(said.splitlines()[-1])
            assert (told["ok"], why in told["error"]) == (False, True), told
        else:
            assert said == ""
            assert wrong
    assert not (tmp_path / "data").exists()


LISTS = (
    "from daozhang.cli import frame; frame.COMMANDS = (); frame.app.command(lambda: [frame.say('x') for _ in range(99)], name='x')"
)


@pytest.mark.parametrize(("place", "why"), [("/dev/full", "No space left on device"), ("pipe", ""), ("closed", "")])
def test_what_nobody_can_read_is_no_trace(place: str, why: str) -> None:
    """A full disk is told; a reader that went away, as `head` does, and a stream that was closed are nobody's trouble."""
    script, closing = f"{LISTS}; frame.run(['x'])", place == "closed"
    ends = os.pipe()
    os.close(ends[0])
    said = os.open("/dev/full", os.O_WRONLY) if place == "/dev/full" else ends[1]
    command = [sys.executable, "-c", script]
    words = ["sh", "-c", 'exec "$@" >&-', "sh", *command] if closing else command
    ended = subprocess.run(words, stdout=said, stderr=subprocess.PIPE, text=True, check=False, timeout=600)
    os.close(ends[1])
    if said != ends[1]:
        os.close(said)
    assert (ended.returncode, "Traceback" in ended.stderr, why in ended.stderr) == (0 if closing else 1, False, True), ended.stderr
    assert bool(ended.stderr) is bool(why)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("order", "show", "bad", "--json"), 1),
        (("channel", "enable", "x", "--json"), 1),
        (("channel", "enable", "x"), 2),
        (("order", "fraud", "RC-1", "x", "--actor", "", "--json"), 1),
        (("--help",), 1),
        (("order", "--help"), 1),
        (("--version",), 1),
        (("doctor",), 1),
    ],
)
def test_on_a_full_disk_every_command_ends_without_a_trace(tmp_path: Path, words: tuple[str, ...], status: int) -> None:
    """What cannot be written is told to the person; where they cannot be told either, the status is all there is."""
    command = [sys.executable, "-m", "daozhang", *words]
    environment = {**os.environ, "DAOZHANG_DATA": str(tmp_path / "data")}
    with Path("/dev/full").open("w", encoding="ascii") as full:
        told = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=600, env=environment)
        mute = subprocess.run(command, stdout=full, stderr=full, check=False, timeout=600, env=environment)
        heard = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False, timeout=600, env=environment)
    assert (told.returncode, mute.returncode, "Traceback" in told.stderr) == (status, status, False), told.stderr
    assert ("cannot be written: No space left on device" in told.stderr) is (status == 1), told.stderr
    assert "--json" not in words or json.loads(heard.stdout)["ok"] is False


@pytest.mark.parametrize("much", [("--days", "99999999"), ("--begins", "9999-12-31T23:59+08:00")])
def test_a_time_beyond_every_calendar_is_a_sentence(ready: Ready, tmp_path: Path, much: tuple[str, str]) -> None:
    status, _, wrong = ready.run(tmp_path / "data", "announce", "add", "x", "x", "x", "x", *much)
    assert (status, wrong) == (1, "daozhang: it cannot stand until then: --days is too large\n")
