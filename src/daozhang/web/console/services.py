"""What the desk needs beside the services of the front: handed in once, when the program starts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from daozhang.events.interface_log import InterfaceLog
from daozhang.identity.staff import Staff
from daozhang.recharge.payout import Payouts
from daozhang.vault import Vault


class DemoLogin(NamedTuple):
    """A login that a demo shows on its own login page."""

    name: str
    password: str
    roles: str


@dataclass
class Console:
    """The services. `demo_logins` is filled by a demo and by nothing else."""

    staff: Staff
    payouts: Payouts
    interface_log: InterfaceLog
    vault: Vault
    demo_logins: Sequence[DemoLogin] = ()
    demo_code: Callable[[str], Awaitable[str]] | None = None
