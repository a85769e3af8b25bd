"""A channel as the rooms above `channels` know it, and a clock that stands where a test puts it."""

import pytest

from daozhang import clock
from daozhang.channels.rows import ChannelRow
from daozhang.postgres import Database
from daozhang.status import Board, Sampler, Watch


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> "Still":
    """Time passes when the test says so."""
    return Still(monkeypatch)


class Still:
    """A clock that stands still."""

    def __init__(self, patches: pytest.MonkeyPatch) -> None:
        self._now_s = float(int(clock.now_s()))
        patches.setattr(clock, "now_s", lambda: self._now_s)

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self._now_s += seconds


@pytest.fixture
async def row(owner_database: Database) -> ChannelRow:
    """A channel with two methods, enabled as far as this room can see."""
    channel_id = await owner_database.transact(lambda tx: tx.value(_CHANNEL))
    return ChannelRow(
        id=channel_id, shop_id=1, kind="wechatpay", name="微信支付", merchant="1900000001", app="wx1", methods=("native", "h5"),
        hosts=("https://api.mch.weixin.qq.com",), enabled=True, version=1,
    )  # fmt: skip


_CHANNEL = """insert into channels (shop_id, kind, name, merchant, app, methods, hosts, created_at, changed_at)
  values (1, 'wechatpay', '微信支付', '1900000001', 'wx1', '{native,h5}', '{https://api.mch.weixin.qq.com}', clock_now(),
  clock_now()) returning id"""


@pytest.fixture
async def rig(database: Database, row: ChannelRow, still: Still) -> "Rig":
    """One process with one channel."""
    return Rig(database, row, still)


class Rig:
    """The parts of a process that count and judge."""

    def __init__(self, database: Database, row: ChannelRow, still: Still) -> None:
        self.database, self.row, self.still = database, row, still
        self.sampler = Sampler(database)
        self.watch = Watch(database, lambda: [row], self.sampler)
        self.board = Board(database, lambda _: [row])

    async def look(self, seconds: float = 1.0) -> None:
        """Time passes, the judge looks, the board reads."""
        self.still.later(seconds)
        await self.watch.once()
        await self.board.load()
