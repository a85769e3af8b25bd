"""Second confirmation: proof that it is really the user, by a code sent to the number or a look at the face.

It is bound to one operation with its amount, good for a few minutes, used once, limited in tries and sends, and can be taken up
again where it was left. For somebody who is not logged in (login by code, a forgotten password) an unknown number behaves like a
known one.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

from daozhang import clock, ids
from daozhang.identity.consent import FACE, has_consent
from daozhang.identity.limits import Limiter
from daozhang.money import yuan
from daozhang.postgres import Database, Tx, statements
from daozhang.providers.port import FaceRequest, Sms, SmsProvider
from daozhang.providers.rows import Providers
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.identity")
log = logging.getLogger(__name__)

Purpose = Literal["order", "login", "reset", "unbind", "unfreeze", "refund", "codes", "name"]
Means = Literal["sms", "face"]
Delivery = Literal["success", "failure", "unknown"]

TRIES, SENDS = 5, 3
CODE_LIVES = timedelta(minutes=5)
FACE_LIVES = timedelta(minutes=10)
BY_STRANGERS: frozenset[Purpose] = frozenset({"login", "reset"})
"""What anybody may ask a code for, whoever's number it is: whoever sends those has counted who asks (`by_code`)."""
DRAIN_S = 3.0
"""How long a program that is told to stop waits for codes that are being handed over."""
PASS_LIVES = timedelta(minutes=10)
"""How long a pass may wait for its operation."""

_DOING = {
    "order": ("充值", "recharge"),
    "login": ("登录", "logging in"),
    "reset": ("重设密码", "setting a new password"),
    "unbind": ("解除绑定", "unbinding"),
    "unfreeze": ("恢复账户", "unfreezing your account"),
    "refund": ("退款", "a refund"),
    "codes": ("查看卡密", "showing your codes"),
    "name": ("实名核验", "verifying who you are"),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What is confirmed: a purpose, what it is about (an order's number, a device's id), and its amount where it moves money."""

    purpose: Purpose
    about: str
    amount_fen: int | None = None

    def digest(self) -> bytes:
        """Hash of the operation that a confirmation is bound to: with another amount it is another operation."""
        return sha256(f"{self.purpose}\n{self.about}\n{self.amount_fen}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One that waits, or has passed. `url` leads to the look at the face."""

    id: UUID
    means: Means
    passed: bool
    tries_left: int
    sends_left: int
    sent_at: datetime
    expires_at: datetime
    url: str = ""


class Confirmations:
    """Begins, answers and uses confirmations of one shop's people."""

    def __init__(
        self, database: Database, vault: Vault, limiter: Limiter, providers: Providers, shop_name: Callable[[], str]
    ) -> None:
        self._database, self._vault, self._limiter = database, vault, limiter
        self._providers, self._shop_name = providers, shop_name
        self._sending: set[asyncio.Task[Delivery]] = set()

    def subject_of(self, phone: str) -> bytes:
        """Whom a confirmation is about: the blind index of a number, known or not."""
        return self._vault.blind("phone", phone)

    async def send_code(
        self,
        shop_id: int,
        user_id: int | None,
        phone: str,
        operation: Operation,
        network: str,
        locale: str = "zh",
        *,
        known: bool = True,
    ) -> Confirmation:
        """Send a code. For a number that is not `known` nothing is sent, and nobody who asks can tell.

        Raises `operation.too_many`, `provider.missing`, and `confirmation.unsent` except for what strangers may ask for.
        """
        subject = self.subject_of(phone)
        await self._demand(subject, operation)
        if operation.purpose not in BY_STRANGERS:
            await self._limiter.demand("confirm.network", network)
        provider = await self._providers.sms()
        confirmation_id, at, code = ids.new_id(), clock.now(), new_code()
        expires = at + CODE_LIVES
        await self._database.transact(
            lambda tx: tx.run(
                sql.begin_confirmation, confirmation_id, shop_id, user_id, subject, operation.purpose, operation.about,
                operation.digest(), "sms", self._hash(confirmation_id, code), TRIES, at, expires,
            )
        )  # fmt: skip
        if known:
            message = Sms(f"{ids.text26(confirmation_id)}-1", phone, self.wording(operation, code, locale))
            await self._deliver(provider, message, operation)
        return Confirmation(confirmation_id, "sms", False, TRIES, SENDS - 1, at, expires)  # noqa: FBT003 - its field's place

    async def resend(
        self, confirmation_id: UUID, phone: str, operation: Operation, locale: str = "zh", *, known: bool = True
    ) -> Confirmation:
        """Send another code for the same confirmation; the one before is void. Raises `confirmation.over`, `operation.too_many`."""
        subject = self.subject_of(phone)
        await self._demand(subject, operation)
        provider, at, code = await self._providers.sms(), clock.now(), new_code()
        row = await self._database.transact(
            lambda tx: tx.row(
                sql.resend_confirmation, confirmation_id, subject, self._hash(confirmation_id, code), at, at + CODE_LIVES, SENDS
            )
        )
        if row is None or row["digest"] != operation.digest():
            raise Refusal("confirmation.over")
        if known:
            message = Sms(f"{ids.text26(confirmation_id)}-{row['sends']}", phone, self.wording(operation, code, locale))
            await self._deliver(provider, message, operation)
        return _read(row)

    async def _demand(self, subject: bytes, operation: Operation) -> None:
        """Strangers who ask for codes to a number do not use up those that its owner needs."""
        if operation.purpose not in BY_STRANGERS:
            await self._limiter.demand("confirm.subject", subject.hex())

    async def _deliver(self, provider: SmsProvider, message: Sms, operation: Operation) -> None:
        """Hand a message over. Strangers hear neither whether it left nor how long that took: both would tell a known number."""
        if operation.purpose not in BY_STRANGERS:
            if await provider.send(message) == "failure":
                raise Refusal("confirmation.unsent")
            return
        sending = asyncio.create_task(provider.send(message))
        self._sending.add(sending)
        sending.add_done_callback(self._sent)

    async def drain(self) -> None:
        """Let what is being handed over reach its messenger: a program that is told to stop takes no code with it.

        One that hangs is not waited for longer than `DRAIN_S`: whoever asked asks again.
        """
        if self._sending:
            _, hanging = await asyncio.wait(tuple(self._sending), timeout=DRAIN_S)
            for sending in hanging:
                sending.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    def _sent(self, sending: asyncio.Task[Delivery]) -> None:
        self._sending.discard(sending)
        if sending.cancelled() or sending.exception() or sending.result() == "failure":
            log.warning("a code that somebody asked for was not sent")

    async def send_or_again(
        self, shop_id: int, user_id: int | None, phone: str, operation: Operation, network: str, locale: str = "zh", *,
        known: bool = True,
    ) -> None:  # fmt: skip
        """Send a code, or another one for the confirmation that waits already. Raises as `send_code` and `resend`."""
        waiting = await self.waiting(phone, operation)
        if waiting is not None and waiting.means == "sms" and not waiting.passed and waiting.sends_left > 0:
            await self.resend(waiting.id, phone, operation, locale, known=known)
        else:
            await self.send_code(shop_id, user_id, phone, operation, network, locale, known=known)

    async def answer(self, confirmation_id: UUID, phone: str, code: str) -> None:
        """The code that somebody typed. Raises `confirmation.wrong` (tries left) or `confirmation.over`."""
        subject, at = self.subject_of(phone), clock.now()
        row = await self._database.transact(lambda tx: tx.row(sql.take_confirmation_try, confirmation_id, subject, at))
        if row is None:
            raise Refusal("confirmation.over")
        typed = code.strip().replace(" ", "")
        if not (typed.isascii() and typed.isdigit() and len(typed) == 6) or not secrets.compare_digest(
            self._hash(confirmation_id, typed), bytes(row["code_hash"])
        ):
            if row["tries_left"] == 0:
                raise Refusal("confirmation.over")
            raise Refusal("confirmation.wrong", left_count=row["tries_left"])
        if await self._database.transact(lambda tx: tx.value(sql.pass_confirmation, confirmation_id, subject, clock.now())) is None:
            raise Refusal("confirmation.over")

    async def begin_face(
        self, shop_id: int, user_id: int, phone: str, operation: Operation, return_url: str, *, name: str = "",
        identity_number: str = "",
    ) -> Confirmation:  # fmt: skip
        """Begin a look at the face, after consent of its own; with a name and its number, compared with the register's picture.

        Raises `confirmation.consent_needed`, `confirmation.unsent`.
        """
        if not await has_consent(self._database, user_id, FACE):
            raise Refusal("confirmation.consent_needed")
        subject = self.subject_of(phone)
        await self._limiter.demand("confirm.subject", subject.hex())
        provider, confirmation_id, at = await self._providers.face(), ids.new_id(), clock.now()
        expires = at + FACE_LIVES
        await self._database.transact(
            lambda tx: tx.run(
                sql.begin_confirmation, confirmation_id, shop_id, user_id, subject, operation.purpose, operation.about,
                operation.digest(), "face", None, 1, at, expires,
            )
        )  # fmt: skip
        doing = _DOING[operation.purpose][0]
        session = await provider.begin(FaceRequest(ids.text26(confirmation_id), doing, return_url, name, identity_number))
        if session.outcome != "success":
            raise Refusal("confirmation.unsent")
        number = session.provider_number or ids.text26(confirmation_id)
        await self._database.transact(lambda tx: tx.run(sql.keep_provider_number, confirmation_id, number))
        return Confirmation(confirmation_id, "face", False, 1, 0, at, expires, session.url)  # noqa: FBT003 - its field's place

    async def look_at_face(self, confirmation_id: UUID, phone: str) -> bool:
        """Ask the provider what came of it: True when it passed, False while nobody knows. Raises `confirmation.face_failed`."""
        provider = await self._providers.face()
        result = await provider.result(ids.text26(confirmation_id))
        if result == "failed":
            raise Refusal("confirmation.face_failed")
        if result != "passed":
            return False
        subject = self.subject_of(phone)
        await self._database.transact(lambda tx: tx.value(sql.pass_confirmation, confirmation_id, subject, clock.now()))
        return True

    async def waiting(self, phone: str, operation: Operation) -> Confirmation | None:
        """The newest one of an operation that can still be answered, or has passed and waits to be used."""
        row = await self._database.row(
            sql.open_confirmation, self.subject_of(phone), operation.purpose, operation.about, operation.digest(), clock.now(),
            clock.now() - PASS_LIVES,
        )  # fmt: skip
        return _read(row) if row else None

    async def use(self, tx: Tx, phone: str, operation: Operation) -> bool:
        """Use a passed confirmation, in the transaction of the very operation it is bound to. Once: the second time it is False."""
        used = await tx.value(
            sql.use_confirmation,
            self.subject_of(phone),
            operation.purpose,
            operation.about,
            operation.digest(),
            clock.now(),
            PASS_LIVES,
        )
        return used is not None

    def wording(self, operation: Operation, code: str, locale: str) -> str:
        """What the message says: shop, operation, amount, and that staff never ask for it."""
        zh, en = _DOING[operation.purpose]
        minutes = int(CODE_LIVES.total_seconds() // 60)
        if locale == "en":
            amount = f" of ¥{yuan(operation.amount_fen)}" if operation.amount_fen is not None else ""
            return f"[{self._shop_name()}] {code} confirms {en}{amount}, for {minutes} minutes. Staff never ask for this code."
        amount = f" {yuan(operation.amount_fen)} 元" if operation.amount_fen is not None else ""
        return f"【{self._shop_name()}】验证码 {code}，用于{zh}{amount}，{minutes} 分钟内有效。工作人员绝不会向您索要验证码。"

    def _hash(self, confirmation_id: UUID, code: str) -> bytes:
        return self._vault.blind("code", f"{confirmation_id.hex} {code}")


def new_code() -> str:
    """Six digits out of the system's randomness."""
    return f"{secrets.randbelow(1_000_000):06d}"


def _read(row: Any) -> Confirmation:
    return Confirmation(
        row["id"], row["means"], row["passed_at"] is not None, row["tries_left"], max(0, SENDS - row["sends"]), row["sent_at"],
        row["expires_at"],
    )  # fmt: skip
