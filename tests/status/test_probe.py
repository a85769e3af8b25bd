"""Probes: where nobody pays, a channel is asked something harmless, seldom; a suspected one more often."""

import asyncio

import pytest
from tests.status.conftest import Rig

from daozhang import clock
from daozhang.channels.port import Answer, Outcome
from daozhang.postgres import Database
from daozhang.status import Probes, Status
from daozhang.status import probe as probe_module
from daozhang.status.counts import Word
from daozhang.status.observe import Observed
from daozhang.status.probe import due

BEGAN = 1_000.0


@pytest.mark.parametrize(
    ("now", "heard", "asked", "unwell", "expected"),
    [
        (1_005, None, 0, False, False),  # just begun
        (1_010, None, 0, False, True),  # quiet for ten seconds
        (1_100, {"at": 1_095, "bad_at": None}, 0, False, False),  # payers tell us already
        (1_100, {"at": 1_090, "bad_at": None}, 0, False, True),
        (1_100, {"at": 1_099, "bad_at": 1_099}, 1_098, False, False),  # suspected, asked two seconds ago
        (1_100, {"at": 1_099, "bad_at": 1_099}, 1_097, False, True),  # suspected
        (1_100, {"at": 1_099, "bad_at": 1_050}, 1_090, False, False),  # failed long ago
        (1_100, {"at": 1_099, "bad_at": None}, 1_097, True, True),  # its breaker is not closed
        (1_100, None, 1_095, False, False),  # asked, not answered yet
    ],
)
def test_when_a_channel_is_asked(now: float, heard: object, asked: float, unwell: bool, expected: bool) -> None:  # noqa: FBT001
    assert due(now, BEGAN, heard, asked, unwell=unwell) is expected


class Silent:
    """A channel that answers when it is told to."""

    kind, merchant, app, methods = "wechatpay", "1", "1", ("native", "h5")

    def __init__(self, channel_id: int) -> None:
        self.id = channel_id
        self.answers = False
        self.asked = 0

    async def query(self, out_trade_no: str) -> Answer:  # noqa: ARG002 - as the port has it
        self.asked += 1
        if not self.answers:
            await asyncio.Event().wait()
        return Answer(Outcome.UNKNOWN, exists=False)


async def test_a_channel_that_fell_silent_is_seen_and_comes_back_without_any_payer(
    rig: Rig, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_module, "DEADLINE_S", 0.01)
    silent = Silent(rig.row.id)
    probes = Probes(database, lambda: [rig.row], lambda _: Observed(rig.sampler, silent), rig.sampler)  # type: ignore[arg-type]
    began = clock.now_s()
    while rig.board.of(rig.row, "native").usable:
        await probes.once()
        await probes.drain()
        await rig.look()
        assert clock.now_s() - began <= 30
    assert rig.board.of(rig.row, "h5").why == "channel.down"
    assert silent.asked <= 6
    silent.answers, recovered = True, clock.now_s()
    while rig.board.of(rig.row, "native").status is not Status.OPEN:
        await probes.once()
        await probes.drain()
        await rig.look()
        assert clock.now_s() - recovered <= 60


async def test_what_payers_tell_is_not_asked_for(rig: Rig, database: Database) -> None:
    silent = Silent(rig.row.id)
    probes = Probes(database, lambda: [rig.row], lambda _: Observed(rig.sampler, silent), rig.sampler)  # type: ignore[arg-type]
    for _ in range(30):
        rig.sampler.answered(rig.row.id, "native", Word.GOOD)
        await rig.look()
        assert await probes.once() == []
    assert silent.asked == 0
