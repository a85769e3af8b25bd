"""A burst goes through in order, a few per turn of the event loop, and who gave up holds nobody up."""

import asyncio

from daozhang.web.turns import PER_TURN, Turns


async def test_a_burst_is_spread_over_turns_in_its_order() -> None:
    turns, passed, seen = Turns(), [], []

    async def one(number: int) -> None:
        await turns.take()
        passed.append(number)

    burst = [asyncio.create_task(one(number)) for number in range(3 * PER_TURN)]
    while len(passed) < len(burst):
        before = len(passed)
        await asyncio.sleep(0)
        seen.append(len(passed) - before)
    assert passed == list(range(len(burst)))
    assert max(seen) <= PER_TURN


async def test_who_gave_up_takes_nobodys_turn() -> None:
    turns = Turns()
    burst = [asyncio.create_task(turns.take()) for _ in range(3 * PER_TURN)]
    await asyncio.sleep(0)
    for given_up in burst[: 2 * PER_TURN]:
        given_up.cancel()
    await asyncio.wait_for(asyncio.gather(*burst[2 * PER_TURN :]), 1)
