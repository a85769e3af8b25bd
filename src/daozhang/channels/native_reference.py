"""Writes `docs/reference/native-codes.md`: `python -m daozhang.channels.native_reference > docs/reference/native-codes.md`."""

import sys
import tomllib
from importlib import resources
from typing import Any

from daozhang.channels.catalogue import KINDS

_HEAD = """# Native codes

Generated from the `errors.toml` of each kind of channel by `python -m daozhang.channels.native_reference`; a test keeps it current.

What a channel's own words mean here: the outcome for the thing that was asked about, the [reason](reasons.md) that the user reads,
and whose fault it is (for statistics and the person on call; a user's own fault never counts against a channel). A code that is not
here ends in a safe reason by the class of its answer, and rings an alarm.

Each row of the first table of a kind is produced by the simulator and driven by a test to its outcome and reason. The second lists
the codes that no flow of this program can receive, with why.
"""


def page() -> str:
    """The whole page as Markdown, a section for each kind."""
    return _HEAD + "".join(_section(kind) for kind in sorted(KINDS))


def rows_of(kind: str) -> list[dict[str, Any]]:
    """The rows of a kind's `errors.toml`, as they stand there."""
    text = resources.files(f"daozhang.channels.kinds.{kind}").joinpath("errors.toml").read_text("utf-8")
    rows: list[dict[str, Any]] = tomllib.loads(text)["code"]
    return rows


def _section(kind: str) -> str:
    rows = rows_of(kind)
    reached = [row for row in rows if "unreached" not in row]
    other = [row for row in rows if "unreached" in row]
    lines = [f"\n## {kind}\n", "| code | at | outcome | reason | whose | meaning |", "|---|---|---|---|---|---|"]
    lines += [f"{_start(row)} | {row['reason']} | {row['party']} | {_cell(row.get('meaning', ''))} |" for row in reached]
    if other:
        lines += [f"\n### {kind}: never received\n", "| code | at | outcome | reason | why |", "|---|---|---|---|---|"]
        lines += [f"{_start(row)} | {row['reason']} | {_cell(row['unreached'])} |" for row in other]
    return "\n".join(lines) + "\n"


def _start(row: dict[str, Any]) -> str:
    return f"| `{_cell(row['name'])}` | {', '.join(row.get('on', ['any call']))} | {row['outcome']}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(page())
