"""Who does at the command line what takes two: a person of the staff, by a code of their second factor.

A name that is only typed proves nothing, so two typed names are no two people. Where the shop has no staff at all, whoever sits
at the terminal is one person, whatever names are typed: the second half waits a day, as it does for anybody who is alone.
"""

import getpass
import sys
from typing import Any

from daozhang.cli.frame import Failed

SHOP = 1


async def signed(database: Any, vault: Any, name: str, permission: str, code: str) -> str:
    """How the person stands on the record. Raises `Failed` and what `Staff.signs` raises."""
    from daozhang.identity.hashing import Hasher
    from daozhang.identity.limits import Limiter
    from daozhang.identity.staff import TERMINAL, Staff

    if not name.strip():
        raise Failed("a name is needed: who does it stands on the record")
    hasher = Hasher()
    try:
        people = Staff(database, vault, Limiter(database), hasher)
        if not any(each.active for each in await people.listed(SHOP)):
            return f"{TERMINAL}{name.strip()}"[:64]
        return await people.signs(SHOP, name, permission, code or _asked(name))
    finally:
        hasher.close()


def _asked(name: str) -> str:
    if not sys.stdin.isatty():
        raise Failed("what takes two is signed with a code of the second factor: --code")
    return getpass.getpass(f"code of {name.strip()}'s second factor: ")
