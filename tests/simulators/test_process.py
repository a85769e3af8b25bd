"""The simulator as a process: what it writes, that it remembers, and that it never outlives its parent."""

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import aiohttp
import msgspec
import psutil
import pytest
from tests.simulators.till import ORDERS, Till, until

from daozhang.simulators.merchant import enrol, load_enrolment
from daozhang.simulators.presign import Payment, presign_many
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.stations import KNOWN

COMMAND = (sys.executable, "-m", "daozhang.simulators")


async def start(*options: str) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(*COMMAND, *options, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    assert url.startswith("http://127.0.0.1:")
    return process, url


async def test_it_hands_out_what_a_merchant_needs_and_remembers_it(tmp_path: Path) -> None:
    config, cards = tmp_path / "merchant.json", []
    for _ in range(2):
        process, url = await start("--config", str(config), "--data", str(tmp_path / "sim"))
        card = msgspec.json.decode(config.read_bytes())
        cards.append(card)
        assert card["url"] == url
        assert {channel["kind"] for channel in card["channels"]} == set(KNOWN)
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        async with aiohttp.ClientSession() as session:
            till = Till(url, load_enrolment(tmp_path / "sim" / "wechatpay" / "enrolment.json").merchant, session)
            reply = await till.call("POST", ORDERS, till.order("SAMEORDER1"))
            assert reply.status == 200
            assert till.verified(reply.headers, reply.body)
        process.terminate()
        assert await process.wait() == 0
    assert [card["keys"] for card in cards[0]["channels"]] == [card["keys"] for card in cards[1]["channels"]]
    assert stat.S_IMODE((tmp_path / "sim" / "wechatpay" / "enrolment.json").stat().st_mode) == 0o600


async def test_it_says_why_it_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "wechatpay").mkdir()
    (tmp_path / "wechatpay" / "enrolment.json").write_text("{}")
    process = await asyncio.create_subprocess_exec(*COMMAND, "--data", str(tmp_path), stderr=asyncio.subprocess.PIPE)
    _, told = await process.communicate()
    assert process.returncode == 2
    assert b"Traceback" not in told


@pytest.mark.skipif(sys.platform != "linux", reason="parent death signals are Linux's")
async def test_it_ends_when_its_parent_is_killed() -> None:
    parent_code = f"import subprocess,time; p=subprocess.Popen({list(COMMAND)!r}); print(p.pid, flush=True); time.sleep(600)"
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", parent_code, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert (await parent.stdout.readline()).startswith(b"http://")
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    await until(lambda: gone(child))


def gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have taken note of it yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_presigned_callbacks_are_true_callbacks() -> None:
    enrolment = enrol(mchid="1900000400")
    payments = [Payment(f"PRESIGN{index:04}", 100 + index) for index in range(3)]
    async with Simulator(enrolment=enrolment) as sim, aiohttp.ClientSession() as session:
        till = Till(sim.url, sim.merchant, session)
        for payment, signed in zip(payments, presign_many(enrolment, payments), strict=True):
            headers = {name.lower(): value for name, value in signed.headers.items()}
            assert till.verified(headers, signed.body.encode())
            told = till.opened(signed.body.encode())
            assert (told["out_trade_no"], told["amount"]["total"]) == (payment.out_trade_no, payment.amount_fen)
            assert told["transaction_id"] == signed.transaction_id
