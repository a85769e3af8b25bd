"""What is one's own: the unused money back, a copy of one's data, and the way out."""

from daozhang.mine.leaving import Leaving, Obstacle
from daozhang.mine.unused import Part, Unused, Way

__all__ = ["Leaving", "Obstacle", "Part", "Unused", "Way"]
