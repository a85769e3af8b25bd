"""The second step of a login on a browser that is not known, and of setting a new password: the second factor."""

from daozhang import clock, notices
from daozhang.events.log import Event, append
from daozhang.identity import factor
from daozhang.identity.factor import Ticket
from daozhang.identity.lockout import at_device, at_network, give_up, return_try, take_try
from daozhang.identity.model import BUYER, LoggedIn, Visitor
from daozhang.identity.opening import open_session
from daozhang.identity.service import Identity
from daozhang.identity.tokens import token_hash
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.identity")


class SecondStep:
    """Turns a ticket and a code into a session."""

    def __init__(self, database: Database, vault: Vault, identity: Identity) -> None:
        self._database, self._vault, self._identity = database, vault, identity

    def ticket(self, shop_id: int, text: str) -> Ticket:
        """Whose first step was right. Raises `account.factor_stale`."""
        return factor.opened(self._vault, shop_id, text)

    async def finish(self, shop_id: int, text: str, code: str, visitor: Visitor) -> LoggedIn:
        """Open the session. A wrong code counts as a wrong password does, for the same pause.

        Raises `account.factor_wrong` (tries left), `account.locked`, `account.factor_stale`, `account.closed`,
        `operation.too_many`.
        """
        ticket = self.ticket(shop_id, text)
        await self._identity.limiter.demand("login.network", visitor.network)
        person = await self._database.row(sql.person_by_id, ticket.user_id)
        assert person is not None
        known = await self._database.row(
            sql.person_by_phone, shop_id, person["phone_blind"], token_hash(visitor.device_token) or b""
        )
        if known is not None and known["device_id"] is not None:
            place = at_device(shop_id, person["phone_blind"], known["device_id"])
        else:
            place = at_network(shop_id, person["phone_blind"], self._vault.blind("network", visitor.network))
        left_count = await take_try(self._database, place)
        if not await factor.right(self._database, self._vault, ticket.user_id, code):
            await give_up(self._database, place, left_count, "account.factor_wrong")

        async def work(tx: Tx) -> LoggedIn | None:
            standing = await tx.value(sql.lock_user, ticket.user_id)
            if await tx.value(sql.password_since, ticket.user_id) != ticket.changed_at:
                raise Refusal("account.factor_stale")
            await return_try(tx, place)
            return None if standing == "closed" else await self._open(tx, ticket, visitor)

        opened = await self._database.transact(work)
        if opened is None:
            raise Refusal("account.closed")
        return opened

    async def _open(self, tx: Tx, ticket: Ticket, visitor: Visitor) -> LoggedIn:
        user_id, shop_id = ticket.user_id, ticket.shop_id
        if ticket.new_hash is not None:
            await tx.run(sql.set_password, user_id, ticket.new_hash)
            await tx.value(sql.end_sessions, user_id, None, None, "password_reset")
            await notices.tell(tx, shop_id, user_id, clock.now(), "password_reset", {}, "/me")
        if (old := token_hash(visitor.session_token)) is not None:
            await tx.value(sql.end_session_of, old, "replaced")
        kind = "user.password_reset" if ticket.new_hash else "user.logged_in"
        await append(tx, shop_id, clock.now(), f"user:{user_id}", [Event(kind, None, user_id, '{"by":"factor"}')])
        opened = await open_session(tx, self._vault, shop_id, user_id, visitor, BUYER)
        await tx.value(sql.prove_user_session, opened.session_id)
        return opened
