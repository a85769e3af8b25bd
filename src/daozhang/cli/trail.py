"""What is changed at the command line is a line of the same trail as what is done at the desk."""

import contextlib
import re
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

from daozhang.cli.frame import PEOPLE

ROLES = frozenset({"owner", "support", "risk", "finance", "aml", "developer"})
READS = frozenset({"list", "show", "stats", "backtest", "suspensions", "code"})
"""Commands that only tell. Whatever else is on the trail, so that a new command is on it before anybody thinks of it."""
GROUPS_IN_GROUPS = frozenset({"maintenance"})
SHOP = 1
_WORD = re.compile(r"[a-z][a-z-]{0,24}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}", re.ASCII)
_NUMBER = re.compile(r"(?:RC|CA)-[0-9A-Z]{26}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{1,6}", re.ASCII)
_UNSAID = "--code"
"""The option whose value stands nowhere: a code of a second factor."""


def deed_of(words: list[str]) -> tuple[str, str, str] | None:
    """Action, subject and who was named, of a command line; None for one that only tells. Texts and files are left out of it."""
    depth = 3 if len(words) > 2 and words[1] in GROUPS_IN_GROUPS else 2
    command = words[:depth]
    told = pairwise(["", *words[depth:]])
    rest = [word for before, word in told if _UNSAID not in (before, word) and not word.startswith(f"{_UNSAID}=")]
    if len(command) < 2 or not all(_WORD.fullmatch(word) for word in command) or command[-1] in READS:
        return None
    subject = next((word for word in rest if _NUMBER.fullmatch(word)), "")
    if command[0] == "staff" and rest and _NAME.fullmatch(rest[0]):
        return f"staff.{command[1]}", f"staff:{rest[0]}", " ".join(word for word in rest[1:] if word in ROLES)
    named = next((f"{option[2:]} {who}" for option, who in pairwise(rest) if option in PEOPLE), "")
    return f"{command[0]}.{'_'.join(command[1:]).replace('-', '_')}", subject, named


def operator() -> str:
    """Who sits at the terminal, as the machine knows them."""
    import getpass

    return f"cli:{getpass.getuser()}"[:64]


@contextlib.asynccontextmanager
async def noted(database: Any) -> AsyncIterator[None]:
    """Do what the command line says, with its line before and its outcome after."""
    from daozhang.events.audit import Doer, doing

    deed = deed_of(sys.argv[1:])
    if deed is None:
        yield
        return
    action, subject, named = deed
    async with doing(database, Doer(SHOP, operator(), door="cli"), action, subject, reason=named):
        yield
