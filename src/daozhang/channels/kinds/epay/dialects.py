"""Dialects: the same protocol as one operator or another speaks it. Data, chosen by the channel and never by a message."""

import tomllib
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from daozhang.money import yuan

_STATES = {state: state for state in "01234"}
_MARGIN = timedelta(minutes=5)


class Dialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one family of operators speaks. Paths are below the channel's host and path; an empty one is a door they lack."""

    submit: str = "/submit.php"
    """Takes the signed form of the payer's browser (V1)."""
    mapi: str = "/mapi.php"
    """Takes orders server to server (V1)."""
    api: str = "/api.php"
    """Answers order queries and refunds (V1)."""
    v2: str = "/api/"
    """What stands in front of `pay/create`, `pay/query` ... (V2)."""
    page: Literal["jump", "submit"] = "jump"
    """How a payer gets to the operator's page: a link asked for server to server, or the signed form in the browser (V1 only)."""
    money: Literal["two", "short"] = "two"
    """How amounts are written: `50.00` or `50`."""
    upper: bool = False
    """Signatures in capitals (V1)."""
    ok: str = "1"
    """The code of success in V1. A refund has one of its own."""
    refund_ok: str = "0"
    refunds: bool = True
    """Whether V1 takes refunds at all."""
    returned: str = ""
    """The field in which an order query tells how much went back. The published one does not tell (V1)."""
    tells_pid: bool = True
    """Whether an order query names the merchant."""
    param: bool = False
    """Whether callbacks carry something in `param` although we never send it."""
    channel_field: str = "channel_id"
    """What the number of a channel at the operator is called in an order."""
    paid_words: tuple[str, ...] = ("TRADE_SUCCESS",)
    """What `trade_status` says in a callback about money."""
    states: dict[str, str] = msgspec.field(default_factory=lambda: dict(_STATES))
    """What an order query's `status` means, as the platform's own numbers 0 to 4."""
    payable_minutes: int = 120
    """How long a payment can be made after its order: codes of the wallets behind the operator live for two hours."""

    def written(self, amount_fen: int) -> str:
        """An amount in yuan as this operator wants it."""
        full = yuan(amount_fen, grouped=False)
        return full if self.money == "two" else full.rstrip("0").rstrip(".")

    def payable(self) -> timedelta:
        """How long after its order a payment may still come, with a margin for the operator's own delay."""
        return timedelta(minutes=self.payable_minutes) + _MARGIN


@cache
def dialects() -> dict[str, Dialect]:
    """Every dialect by its name."""
    text = resources.files(__package__).joinpath("dialects.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Dialect])
