"""A case and what belongs to it, as values."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from daozhang import ids
from daozhang.cases.kinds import KINDS

State = Literal["need_user", "need_staff", "second", "closed"]
Verdict = Literal["approved", "rejected"]

MOVES: dict[tuple[State, str], State] = {
    ("need_user", "answered"): "need_staff",
    ("need_staff", "answered"): "need_staff",
    ("second", "answered"): "need_staff",
    ("need_staff", "asked"): "need_user",
    ("need_staff", "proposed"): "second",
    ("need_user", "proposed"): "second",
    ("second", "confirmed"): "closed",
    ("second", "objected"): "need_staff",
    ("need_staff", "decided"): "closed",
    ("need_user", "lapsed"): "closed",
    ("need_staff", "lapsed"): "closed",
    ("second", "lapsed"): "closed",
    ("need_user", "withdrawn"): "closed",
    ("need_staff", "withdrawn"): "closed",
    ("need_user", "overtaken"): "closed",
    ("need_staff", "overtaken"): "closed",
    ("second", "overtaken"): "closed",
}
"""What may happen to a case; the same rows stand in the database, and a test compares. `overtaken`: its matter ended elsewhere."""


def shown(case_id: UUID) -> str:
    """The case's number as people see it."""
    return f"CA-{ids.text26(case_id)}"


def parse_shown(text: str) -> UUID | None:
    """Read a shown number; None for anything else."""
    return ids.parse26(text[3:]) if text.startswith("CA-") else None


class Case(msgspec.Struct, frozen=True):
    """A case. `about` names its matter (an order's or a user's number); `question` is the form that the user answers.

    `deadline_at` is for whoever's turn it is, `answer_by` for the whole: fifteen days from its opening.
    """

    id: UUID
    shop_id: int
    user_id: int | None
    kind: str
    about: str
    state: State
    version: int
    question: str
    facts: dict[str, Any]
    verdict: Verdict | None
    verdict_why: str | None
    proposed_by: str | None
    opened_at: datetime
    moved_at: datetime
    answer_by: datetime
    deadline_at: datetime | None
    escalated_at: datetime | None
    closed_at: datetime | None

    @property
    def shown(self) -> str:
        """The number that people see."""
        return shown(self.id)

    @property
    def withdrawable(self) -> bool:
        """Whether its user may take it back."""
        return KINDS[self.kind].withdrawable

    @property
    def turn(self) -> Literal["user", "staff", "nobody"]:
        """Whose turn it is."""
        return "nobody" if self.state == "closed" else "user" if self.state == "need_user" else "staff"


class Line(msgspec.Struct, frozen=True):
    """A message of a case's thread, in clear for its two sides."""

    actor: str
    text: str
    at: datetime


class Turn(msgspec.Struct, frozen=True):
    """A move of a case, as staff read it."""

    move: str
    to_state: str
    actor: str
    verdict: str | None
    why: str
    at: datetime


class Evidence(msgspec.Struct, frozen=True):
    """A picture that was handed in. `gone` once it was deleted after the decision."""

    id: UUID
    actor: str
    width: int
    height: int
    sha256: str
    at: datetime
    gone: bool
