"""The one business exception: something is not done, and this is why."""

from typing import Any


class Refusal(Exception):
    """Refuse with a reason of the catalogue. Facts fill its texts and carry their unit in the name (`limit_fen`, `wait_s`)."""

    def __init__(self, reason: str, **facts: Any) -> None:
        super().__init__(reason)
        self.reason, self.facts = reason, facts
