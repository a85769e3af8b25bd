"""The human thread: somebody asks, somebody answers with proof, two decide, and a clock runs for whoever's turn it is."""

from daozhang.cases.kinds import KINDS, CaseKind
from daozhang.cases.model import Case, Evidence, Line, parse_shown, shown
from daozhang.cases.service import Cases, Effect

__all__ = ["KINDS", "Case", "CaseKind", "Cases", "Effect", "Evidence", "Line", "parse_shown", "shown"]
