"""The frame of the command line: one app, one way to speak and one way to fail."""

import json as jsonlib
import sys
from importlib import import_module
from typing import Any

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
        say_error(str(fault))
        sys.exit(2)
    except Failed as fault:
        say_error(str(fault))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def say(text: str) -> None:
    """One line to the person at the terminal."""
    sys.stdout.write(f"{text}\n")


def say_error(text: str) -> None:
    """One line to the person at the terminal, about what went wrong."""
    sys.stderr.write(f"daozhang: {text}\n")


def say_json(**facts: Any) -> None:
    """One JSON line: what `--json` ends with."""
    sys.stdout.write(jsonlib.dumps(msgspec.to_builtins(facts, enc_hook=str), ensure_ascii=False) + "\n")
