"""The frame of the command line: one app, one way to speak and one way to fail."""

import json as jsonlib
import sys
from importlib import import_module
from typing import Any, NoReturn

import msgspec
from cyclopts import App

from daozhang import __version__
from daozhang.settings import BadSetting

app = App(name="daozhang", help="The recharge desk of a shop for digital goods.", version=__version__)

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


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 not done (or `doctor` red, `prove` unclean), 2 a setting or argument is wrong."""
    for module in COMMANDS:
        import_module(module)
    try:
        app(arguments)
    except BadSetting as fault:
        _give_up(str(fault), 2, arguments)
    except Failed as fault:
        _give_up(str(fault), 1, arguments)
    except KeyboardInterrupt:
        sys.exit(130)


def _give_up(why: str, status: int, arguments: list[str] | None) -> NoReturn:
    """Say why to the person at the terminal, and to a program that asked for JSON in the line that it reads."""
    say_error(why)
    if "--json" in (sys.argv[1:] if arguments is None else arguments):
        say_json(ok=False, error=why)
    sys.exit(status)


def say(text: str) -> None:
    """One line to the person at the terminal."""
    sys.stdout.write(f"{text}\n")


def say_error(text: str) -> None:
    """One line to the person at the terminal, about what went wrong."""
    sys.stderr.write(f"daozhang: {text}\n")


def say_json(**facts: Any) -> None:
    """One JSON line: what `--json` ends with."""
    sys.stdout.write(jsonlib.dumps(msgspec.to_builtins(facts, enc_hook=str), ensure_ascii=False) + "\n")
