"""The commands that run the program: demo, serve, work, prove."""

import logging
import sys
from collections.abc import Coroutine
from typing import Any

from daozhang.cli.frame import Failed, app, say, say_json
from daozhang.cli.server import settle


@app.command
def demo() -> None:
    """Run the whole shop beside simulated channels and a phone, on this machine only."""
    from daozhang.demo import Addresses, DemoTrouble
    from daozhang.demo import demo as run_demo
    from daozhang.settings import read_settings

    def told(addresses: Addresses) -> None:
        say("")
        say(f"  商店 Shop    {addresses.shop}")
        say(f"  导览 Tour    {addresses.tour}")
        say(f"  手机 Phone   {addresses.phone}")
        say(f"  登录 Login   {addresses.login} / {addresses.password}")
        say(f"  客服台 Desk  {addresses.desk}   owner, support, risk, finance, aml / {addresses.password}, codes on its login page")
        say("")
        say("  Ctrl+C 停止 stops it")
        sys.stdout.flush()

    try:
        _run(run_demo(read_settings(), told), level=logging.WARNING)
    except DemoTrouble as fault:
        raise Failed(str(fault)) from fault


@app.command
def serve(*, work: bool = True) -> None:
    """Serve the pages and the channels' notifications.

    Args:
        work: also do the due work (asking channels, refunds); `--no-work` leaves it to `daozhang work`.
    """
    from daozhang.serve import serve as run_serve
    from daozhang.settings import read_settings

    _run(run_serve(read_settings(), work=work))


@app.command
def work() -> None:
    """Do the due work in a process without pages."""
    from daozhang.serve import work as run_work
    from daozhang.settings import read_settings

    _run(run_work(read_settings()))


@app.command
def prove(*, json: bool = False) -> None:
    """Recompute the whole book from its postings and say what does not add up; exit 1 when anything does not.

    Args:
        json: end with one JSON line.
    """
    from daozhang.money import yuan
    from daozhang.postgres.migrate import check_shape
    from daozhang.postgres.place import find_server
    from daozhang.postgres.pool import Database
    from daozhang.proof import prove as recompute
    from daozhang.settings import read_settings

    async def recomputed() -> Any:
        async with find_server(read_settings()) as server:
            database = await Database.open(server.direct(), size=1)
            try:
                await check_shape(database)
                return await recompute(database)
            finally:
                await database.close()

    proof = settle(recomputed())
    if json:
        say_json(**proof.as_json())
    else:
        for check in proof.checks:
            say(f"{'ok   ' if not check.wrong else 'WRONG'}  {check.looked_at:>9}  {check.meaning}")
            for culprit in check.culprits:
                say(f"                  {culprit}")
        owed = yuan(proof.counts["owed_to_users_fen"])
        say(f"{'Everything adds up' if proof.ok else 'SOMETHING DOES NOT ADD UP'}: {proof.counts['transfers']} transfers,"
            f" {proof.counts['postings']} postings, {proof.counts['credited']} credited orders, ¥{owed} owed to users")  # fmt: skip
    sys.exit(0 if proof.ok else 1)


def _run(work: Coroutine[Any, Any, None], level: int = logging.INFO) -> None:
    import uvloop

    from daozhang.serve import PortTaken, start_logging

    start_logging(level)
    try:
        settle(work, run=uvloop.run)
    except PortTaken as fault:
        raise Failed(str(fault)) from fault
