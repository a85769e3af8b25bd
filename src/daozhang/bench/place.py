"""`place`: orders placed per second, each decided, committed, signed, asked of the channel, the answer verified and committed.

The channel is the simulator of its kind in a process of its own. The yardstick is how often one core signs with an RSA-2048 key
and does nothing else, measured before and after: an order costs one such signature here and one at the channel. A channel that
signs with MD5 is measured by the same yardstick, which says less of it.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from daozhang import __version__
from daozhang.app import open_program
from daozhang.bench.child import ChildTrouble
from daozhang.bench.machine import machine
from daozhang.bench.stage import stage
from daozhang.bench.usage import cpu_s
from daozhang.proof import prove
from daozhang.recharge.model import PlaceRequest
from daozhang.recharge.place import Place
from daozhang.serve import settle_memory
from daozhang.simulators.stations import KNOWN

AMOUNT_FEN = 5_000
_CODES = ("native", "qr")
_MESSAGE = b"POST\n/v3/pay/transactions/native\n1700000000\n" + b"0" * 32 + b"\n" + b"x" * 300 + b"\n"


async def bench(*, channel: str = "wechatpay", orders: int = 6_000, at_once: int = 256, sign_s: float = 1.5) -> dict[str, Any]:
    """Measure with the kind `channel`, by its method of codes to scan where it has one.

    Each order is of a user of its own: the day's limit and the order in which users are locked stay out of it. Raises `KeyError`
    for a kind that cannot be simulated.
    """
    if channel not in KNOWN:
        raise KeyError(channel)
    key = generate_private_key(65537, 2048)
    warm_up = max(1, orders // 10)
    async with stage(users=warm_up + orders) as set_up, _simulator(set_up.settings.data, channel) as (card, simulator_pid):
        channel_id = await set_up.add_channel(card)
        method = next((method for method in _CODES if method in card["methods"]), card["methods"][0])
        dsn = set_up.server.dsn("app")
        async with open_program(set_up.settings, dsn, dsn, work=False) as program:
            await _place(program.desk.place_order, set_up.people[:warm_up], (channel_id, method), at_once)
            settle_memory()
            before, _ = _signatures(key, sign_s)
            used = [time.process_time(), cpu_s(simulator_pid), cpu_s(set_up.server.pid or 0)]
            took_s = await _place(program.desk.place_order, set_up.people[warm_up:], (channel_id, method), at_once)
            used = [time.process_time() - used[0], cpu_s(simulator_pid) - used[1], cpu_s(set_up.server.pid or 0) - used[2]]
            after, signature_cpu_s = _signatures(key, sign_s)
        waiting = await set_up.app.value("select count(*) from orders where state = 'awaiting_payment'")
        proof = await prove(set_up.app)
    figure, yardstick = orders / took_s, (before + after) / 2
    return {
        "name": "place",
        "channel": channel,
        "method": method,
        "figure": round(figure, 1),
        "unit": "orders/s",
        "yardstick": round(yardstick, 1),
        "yardstick_is": "RSA-2048 signatures of one core with nothing else to do, signatures/s",
        "ratio": round(figure / yardstick, 3),
        "orders": warm_up + orders,
        "at_once": at_once,
        "signature_cpu_us": round(signature_cpu_s * 1e6),
        "program_cpu_us": round(used[0] / orders * 1e6),
        "channel_cpu_us": round(used[1] / orders * 1e6),
        "postgres_cpu_us": round(used[2] / orders * 1e6),
        "proof_ok": proof.ok and waiting == warm_up + orders,
        "machine": machine(),
    }


async def _place(place: Place, people: list[int], way: tuple[int, str], at_once: int) -> float:
    """Place one order for each user, `at_once` at a time; seconds."""
    todo = iter(people)

    async def caller() -> None:
        for user_id in todo:
            await place(PlaceRequest(1, user_id, AMOUNT_FEN, *way, secrets.token_hex(16), __version__, "203.0.113.9"))

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return time.perf_counter() - began


def _signatures(key: RSAPrivateKey, seconds: float) -> tuple[float, float]:
    """How often a second one core signs, and the processor's seconds for one; the event loop stands still, nothing waits in it."""
    padding, sha256, count, took_s = PKCS1v15(), SHA256(), 0, 0.0
    began, began_cpu_s = time.perf_counter(), time.process_time()
    while took_s < seconds:
        for _ in range(20):
            key.sign(_MESSAGE, padding, sha256)
        count, took_s = count + 20, time.perf_counter() - began
    return count / took_s, (time.process_time() - began_cpu_s) / count


@asynccontextmanager
async def _simulator(folder: Path, kind: str) -> AsyncIterator[tuple[dict[str, Any], int]]:
    """The simulated channel as a process; what it hands to a merchant, and its process number. Raises `ChildTrouble`."""
    file = folder / "card.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daozhang.simulators", "--config", str(file), "--kinds", kind, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise ChildTrouble("the simulated channel did not start")
        yield msgspec.json.decode(file.read_bytes())["channels"][0], process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
