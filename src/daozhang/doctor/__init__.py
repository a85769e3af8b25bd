"""The doctor: what an operator should know about this installation before money depends on it."""

from daozhang.doctor.examine import examine
from daozhang.doctor.reading import Light, Reading

__all__ = ["Light", "Reading", "examine"]
