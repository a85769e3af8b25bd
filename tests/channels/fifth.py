"""What the page on adding a channel says, done to a copy of the program: one folder and one line, and the same for the simulator.

The fifth kind is Epay under another name with everything renamed in its two folders, so that nothing in the program can know it.
Run as a program it tells one recharge through the fifth kind with whatever `daozhang` it is given.
"""

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path

from daozhang.channels.catalogue import KINDS
from daozhang.settings import Settings

NAME = re.compile(r"(?<![A-Za-z])([Ee])pay")
FOLDERS = ("channels/kinds", "simulators")
LINES = {
    "channels/catalogue.py": (
        ("import alipay, epay,", "import alipay, epay, fifth,"),
        ("        epay.KIND,\n", "        epay.KIND,\n        fifth.KIND,\n"),
    ),
    "simulators/stations.py": (
        ("from daozhang.simulators.epay.station import Epay\n",
         "from daozhang.simulators.epay.station import Epay\nfrom daozhang.simulators.fifth.station import Fifth\n"),
        ('    "epay": Epay,\n', '    "epay": Epay,\n    "fifth": Fifth,\n'),
    ),
}  # fmt: skip


def add_a_fifth(source: Path, target: Path) -> list[str]:
    """Copy the program to `target` and do what the page says; the files that were changed beside the new folders."""
    program = target / "daozhang"
    shutil.copytree(source, program, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in FOLDERS:
        shutil.copytree(program / folder / "epay", program / folder / "fifth")
        for file in (program / folder / "fifth").rglob("*.*"):
            file.write_text(NAME.sub(lambda found: "Fifth" if found[1] == "E" else "fifth", file.read_text("utf-8")), "utf-8")
    for name, changes in LINES.items():
        text = (program / name).read_text("utf-8")
        for before, after in changes:
            assert text.count(before) == 1, (name, before)
            text = text.replace(before, after)
        (program / name).write_text(text, "utf-8")
    return list(LINES)


async def story(dsn: str, data: Path) -> dict[str, object]:
    """One recharge and its refund through the fifth kind, and where it shows by itself."""
    from tests.flows.shop import open_shop  # noqa: PLC0415 - it is imported with the program that is under test.

    from daozhang.channels.native_reference import page  # noqa: PLC0415
    from daozhang.postgres import Database  # noqa: PLC0415
    from daozhang.reasons.names import kind_names  # noqa: PLC0415

    database = await Database.open(dsn)
    async with open_shop(database, Settings(data=data, test_mode=True), kinds=("wechatpay", "fifth")) as shop:
        channel_id = shop.channels["fifth"]
        order = await shop.place_at("fifth", "qr")
        offered = await shop.program.desk.quote(shop.user_id, 5_000)
        await shop.pay(order)
        credited = await shop.reach(order.id, "credited")
        refund = await shop.program.desk.refund(order.id, 2_000, "test", "staff:1")
        await shop.program.interface_log.drain()
        said = await shop.program.interface_log.of_order(order.id)
        told = {
            "kind": credited.kind,
            "ways": sorted({way.method for way in offered.methods if way.channel_id == channel_id}),
            "status": sorted(method for channel, method in shop.program.board.now(1) if channel == channel_id),
            "cash_fen": await shop.cash(),
            "refund": refund.state,
            "operations": sorted({entry.operation for entry in said}),
            "name": kind_names()["fifth"]["zh"].name,
            "codes": page().count("\n## fifth\n"),
            "program": str(Path(sys.modules["daozhang"].__file__ or "").parent),
        }
    await database.close()
    return told


if __name__ == "__main__":
    assert "fifth" in KINDS
    sys.stdout.write(json.dumps(asyncio.run(story(sys.argv[1], Path(sys.argv[2])))) + "\n")
