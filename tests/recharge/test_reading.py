"""A burst is read in order, a few per turn of the event loop; who gave up holds nobody up; what one message does harms no other."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from daozhang.channels.port import Channel, Invalid, Notification, Opened
from daozhang.recharge.reading import PER_TURN, Reading


class Numbers:
    """A channel whose messages are numbers: odd ones hold, 2 does not, 4 needs somebody to be asked, 6 is a fault of ours."""

    def __init__(self) -> None:
        self.together: list[int] = []
        self.alone: list[bytes] = []

    async def read(self, headers: dict[str, str], body: bytes) -> Notification:  # noqa: ARG002
        self.alone.append(body)
        return Notification(body.decode(), "alone", None)

    def read_together(self, messages: Sequence[tuple[dict[str, str], bytes]]) -> list[Opened]:
        self.together.append(len(messages))
        return [_heard(body) for _, body in messages]


def _heard(body: bytes) -> Opened:
    if body == b"2":
        return Invalid("signature")
    if body == b"6":
        raise RuntimeError
    return None if body == b"4" else Notification(body.decode(), "together", None)


def _read(reading: Reading, numbers: Numbers, body: bytes) -> asyncio.Task[Notification]:
    return asyncio.create_task(reading.read(cast("Channel", numbers), {}, body))


async def test_a_burst_is_spread_over_turns_in_its_order() -> None:
    reading, numbers, passed = Reading(), Numbers(), []

    async def one(number: int) -> None:
        passed.append((await reading.read(cast("Channel", numbers), {}, str(number).encode())).key)

    await asyncio.gather(*(one(number) for number in range(1, 6 * PER_TURN, 2)))
    assert passed == [str(number) for number in range(1, 6 * PER_TURN, 2)]
    assert numbers.together == [PER_TURN] * 3
    assert not numbers.alone


async def test_who_gave_up_takes_nobodys_turn() -> None:
    reading, numbers = Reading(), Numbers()
    burst = [_read(reading, numbers, b"1") for _ in range(3 * PER_TURN)]
    await asyncio.sleep(0)
    for given_up in burst[: 2 * PER_TURN]:
        given_up.cancel()
    await asyncio.gather(*burst[2 * PER_TURN :])
    assert sum(numbers.together) == PER_TURN


async def test_a_message_that_does_not_hold_and_one_that_asks_stand_for_themselves() -> None:
    reading, numbers = Reading(), Numbers()
    first, second, fourth = (_read(reading, numbers, body) for body in (b"1", b"2", b"4"))
    assert (await first).kind == "together"
    with pytest.raises(Invalid, match="signature"):
        await second
    assert (await fourth).kind == "alone"
    assert numbers.alone == [b"4"]


async def test_after_a_fault_of_ours_each_is_read_alone() -> None:
    reading, numbers = Reading(), Numbers()
    read = await asyncio.gather(*(_read(reading, numbers, body) for body in (b"1", b"6", b"3")))
    assert [(each.key, each.kind) for each in read] == [("1", "alone"), ("6", "alone"), ("3", "alone")]


async def test_channels_that_cannot_read_together_and_others_share_a_turn() -> None:
    reading, numbers = Reading(), Numbers()

    class Plain:
        async def read(self, headers: dict[str, str], body: bytes) -> Notification:  # noqa: ARG002
            return Notification("plain", "", None)

    plain = asyncio.create_task(reading.read(cast("Channel", Plain()), {}, b"1"))
    assert (await _read(reading, numbers, b"1")).kind == "together"
    assert (await plain).key == "plain"
