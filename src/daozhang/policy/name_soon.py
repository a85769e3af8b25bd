"""Whether a user will soon be asked for a verified name: told before the duty stops an order, on every page about the balance."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from daozhang.policy.book import EligibilityRules
from daozhang.policy.model import Verdict

NEAR_PERCENT = 80
"""From this part of the ceiling without a name on it is told."""


class Soon(NamedTuple):
    """The reason, and the facts that it is told with."""

    reason: str
    facts: Mapping[str, Any]


def soon(verdicts: Iterable[Verdict]) -> Soon | None:
    """What the verdicts as they are shown say of it; None with a name, far from every bound, or once the duty holds already."""
    by_check = {verdict.check: verdict for verdict in verdicts}
    named, ceiling = by_check.get("eligibility.named"), by_check.get("eligibility.ceiling")
    if named is None:
        return None
    if named.reason == "eligibility.name_soon":
        return Soon(named.reason, named.facts)
    unnamed = "limit_fen" in named.facts and named.reason is None
    if not unnamed or ceiling is None or ceiling.reason is not None or "left_fen" not in ceiling.facts:
        return None
    limit_fen, left_fen = ceiling.facts["limit_fen"], ceiling.facts["left_fen"]
    if (limit_fen - left_fen) * 100 < limit_fen * NEAR_PERCENT:
        return None
    return Soon("eligibility.ceiling_soon", {"limit_fen": limit_fen, "left_fen": left_fen})


def near_fen(rules: EligibilityRules) -> int | None:
    """From which balance on somebody without a name is near the ceiling, in fen; None where there is none."""
    return rules.unnamed_ceiling_fen * NEAR_PERCENT // 100 if rules.mode == "single_purpose_card" else None
