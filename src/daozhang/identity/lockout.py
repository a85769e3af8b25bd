"""Pauses after wrong passwords, bound to a number and the place the tries come from.

A known device of the owner is a place of its own, so strangers can try as they like without locking the owner out of it. A device
that is not known counts for its network, and for all strangers of that number together: that stops guessing spread over many
networks. A try is counted before the password is looked at, so parallel tries cannot outrun the limit.
"""

import math
from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID

from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

STRANGERS = "strangers"


@dataclass(frozen=True, slots=True)
class Pause:
    """After `tries` wrong passwords the place waits `first_s`, doubled each time up to `longest_s`; a quiet day forgets it all."""

    tries: int
    first_s: int
    longest_s: int


PLACE = Pause(tries=5, first_s=15 * 60, longest_s=24 * 3_600)
EVERYBODY = Pause(tries=30, first_s=15 * 60, longest_s=4 * 3_600)


@dataclass(frozen=True, slots=True)
class Place:
    """What a try counts for: `whence` is the place itself; strangers also share one count per number."""

    shop_id: int
    subject: bytes
    whence: str
    device_id: UUID | None

    @property
    def counts(self) -> list[str]:
        """The names of the counts in the order their rows are locked."""
        return [self.whence] if self.device_id else sorted([self.whence, STRANGERS])


def at_device(shop_id: int, subject: bytes, device_id: UUID) -> Place:
    """A browser in which the owner has logged in before."""
    return Place(shop_id, subject, f"device:{device_id.hex}", device_id)


def at_network(shop_id: int, subject: bytes, network: bytes) -> Place:
    """Any other browser, by the blind index of its network."""
    return Place(shop_id, subject, f"network:{network[:16].hex()}", None)


async def take_try(database: Database, place: Place) -> int:
    """Count one try. Answers how many are left after it; raises `account.locked` with the time to wait."""
    pauses = [EVERYBODY if name == STRANGERS else PLACE for name in place.counts]
    row = await database.transact(
        lambda tx: tx.row(
            statements("daozhang.identity").take_login_try,
            place.shop_id,
            place.subject,
            place.device_id,
            place.counts,
            [pause.tries for pause in pauses],
            [pause.first_s for pause in pauses],
            [pause.longest_s for pause in pauses],
        )
    )
    assert row is not None
    if row["wait_s"] > 0:
        raise Refusal("account.locked", wait_s=math.ceil(row["wait_s"]))
    left: int = row["left_count"]
    return left


async def give_up(database: Database, place: Place, left_count: int, reason: str) -> NoReturn:
    """The password was wrong: say how many tries are left, or, after the last one, how long the pause is."""
    if left_count == 0:
        wait_s = await database.value(statements("daozhang.identity").login_pause, place.shop_id, place.subject, place.counts)
        if wait_s > 0:
            raise Refusal("account.locked", wait_s=math.ceil(wait_s))
    raise Refusal(reason, left_count=left_count)


async def return_try(tx: Tx, place: Place) -> None:
    """The password was right: forget the place's count, give everybody's one back."""
    shared = [name for name in place.counts if name != place.whence]
    await tx.run(statements("daozhang.identity").return_login_try, place.shop_id, place.subject, place.whence, shared)
