"""Every row of UnionPay's code table with the operation it was written for, and how the simulator is brought to say it."""

import re
import tomllib
from typing import NamedTuple

from tests.house.sources import SOURCE

ROWS = tomllib.loads((SOURCE / "channels" / "kinds" / "unionpay" / "errors.toml").read_text("utf-8"))["code"]
EVERYWHERE = ("order", "query", "refund")
"""Where a row without `on` is tried: it was written for orders, and elsewhere its failure is unknown."""


class Case(NamedTuple):
    """One native code at one operation, and what it has to become. `says` is what the dial or the phone is set to."""

    operation: str
    says: str
    code: str
    outcome: str
    reason: str


def cases(*operations: str) -> list[Case]:
    """The rows that a flow of ours can receive, for these operations."""
    found = []
    for row in ROWS:
        if "unreached" in row:
            continue
        for operation in row.get("on", EVERYWHERE):
            outcome = row["outcome"]
            if "on" not in row and operation != "order" and outcome == "failure":
                outcome = "unknown"
            if operation in operations and not _better(row, operation):
                detail = re.fullmatch(r"\[(\d{7})\]", row["name"])
                says = detail[1] if detail else row.get("code", row["name"])
                found.append(Case(operation, says, row.get("code", row["name"]), outcome, row["reason"]))
    return found


def _better(row: dict[str, object], operation: str) -> bool:
    """Whether another row of the same code was written for just this operation."""
    code = row.get("code", row["name"])
    return "on" not in row and any(
        other.get("code", other["name"]) == code and operation in other.get("on", ()) for other in ROWS if other is not row
    )


def named(case: Case) -> str:
    """How a case is called in a report."""
    return f"{case.operation}-{case.says}"
