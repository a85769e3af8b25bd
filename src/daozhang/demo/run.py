"""The demo: the whole shop beside simulated channels and a phone, on loopback, with one login that works and a guided page."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from daozhang.app import SHOP, Program
from daozhang.channels import console
from daozhang.demo.scenes import SCENES
from daozhang.demo.shelf import furnish as furnish_shop
from daozhang.demo.world import PASSWORD, Guide, World
from daozhang.providers import rows as providers
from daozhang.serve import serve
from daozhang.settings import Settings
from daozhang.web.console.services import DemoLogin

PHONE = "13800138000"
DESK = (
    ("owner", ("owner",)), ("support", ("support",)), ("risk", ("risk",)), ("finance", ("finance",)), ("aml", ("aml",)),
)  # fmt: skip
"""The people at the demo's desk, with their roles; they share the demo's password, and the login page shows their codes.

With each role there is a room that nobody else enters, and a second pair of eyes for what one person proposes.
"""
START_WAIT_S = 20.0


class DemoTrouble(Exception):
    """The demo cannot start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the person at the terminal is told."""

    shop: str
    phone: str
    tour: str = ""
    desk: str = ""
    login: str = PHONE
    password: str = PASSWORD


async def demo(settings: Settings, told: Callable[[Addresses], None]) -> None:
    """Run the demo until SIGINT or SIGTERM; `told` is called when it is up. Raises `DemoTrouble`, `PortTaken`, `ServerTrouble`."""
    settings = replace(settings, test_mode=True)
    folder = settings.data / "simulator"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    card_file = folder / "card.json"
    card_file.unlink(missing_ok=True)
    simulator = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daozhang.simulators", "--port", str(settings.simulator_port), "--data", str(folder),
        "--config", str(card_file), "--parent", str(os.getpid()), stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        base = f"http://127.0.0.1:{settings.simulator_port}"

        guide = Guide()

        async def ready(program: Program) -> None:
            await equip(settings, program, await _card(simulator, card_file))
            guide.world = World(program, settings, base, SCENES)
            await guide.world.welcome(PHONE)
            told(Addresses(settings.url(), f"{base}/phone", f"{settings.url()}/tour", f"{settings.url()}/desk"))

        await serve(settings, phone_url=lambda text: f"{base}/phone/scan?code_url={quote(text, safe='')}", ready=ready, tour=guide)
    finally:
        if simulator.returncode is None:
            simulator.terminate()
        await simulator.wait()


async def _card(simulator: asyncio.subprocess.Process, file: Path) -> dict[str, Any]:
    """What the simulated merchant platforms give a merchant, once the simulator answers."""
    for _ in range(int(START_WAIT_S / 0.05)):
        if simulator.returncode is not None:
            raise DemoTrouble("the simulated channels could not start (is its port taken? see DAOZHANG_SIMULATOR_PORT)")
        card = await asyncio.to_thread(_read, file)
        if card is not None:
            return card
        await asyncio.sleep(0.05)
    raise DemoTrouble("the simulated channels did not start in time")


def _read(file: Path) -> dict[str, Any] | None:
    return json.loads(file.read_text("utf-8")) if file.exists() else None


async def equip(settings: Settings, program: Program, card: dict[str, Any]) -> None:
    """Register the simulated channels and services, and furnish the shop, unless that is there from last time.

    `card` is what the simulators hand to a merchant: `channels` and `providers`. Raises `DemoTrouble` beside a real channel.
    """
    rows = await console.listed(program.database)
    real = [row for row in rows if row.enabled and not all(host.startswith("http://127.0.0.1:") for host in row.hosts)]
    if real:
        raise DemoTrouble("this data folder has a real channel: give the demo a folder of its own with DAOZHANG_DATA")
    kept = set()
    for each in card["channels"]:
        wanted = msgspec.convert(each, console.ChannelSettings)
        key = (wanted.kind, wanted.merchant, wanted.app)
        found = next((row for row in rows if (row.kind, row.merchant, row.app) == key), None)
        if found is None:
            channel_id = await console.add(program.database, program.vault, settings, wanted)
        else:
            channel_id = found.id
            if found.hosts != list(wanted.hosts):
                await console.point(program.database, settings, channel_id, wanted.hosts)
        if found is None or not found.enabled:
            await console.enable(program.database, program.vault, settings, channel_id)
        kept.add(channel_id)
    for row in rows:
        if row.enabled and row.id not in kept:
            await console.enable(program.database, program.vault, settings, row.id, enabled=False)
    await program.registry.load()
    for each in card["providers"]:
        await providers.add(program.database, program.vault, settings, SHOP, msgspec.convert(each, providers.ProviderSettings))
    await _staff(program)
    await furnish_shop(program, settings)


async def _staff(program: Program) -> None:
    """Let people of the shop in; nobody carries a telephone with their codes, so the desk's login page shows them."""
    console = program.house.console
    assert console is not None
    there = {line.name for line in await console.staff.listed(SHOP)}
    for name, roles in DESK:
        if name not in there:
            await console.staff.add(SHOP, name, roles, "demo", password=PASSWORD)
    console.demo_logins = [DemoLogin(name, PASSWORD, ", ".join(roles)) for name, roles in DESK]
    console.demo_code = partial(console.staff.code, SHOP)
