"""Opening a session inside a transaction: for a user who logged in, and for staff when the console comes."""

from daozhang import ids
from daozhang.identity.model import Lifetime, LoggedIn, Visitor
from daozhang.identity.tokens import new_token, token_hash
from daozhang.postgres import Tx, statements
from daozhang.vault import Vault

_AGENT_LETTERS = 120
MOST_SESSIONS = 50
"""Living sessions of one user; the one used longest ago makes room for a new one."""


async def open_session(
    tx: Tx, vault: Vault, shop_id: int, user_id: int, visitor: Visitor, lifetime: Lifetime, *, staff: bool = False
) -> LoggedIn:
    """A new session with a new token. The browser keeps its device token only if we made it: a planted one is replaced."""
    sql = statements("daozhang.identity")
    agent = clean_agent(visitor.agent)
    device_token, device_id = "", None
    if not staff:
        known = token_hash(visitor.device_token)
        device_token = visitor.device_token if known and await tx.value(sql.device_known, known) else new_token()
        await tx.value(sql.end_oldest_sessions, user_id, MOST_SESSIONS - 1)
        device_id = await tx.value(sql.keep_device, ids.new_id(), shop_id, user_id, token_hash(device_token), agent)
    token, session_id = new_token(), ids.new_id()
    await tx.run(
        sql.add_session,
        session_id,
        shop_id,
        None if staff else user_id,
        user_id if staff else None,
        device_id,
        token_hash(token),
        agent,
        vault.seal(visitor.ip, f"sessions:address:{session_id.hex}"),
        lifetime.idle_s,
        float(lifetime.whole_s),
    )
    return LoggedIn(session_id, user_id, token, device_token)


def clean_agent(text: str) -> str:
    """A User-Agent header as it may be stored: printable ASCII, at most 120 letters."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text[:_AGENT_LETTERS])
