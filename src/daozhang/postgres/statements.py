"""Named SQL: each room keeps its statements in `queries.sql` as blocks headed `-- name: lock_order`."""

import re
from functools import cache
from importlib import resources

_HEAD = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE | re.ASCII)


class Statements:
    """The statements of one room, read as attributes: `sql.lock_order`. A missing name is our own bug."""

    def __init__(self, blocks: dict[str, str]) -> None:
        self._blocks = blocks

    def __getattr__(self, name: str) -> str:
        try:
            return self._blocks[name]
        except KeyError:
            raise AttributeError(name) from None

    def names(self) -> list[str]:
        """Every name, in the order of the file."""
        return list(self._blocks)


@cache
def statements(room: str) -> Statements:
    """Load `queries.sql` of a room such as `daozhang.ledger`. Names are unique within a room."""
    text = resources.files(room).joinpath("queries.sql").read_text("utf-8")
    parts = _HEAD.split(text)
    blocks: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        assert name not in blocks, f"{room}: {name} is named twice"
        blocks[name] = body.strip().removesuffix(";")
    return Statements(blocks)
