"""What a command cannot be given is a sentence, an exit status and, for a program, a line of JSON; nothing is looked for."""

import json
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
