"""Argon2id for passwords: 19 MiB, two passes, one lane (OWASP password storage sheet), in threads, two at a time.

The library's own profile takes 64 MiB and four lanes, with which a flood of logins eats the machine. So does a queue without
an end: the one here has `WAITING` places, and who finds it full is asked to come back.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar, TypeVarTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from daozhang.reasons.refusal import Refusal

Result = TypeVar("Result")
Args = TypeVarTuple("Args")

AT_ONCE = 2
WAITING = 64
"""About 0.9 s of work at 27 ms a hash and two at a time."""


class Hasher:
    """Hashes and verifies off the event loop. `done_count` says how many hashes were computed."""

    def __init__(self, *, memory_kib: int = 19_456, passes: int = 2, waiting: int = WAITING) -> None:
        self._argon2 = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._most = AT_ONCE + waiting
        self._under_way = 0
        self._nobody = _nobody(passes, memory_kib)
        self.done_count = 0

    async def hash(self, password: str) -> str:
        """A new hash. Raises `platform.busy` when too many wait."""
        return await self._run(self._hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right. Without a hash one is checked all the same, so that nobody takes as long as somebody."""
        return await self._run(self._verify, password_hash, password)

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._argon2.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Shut the thread pool down."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[*Args], Result], *args: *Args) -> Result:
        if self._under_way >= self._most:
            raise Refusal("platform.busy", wait_s=2)
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        future.add_done_callback(self._finished)
        return await asyncio.shield(future)

    def _finished(self, _: object) -> None:
        self._under_way -= 1
        self.done_count += 1

    def _hash(self, password: str) -> str:
        return self._argon2.hash(_bytes(password))

    def _verify(self, password_hash: str | None, password: str) -> bool:
        try:
            self._argon2.verify(password_hash or self._nobody, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None


@cache
def _nobody(passes: int, memory_kib: int) -> str:
    """The hash that is checked for an unknown user, so that one takes as long as a known one; made once for each profile."""
    return PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1).hash("nobody has this password")


def _bytes(password: str) -> bytes:
    """The password as typed: no normalisation, so that what was typed once is what must be typed again."""
    return password.encode("utf-8", "surrogatepass")
