"""`python -m daozhang.simulators`: the simulated channels and the phone as a process of their own.

It writes `--config`, a JSON file (mode 0600): `url` (the channels' address), `phone` (where a person pays), `scan` (append the
url-encoded text of a QR), `channels`: for each what a merchant copies out of its platform, as `daozhang channel add` reads it.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec

from daozhang.simulators.habits import Habits
from daozhang.simulators.merchant import write_secret
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.stations import KNOWN
from daozhang.simulators.tether import end_with_parent


def main() -> int:
    """Run until a signal comes or the parent is gone. Exit code 0; 2 when the folder or the port cannot be used."""
    options = _options()
    try:
        simulator = _simulator(options)
    except (OSError, msgspec.ValidationError, msgspec.DecodeError) as error:
        sys.stderr.write(f"simulators: {error}\n")
        return 2
    try:
        import uvloop  # noqa: PLC0415 - faster where it is installed, and not needed.
    except ImportError:
        asyncio.run(_serve(simulator, options))
    else:
        uvloop.run(_serve(simulator, options))
    return 0


async def _serve(simulator: Simulator, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    async with simulator:
        watcher = asyncio.create_task(end_with_parent(options.parent, stop.set)) if options.parent else None
        if options.config:
            write_secret(options.config, _card(simulator))
        sys.stdout.write(f"{simulator.url}\n")
        sys.stdout.flush()
        await stop.wait()
        if watcher is not None:
            watcher.cancel()


def _card(simulator: Simulator) -> bytes:
    card = {
        "url": simulator.url,
        "phone": f"{simulator.url}/phone",
        "scan": f"{simulator.url}/phone/scan?code_url=",
        "channels": simulator.cards(),
        "providers": simulator.services.cards(),
    }
    return msgspec.json.format(msgspec.json.encode(card))


def _simulator(options: argparse.Namespace) -> Simulator:
    habits = Habits(
        time_scale=options.time_scale,
        probe_every=options.probe_every,
        public_key_share=options.public_key_share,
        refund_s=options.refund_s,
        refund_callback_url=options.refund_callback_url,
    )
    return Simulator(
        kinds=tuple(options.kinds or KNOWN),
        folder=options.data,
        host=options.host,
        port=options.port,
        habits=habits,
        offset_s=options.offset,
        seed=options.seed,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m daozhang.simulators", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 = any free one; the address is the first line of output")
    parser.add_argument("--kinds", nargs="*", choices=list(KNOWN), help="which channels; default: all that are known")
    parser.add_argument("--config", type=Path, help="write what a merchant gets to this file")
    parser.add_argument("--data", type=Path, help="keep keys and books in this folder; default: in memory, gone at the end")
    parser.add_argument("--offset", type=float, default=0.0, help="seconds its clock is ahead of ours")
    parser.add_argument("--time-scale", type=float, default=1.0, help="multiplies every wait of the protocol")
    parser.add_argument("--probe-every", type=int, default=0, help="SIGNTEST in every n-th message")
    parser.add_argument("--public-key-share", type=float, default=0.5, help="share of callbacks signed with the public key")
    parser.add_argument("--refund-s", type=float, default=3.0, help="how long a refund is under way")
    parser.add_argument("--refund-callback-url", default="", help="platform address for v2 XML refund notices")
    parser.add_argument("--seed", type=int, default=0, help="seed of the dial's chance")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="end when this process is gone; 0 = never")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
