"""What a person has to look at: rung once, counted while it lasts, closed with what was done about it."""

from daozhang.alarms.bell import Alarm, Waiting, close, end, keep, open_alarms, ring
from daozhang.alarms.kinds import KINDS, AlarmKind

__all__ = ["KINDS", "Alarm", "AlarmKind", "Waiting", "close", "end", "keep", "open_alarms", "ring"]
