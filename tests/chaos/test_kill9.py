"""FT-01: `kill -9` of the server in a stream of callbacks, then the chase: every order is credited exactly once.

`make test` kills it twice among 200 payments, `make chaos` twenty times among 2,000.
"""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.chaos.stream import Channel, Served, open_channel, settled, stream
from tests.flows.naive import credited, make_tables
from tests.flows.shop import LICENSED, make_users
from tests.flows.verdict import judge

from daozhang import __version__, ids
from daozhang.app import open_program
from daozhang.bench.ports import free_port
from daozhang.channels import console
from daozhang.postgres import Database
from daozhang.postgres.place import find_server
from daozhang.recharge.model import PlaceRequest
from daozhang.settings import Settings

LONG = bool(os.environ.get("DAOZHANG_LONG"))
PAYMENTS, KILLS = (2_000, 20) if LONG else (200, 2)
USERS, AMOUNT_FEN = 8, 100
"""One phone pays for all of them, so they are fewer than the accounts from which one payer's money is rightly held."""

CREDITS = """select a.id, count(p.*) as times from attempts a
  join transfers t on t.source_id = a.order_id and t.kind in ('recharge', 'release')
  join postings p on p.transfer_id = t.id and p.amount_fen > 0
  group by a.id"""


@pytest.fixture
async def channel(tmp_path: Path, seed: int) -> AsyncIterator[Channel]:
    """The simulated channel as a process."""
    opened = await open_channel(tmp_path / "channel", seed)
    yield opened
    await opened.end()


async def test_ft_01_killed_in_a_stream_of_callbacks_every_order_is_credited_exactly_once(
    channel: Channel, tmp_path: Path, seed: int
) -> None:
    port = free_port()
    settings = Settings(data=tmp_path / "data", port=port, test_mode=True)
    environment = {"DAOZHANG_DATA": str(settings.data), "DAOZHANG_PORT": str(port), "DAOZHANG_TEST_MODE": "true"}
    words = [sys.executable, "-m", "daozhang"]
    server = Served([*words, "serve"], environment, settings.url(), tmp_path / "server.log")
    await server.begin()
    try:
        async with find_server(settings) as there:
            assert not there.owned
            app, owner = there.dsn("app"), there.dsn("owner")
            numbers = await furnish(settings, app, owner, channel)
        run = await stream(channel, server, numbers, KILLS, random.Random(seed))
        database = await Database.open(app)
        # The chase asks about what nobody told us of; two minutes later for everybody is soon enough.
        await database.value("select shift_clock(120)")
        await channel.ask("POST", "/dial/clock", {"offset_s": 120})

        async def ours() -> Counter[str]:
            return Counter({ids.text26(row["id"]): row["times"] for row in await database.rows(CREDITS)})

        credits_by_number = await settled(ours, len(numbers))
        await database.close()
        assert judge(numbers, credits_by_number).holds, judge(numbers, credits_by_number)
        assert run.acknowledged <= set(credits_by_number)
        assert len(run.acknowledged) >= len(numbers) * 0.8
        assert run.kills == KILLS
        prove = await asyncio.create_subprocess_exec(
            *words, "prove", "--json", env=os.environ | environment, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await prove.communicate()
        proof = json.loads(said.decode().strip().splitlines()[-1])
        assert prove.returncode == 0, proof
        assert proof["counts"]["credited"] == len(numbers)
        assert proof["counts"]["owed_to_users_fen"] == len(numbers) * AMOUNT_FEN
    finally:
        await server.end()


async def test_ft_01_the_naive_control_loses_or_doubles_under_the_same_stream(
    channel: Channel, tmp_path: Path, seed: int, database: Database, owner_database: Database
) -> None:
    await make_tables(owner_database)
    port = free_port()
    settings = Settings(data=tmp_path / "data", port=port, test_mode=True)
    key = {"NAIVE_KEY": channel.card()["keys"]["api_v3_key"]}
    words = [sys.executable, "-m", "tests.chaos.naive_server", str(port), database.dsn]
    server = Served(words, key, settings.url(), tmp_path / "naive.log")
    await server.begin()
    try:
        numbers = await furnish(settings, database.dsn, owner_database.dsn, channel)
        await stream(channel, server, numbers, KILLS, random.Random(seed))
        verdict = judge(numbers, await credited(database))
        assert verdict.double, "the judge finds nothing wrong with the control, so it would find nothing wrong with us"
        assert verdict.lost, "nobody chases for the control"
    finally:
        await server.end()


async def furnish(settings: Settings, app_dsn: str, owner_dsn: str, channel: Channel) -> list[str]:
    """A channel at the simulator, users, and their orders placed for true; the orders' numbers."""
    users = await make_users(owner_dsn, USERS)
    async with open_program(settings, app_dsn, app_dsn, work=False) as program:
        # Many orders of few users wait at once: the book that a shop begins with lets five.
        books = program.house.books
        version = (await books.current(1)).version + 1
        assert await books.publish(1, LICENSED, version=version, author="tester", note="the book of the stream")
        wanted = msgspec.convert(channel.card() | {"methods": ["native"]}, console.ChannelSettings)
        channel_id = await console.add(program.database, program.vault, settings, wanted)
        await console.enable(program.database, program.vault, settings, channel_id)
        await program.registry.load()

        async def place(n: int) -> None:
            user_id = users[n % len(users)]
            request = PlaceRequest(1, user_id, AMOUNT_FEN, channel_id, "native", f"chaos-{n:08}", __version__, "203.0.113.9")
            assert (await program.desk.place(request)).state == "awaiting_payment"

        for begin in range(0, PAYMENTS, USERS):
            await asyncio.gather(*(place(n) for n in range(begin, min(begin + USERS, PAYMENTS))))
        rows = await program.database.rows("select id from attempts order by id")
    # The server looks for new channels every two seconds.
    await asyncio.sleep(2.5)
    return [ids.text26(row["id"]) for row in rows]
