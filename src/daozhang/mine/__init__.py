"""A user's own affairs: the unused balance back, a copy of one's data, closing the account, where messages go."""

from daozhang.mine.leaving import Leaving, Obstacle
from daozhang.mine.unused import Part, Unused, Way

__all__ = ["Leaving", "Obstacle", "Part", "Unused", "Way"]
