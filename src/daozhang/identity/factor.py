"""A user's second factor: whether it is asked for, whether a code is right, and the ticket between the two steps of a login.

A code is one of the authenticator's (`totp`) or one of the recovery codes, each of which opens once. Wrong ones count for the same
pause as wrong passwords (`lockout`): whoever calls takes a try first.
"""

import base64
import binascii
import re
import secrets
from datetime import datetime

import msgspec

from daozhang import clock
from daozhang.identity import totp
from daozhang.identity.tokens import token_hash
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Unreadable, Vault

sql = statements("daozhang.identity")

TICKET_S = 300
"""How long a right password waits for its second step."""
_AAD = "identity:ticket"
_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_RECOVERY = re.compile(rf"[{_LETTERS}]{{10}}", re.ASCII)


class Ticket(msgspec.Struct, frozen=True):
    """The first step was right: whose, until when, and the password it was right for. `new_hash` waits to replace it."""

    shop_id: int
    user_id: int
    changed_at: datetime
    until_s: float
    new_hash: str | None = None

    def __repr__(self) -> str:
        """Never shows a hash."""
        return f"Ticket(user_id={self.user_id})"


class FactorNeeded(Refusal):
    """Right so far: the second factor is asked for, and `ticket` leads to it."""

    def __init__(self, ticket: str) -> None:
        super().__init__("account.factor_needed")
        self.ticket = ticket


async def asked(database: Database, user_id: int, device_token: str, *, always: bool = False) -> bool:
    """Whether logging in takes the second factor: the user has one, and never logged in with this browser (or `always`)."""
    return bool(await database.value(sql.factor_asked, user_id, token_hash(device_token) or b"", always))


async def right(database: Database, vault: Vault, user_id: int, code: str) -> bool:
    """Whether this is a code of the factor in force. A right one is used up, however many ask with it at the same time."""
    row = await database.row(sql.factor_in_force, user_id)
    if row is None:
        return False
    step = totp.taken_step(vault.unseal_text(row["secret_sealed"], place_of(user_id)), code[:64], clock.now_s())
    if step is not None:
        return bool(await database.transact(lambda tx: tx.value(sql.take_factor_step, user_id, step)))
    plain = plain_code(code)
    if not _RECOVERY.fullmatch(plain):
        return False
    return bool(await database.transact(lambda tx: take_recovery(tx, vault, user_id, plain)))


async def take_recovery(tx: Tx, vault: Vault, user_id: int, plain: str) -> bool:
    """Use a recovery code up; False when it is none, or was used."""
    return bool(await tx.value(sql.take_recovery_code, user_id, blind(vault, user_id, plain), clock.now()))


def new_recovery_code() -> str:
    """Ten letters and digits that nobody confuses: 49 random bits, behind a pause after five wrong ones."""
    return "".join(secrets.choice(_LETTERS) for _ in range(10))


def plain_code(code: str) -> str:
    """A recovery code as it is kept: capital letters, no blanks, no dashes."""
    return "".join(code[:64].split()).replace("-", "").upper()


def blind(vault: Vault, user_id: int, plain: str) -> bytes:
    """What the database keeps of a recovery code."""
    return vault.blind("recovery", f"{user_id} {plain}")


def place_of(user_id: int) -> str:
    """Where a user's secret is sealed to."""
    return f"factors:secret:{user_id}"


def sealed(vault: Vault, ticket: Ticket) -> str:
    """A ticket as it stands in a form: nobody but us can read or make one."""
    return base64.urlsafe_b64encode(vault.seal(msgspec.json.encode(ticket), _AAD)).decode()


def opened(vault: Vault, shop_id: int, text: str) -> Ticket:
    """The ticket of a form. Raises `account.factor_stale` for one that is over, of another shop, or none of ours."""
    try:
        ticket = msgspec.json.decode(vault.unseal(base64.b64decode(text[:2_000], "-_", validate=True), _AAD), type=Ticket)
    except (binascii.Error, ValueError, Unreadable):
        raise Refusal("account.factor_stale") from None
    if ticket.shop_id != shop_id or ticket.until_s < clock.now_s():
        raise Refusal("account.factor_stale")
    return ticket
