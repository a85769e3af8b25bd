"""The kinds of cases, with their clocks: data in `kinds.toml`."""

import tomllib
from datetime import timedelta
from importlib import resources
from typing import Literal

import msgspec

ANSWER_IN = timedelta(days=15)
"""A case is answered within fifteen days at the latest, whoever was slow (complaint rules of the payment business)."""


class CaseKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind. `silence` is the verdict when the user's time passes without an answer.

    One that is not `withdrawable` is about money, an order or a correction: it needs an end. `unanswered` is the verdict when
    nobody of ours has answered in `ANSWER_IN`; without one it only stays escalated. `asked` is the message to its user when he
    is asked, and `tells` are the verdicts that he is told of here: those that are not, what they do tells.
    """

    four_eyes: bool
    target_s: int
    escalate_s: int
    user_s: int
    silence: Literal["rejected"]
    questions: tuple[str, ...]
    withdrawable: bool = True
    unanswered: Literal["rejected"] | None = None
    asked: Literal["case_asked", "money_asked"] = "case_asked"
    tells: tuple[Literal["approved", "rejected"], ...] = ("approved", "rejected")


def _read() -> dict[str, CaseKind]:
    tree = tomllib.loads(resources.files("daozhang.cases").joinpath("kinds.toml").read_text("utf-8"))
    return msgspec.convert(tree["kinds"], dict[str, CaseKind])


KINDS = _read()
