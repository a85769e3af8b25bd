"""The frame of the command line: one app, one way to speak and one way to fail."""

import json as jsonlib
import os
import sys
from importlib import import_module
from itertools import pairwise
from traceback import walk_tb
from typing import Any, NoReturn, TextIO

import msgspec
from cyclopts import App, CycloptsError, CycloptsPanel, Parameter

from daozhang import __version__
from daozhang.settings import BadSetting

MOST = 2**31 - 1
"""The largest number that anything is told: what the narrowest column takes, and more than there is of anything."""
PEOPLE = ("--actor", "--author", "--approver")
"""The options that name somebody for the record."""
LONGEST_WORD = 16_384
LONGEST_WHY = 2_000


def _bounded(_kind: Any, value: Any) -> None:
    if isinstance(value, int) and abs(value) > MOST:
        raise ValueError(f"a number here is at most {MOST}")


app = App(
    name="daozhang", help="The recharge desk of a shop for digital goods.", version=__version__,
    default_parameter=Parameter(validator=_bounded),
)  # fmt: skip

COMMANDS = tuple(
    f"daozhang.cli.{name}"
    for name in (
        "program", "channel", "provider", "key", "calendar", "order", "payout", "limit", "policy", "region", "goods", "announce",
        "offer", "agreement", "alarm", "anomaly", "staff", "server", "bench",
    )
)  # fmt: skip
"""The modules whose functions are commands: importing one adds them."""


class Failed(Exception):
    """A command could not do what it was asked; the message is for the person at the terminal."""


class Unheard(Exception):
    """What a command says cannot be written; the message says why, and is empty where its reader has read enough."""


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 not done (or `doctor` red, `prove` unclean), 2 a setting or argument is wrong."""
    for module in COMMANDS:
        import_module(module)
    try:
        try:
            _obey(sys.argv[1:] if arguments is None else arguments)
        except OSError as fault:
            # Help, version and lights are written by rich, which writes nowhere but to the terminal.
            if not [*walk_tb(fault.__traceback__)][-1][0].f_globals["__name__"].startswith("rich."):
                raise
            raise _unheard(fault) from None
    except Unheard as fault:
        _silence(sys.stdout)
        if str(fault):
            say_error(str(fault))
        sys.exit(1)


def _obey(words: list[str]) -> None:
    try:
        _check_words(words)
        app(words, exit_on_error=False, print_error=False)
    except CycloptsError as fault:
        _show(fault)
        _give_up(str(fault), 2, words, told=True)
    except BadSetting as fault:
        _give_up(str(fault), 2, words)
    except Failed as fault:
        _give_up(str(fault), 1, words)
    except KeyboardInterrupt:
        sys.exit(130)


def _check_words(words: list[str]) -> None:
    for place, word in enumerate(words, start=1):
        if len(word) > LONGEST_WORD:
            raise BadSetting(f"word {place} of the command is longer than {LONGEST_WORD} letters; long texts come in files")
        try:
            word.encode()
        except UnicodeEncodeError:
            raise BadSetting(f"word {place} of the command is no text in UTF-8") from None
    for option, name in (*pairwise(words), *(word.split("=", 1) for word in words if "=" in word)):
        if option in PEOPLE and not name.strip():
            raise BadSetting(f"{option} is a name: who does it stands on the record")


def _show(fault: CycloptsError) -> None:
    try:
        (fault.console or app.error_console).print(CycloptsPanel(fault))
    except OSError:
        _silence(sys.stderr)


def _give_up(why: str, status: int, words: list[str], *, told: bool = False) -> NoReturn:
    """Say why to the person at the terminal, and to a program that asked for JSON in the line that it reads."""
    why = why if len(why) <= LONGEST_WHY else f"{why[:LONGEST_WHY]}…"
    if not told:
        say_error(why)
    if "--json" in words:
        say_json(ok=False, error=why)
    sys.exit(status)


def say(text: str) -> None:
    """One line to the person at the terminal."""
    _write(sys.stdout, f"{text}\n")


def say_error(text: str) -> None:
    """One line to the person at the terminal, about what went wrong. Where that cannot be written nobody is left to be told."""
    try:
        _write(sys.stderr, f"daozhang: {text}\n")
    except Unheard:
        _silence(sys.stderr)


def say_json(**facts: Any) -> None:
    """One JSON line: what `--json` ends with."""
    _write(sys.stdout, jsonlib.dumps(msgspec.to_builtins(facts, enc_hook=str), ensure_ascii=False) + "\n")


def _write(to: TextIO | None, line: str) -> None:
    """Write at once, so that a full disk is known before the command ends. Whoever closed the stream wants to hear nothing."""
    if to is None:
        return
    try:
        to.write(line)
        to.flush()
    except OSError as fault:
        raise _unheard(fault) from None


def _unheard(fault: OSError) -> Unheard:
    return Unheard("" if isinstance(fault, BrokenPipeError) else f"what it says cannot be written: {fault.strerror}")


def _silence(stream: TextIO) -> None:
    """What it still holds cannot be written either when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
