"""Messages that leave the site: which go where is their reader's choice, and what they say names nobody and nothing.

What is about the safety of the account always goes to its number. A send is a row: it is tried again while nobody knows what became
of it, under the same number, and given up after a day.
"""

import base64
import binascii
import re
import tomllib
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple

import msgspec

from daozhang import clock, ids, notices
from daozhang.events.log import Event, append
from daozhang.identity import Identity, Session
from daozhang.postgres import Database, Tx, statements
from daozhang.providers.port import Email, Sms
from daozhang.providers.rows import Providers
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Unreadable, Vault

sql = statements("daozhang.mine")

WAITS_S = (10, 30, 120, 600, 3_600, 21_600, 43_200)
"""How long after one try the next one comes; after the last it is given up."""
PROOF_S = 3_600
_ADDRESS = re.compile(r"[0-9A-Za-z.!#$%&'*+/=?^_`{|}~-]{1,64}@[0-9A-Za-z-]{1,63}(\.[0-9A-Za-z-]{1,63}){1,4}", re.ASCII)
_AAD = "mine:email-ticket"


class Choice(NamedTuple):
    """What a user chose; the address masked, empty while there is none."""

    by_sms: bool = False
    by_email: bool = False
    email: str = ""


class _Ticket(msgspec.Struct, frozen=True):
    user_id: int
    email: str
    until_s: float


class Outward:
    """Sends what is told to one shop's users, where they want it."""

    def __init__(
        self, shop_id: int, database: Database, vault: Vault, identity: Identity, providers: Providers,
        shop_name: Callable[[], str], site: str,
    ) -> None:  # fmt: skip
        self.shop_id, self._shop_name, self._site = shop_id, shop_name, site.rstrip("/")
        self._database, self._vault, self._identity, self._providers = database, vault, identity, providers

    async def choice(self, user_id: int) -> Choice:
        """The user's choice of where messages go besides the site."""
        row = await self._database.row(sql.notice_choice, user_id)
        if row is None:
            return Choice()
        sealed = row["email_sealed"]
        return Choice(row["by_sms"], row["by_email"], masked(self._vault.unseal_text(sealed, _place(user_id))) if sealed else "")

    async def choose(self, session: Session, *, by_sms: bool, by_email: bool) -> None:
        """Choose. Without a proved address nothing goes there: `notices.email_none`."""
        if by_email and not (await self.choice(session.user_id)).email:
            raise Refusal("notices.email_none")
        await self._database.transact(
            lambda tx: tx.run(sql.choose_notices, session.user_id, session.shop_id, by_sms, by_email, clock.now())
        )

    async def ask_email(self, session: Session, address: str) -> None:
        """Send a letter with which the address is proved.

        Raises `notices.email_malformed`, `provider.missing`, `confirmation.unsent`, `operation.too_many`.
        """
        plain = address.strip()
        if len(plain) > 120 or not _ADDRESS.fullmatch(plain):
            raise Refusal("notices.email_malformed")
        await self._identity.limiter.demand("email.user", session.user_id)
        ticket = msgspec.json.encode(_Ticket(session.user_id, plain, clock.now_s() + PROOF_S))
        text = base64.urlsafe_b64encode(self._vault.seal(ticket, _AAD)).decode()
        link = f"{self._site}/me/notices/email?t={text}"
        letter = Email(
            ids.text26(ids.new_id()), plain, say("proof_subject", session.locale),
            say("proof", session.locale, shop=self._shop_name(), link=link),
        )  # fmt: skip
        if await (await self._providers.email()).mail(letter) == "failure":
            raise Refusal("confirmation.unsent")

    async def prove_email(self, session: Session, ticket: str) -> None:
        """The letter arrived: notices go there from now on. Raises `notices.email_stale`."""
        try:
            told = msgspec.json.decode(
                self._vault.unseal(base64.b64decode(ticket[:1_000], "-_", validate=True), _AAD), type=_Ticket
            )
        except (binascii.Error, ValueError, Unreadable):
            raise Refusal("notices.email_stale") from None
        if told.user_id != session.user_id or told.until_s < clock.now_s():
            raise Refusal("notices.email_stale")
        sealed, at = self._vault.seal(told.email, _place(session.user_id)), clock.now()

        async def work(tx: Tx) -> None:
            await tx.run(sql.keep_email, session.user_id, session.shop_id, sealed, at)
            event = Event("user.email_proved", None, session.user_id, "{}")
            await append(tx, session.shop_id, at, f"user:{session.user_id}", [event])

        await self._database.transact(work)

    async def forget_email(self, session: Session) -> None:
        """Nothing goes there any more, and the address is gone."""
        await self._database.transact(lambda tx: tx.run(sql.forget_email, session.user_id, clock.now()))

    async def claim(self, tx: Tx, most: int) -> Sequence[Any]:
        """Claim what is due, and set when it is tried again."""
        at = clock.now()
        rows = await tx.rows(sql.due_sends, at, most)
        for row in rows:
            wait_s = WAITS_S[min(row["tries"], len(WAITS_S) - 1)]
            await tx.run(sql.postpone_send, row["id"], at + timedelta(seconds=wait_s))
        return rows

    async def work(self, row: Any) -> None:
        """One try of a claimed send."""
        try:
            outcome = await self._send(row)
        except Refusal as refusal:
            # Nobody is there to carry it, or its account has no number any more: the message stands on the site.
            if refusal.reason != "provider.missing":
                raise
            outcome = "failure"
        if outcome == "unknown" and row["tries"] + 1 < len(WAITS_S):
            return
        state = {"success": "sent", "failure": "refused", "unknown": "given_up"}[outcome]
        await self._database.transact(lambda tx: tx.run(sql.end_send, row["id"], state, clock.now()))

    async def _send(self, row: Any) -> Literal["success", "failure", "unknown"]:
        number, user_id, locale = ids.text26(row["id"]), row["user_id"], row["locale"]
        what = words()["what"].get(row["kind"], {}).get(locale) or say("other_what", locale)
        text = say("safety" if row["kind"] in notices.SAFETY else "other", locale, shop=self._shop_name(), what=what)
        if row["via"] == "sms":
            provider = await self._providers.sms()
            return await provider.send(Sms(number, await self._identity.phone(user_id), text))
        choice = await self._database.row(sql.notice_choice, user_id)
        if choice is None or not choice["by_email"]:
            return "failure"
        address = self._vault.unseal_text(choice["email_sealed"], _place(user_id))
        return await (await self._providers.email()).mail(Email(number, address, what, text))


def masked(address: str) -> str:
    """An address with its name hidden but for the first letter."""
    name, _, host = address.partition("@")
    return f"{name[:1]}***@{host}"


@cache
def words() -> dict[str, Any]:
    """The texts, by language."""
    return tomllib.loads(resources.files("daozhang.mine").joinpath("outward.toml").read_text("utf-8"))


def say(name: str, locale: str, **given: str) -> str:
    """A text in one language, filled."""
    text: str = words()["say"][f"{name}_{'en' if locale == 'en' else 'zh'}"]
    return text.format(**given)


def _place(user_id: int) -> str:
    return f"notice_choices:email:{user_id}"
