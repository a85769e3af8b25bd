"""A channel as its row says it is."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One merchant account of a kind. `version` grows with every change of the row or its keys; `enabled` gates new orders only."""

    id: int
    shop_id: int
    kind: str
    name: str
    merchant: str
    app: str
    methods: tuple[str, ...]
    hosts: tuple[str, ...]
    enabled: bool
    version: int
    no_credit: bool = False
    """Credit cards are not wanted: an adapter whose protocol has a word for it says so with every order."""

    @classmethod
    def of(cls, record: Any) -> "ChannelRow":
        """Read a database row that has the columns above."""
        return cls(
            record["id"],
            record["shop_id"],
            record["kind"],
            record["name"],
            record["merchant"],
            record["app"],
            tuple(record["methods"]),
            tuple(record["hosts"]),
            record["enabled"],
            record["version"],
            record["no_credit"],
        )

    def notify_path(self) -> str:
        """Where this channel's callbacks arrive: a door of its own, so that no other channel's key opens it."""
        return f"/notify/{self.kind}/{self.id}"
