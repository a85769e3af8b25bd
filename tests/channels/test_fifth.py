"""A fifth channel is one folder and one line: the page in the docs says so, and this does it."""

import asyncio
import json
import os
import sys
from pathlib import Path

from tests.channels.fifth import FOLDERS, LINES, add_a_fifth
from tests.flows.conftest import proved
from tests.house.sources import ROOT, SOURCE, text

from daozhang.postgres import Database


async def test_one_folder_and_one_line_make_a_channel_that_is_offered_paid_refunded_and_watched(
    database: Database, free_clock: None, tmp_path: Path
) -> None:
    assert add_a_fifth(SOURCE, tmp_path / "copy") == list(LINES)
    told = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.channels.fifth", database.dsn, str(tmp_path / "data"),
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "copy"), str(ROOT)])}, cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, trouble = await told.communicate()
    assert told.returncode == 0, trouble.decode()[-3_000:]
    story = json.loads(said.decode().splitlines()[-1])
    assert story.pop("program") == str(tmp_path / "copy" / "daozhang")
    assert {"order", "query", "refund"} <= set(story.pop("operations"))
    assert story == {
        "kind": "fifth", "ways": ["page", "qr"], "status": ["page", "qr"], "cash_fen": 3_000, "refund": "done", "name": "易支付",
        "codes": 1,
    }  # fmt: skip
    await proved(database)


def test_the_page_names_what_was_done_here_and_every_file_of_a_kind() -> None:
    page = text(ROOT / "docs" / "add-a-channel.md")
    for place in (*(f"src/daozhang/{folder}/<kind>/" for folder in FOLDERS), *(Path(name).name for name in LINES)):
        assert place in page, place
    named = {"__init__.py", "adapter.py", "keys.py", "errors.toml", "words.toml"}
    for kind in ("wechatpay", "alipay", "unionpay", "epay"):
        assert named <= {file.name for file in (SOURCE / "channels" / "kinds" / kind).iterdir()}
    assert all(f"`{name}`" in page for name in named)
