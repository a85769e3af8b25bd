"""What a settlement must never do: lose what it acknowledged, or credit it twice. One judge for ours and for the control."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Payments by their number at the channel: acknowledged or paid and not credited, and credited more than once."""

    lost: tuple[str, ...]
    double: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Nothing is lost and nothing is double."""
        return not self.lost and not self.double


def judge(paid: Iterable[str], credits_by_number: Counter[str]) -> Verdict:
    """Compare what was paid (or acknowledged) with how often each number was credited."""
    lost = tuple(sorted(number for number in set(paid) if credits_by_number[number] == 0))
    double = tuple(sorted(number for number, times in credits_by_number.items() if times > 1))
    return Verdict(lost, double)
