"""Limits: what a payment, a day and a month of one user may be, ours, the channel's and the bank's; and what a way to pay costs."""

from daozhang.limits.judge import Room, room, stopped
from daozhang.limits.model import AXES, Limit, Stop, Way
from daozhang.limits.read import read

__all__ = ["AXES", "Limit", "Room", "Stop", "Way", "read", "room", "stopped"]
