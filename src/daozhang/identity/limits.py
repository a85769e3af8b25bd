"""Rate limits that all processes share: token buckets in PostgreSQL, with a small memory of refusals in front.

A caller that was refused is refused again from memory until its wait is over, so that a flood costs no statement.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from daozhang import clock
from daozhang.postgres import Database, statements
from daozhang.reasons.refusal import Refusal

REMEMBERED = 20_000
"""Most refusals kept in memory; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Room for `capacity` uses at once, refilled by `per_s` a second."""

    capacity: float
    per_s: float


BUCKETS = {
    "login.network": Bucket(60, 60 / 600),
    "login.device": Bucket(20, 20 / 600),
    "staff.network": Bucket(60, 60 / 600),
    "register.network": Bucket(30, 30 / 3_600),
    "password.user": Bucket(10, 10 / 3_600),
    "place.user": Bucket(20, 20 / 60),
    "preflight.user": Bucket(30, 30 / 60),
    "ahead.user": Bucket(60, 1),
    "order.look": Bucket(3, 1 / 3),
    "deceived.network": Bucket(5, 5 / 86_400),
    "case.answer": Bucket(20, 20 / 3_600),
    "why.look": Bucket(60, 1),
    "why.phone": Bucket(20, 20 / 3_600),
    "why.person": Bucket(5, 5 / 3_600),
    "claim.user": Bucket(6, 6 / 600),
    "email.user": Bucket(5, 5 / 86_400),
    "verify.user": Bucket(5, 5 / 86_400),
    "confirm.subject": Bucket(5, 5 / 3_600),
    "confirm.device": Bucket(5, 5 / 3_600),
    "confirm.asked": Bucket(5, 5 / 3_600),
    "confirm.strangers": Bucket(15, 5 / 3_600),
    "confirm.network": Bucket(60, 60 / 3_600),
    "callback.ask": Bucket(1, 1 / 60),
    "callback.ask.unknown": Bucket(1, 1 / 60),
    "callback.unknown": Bucket(60, 1),
    "callback.junk": Bucket(60, 1),
    "callback.junk.network": Bucket(30, 0.5),
}
"""Every bucket by name. A network is an IPv4 /24 or an IPv6 /56, which in China may be a whole neighbourhood behind one address, so
its buckets are wide and the pauses of `lockout` do the narrow work. A key is whatever the name says (a user, a channel's id)."""


class Limiter:
    """Takes from named buckets."""

    def __init__(self, database: Database, buckets: dict[str, Bucket] | None = None) -> None:
        self._database, self.buckets = database, BUCKETS if buckets is None else buckets
        self._refused: OrderedDict[tuple[str, bytes], tuple[float, float]] = OrderedDict()

    async def take(self, name: str, key: str | int, cost: float = 1) -> float:
        """Take `cost` tokens: 0 when taken, else the seconds until they will be there. Raises `Unavailable`: never fails open."""
        bucket = self.buckets[name]
        assert 0 < cost <= bucket.capacity, (name, cost)
        digest = blake2b(str(key).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._remembered(name, digest, cost)
        if known > 0:
            return known
        wait_s: float = await self._database.value(
            statements("daozhang.identity").take_tokens, name, digest, bucket.capacity, bucket.per_s, float(cost)
        )
        if wait_s > 0:
            self._refused[(name, digest)] = (clock.now_s() + wait_s, cost)
            self._refused.move_to_end((name, digest))
            if len(self._refused) > REMEMBERED:
                self._refused.popitem(last=False)
        return wait_s

    async def demand(self, name: str, key: str | int, cost: float = 1) -> None:
        """Take, or raise `operation.too_many` with the time to wait."""
        wait_s = await self.take(name, key, cost)
        if wait_s > 0:
            raise Refusal("operation.too_many", wait_s=int(wait_s) + 1)

    def _remembered(self, name: str, digest: bytes, cost: float) -> float:
        entry = self._refused.get((name, digest))
        if entry is None or cost < entry[1]:
            return 0
        wait_s = entry[0] - clock.now_s()
        if wait_s > 0:
            return wait_s
        del self._refused[(name, digest)]
        return 0
