"""The live state of channels: what real traffic and probes say, a breaker for all processes, maintenance and suspension."""

from daozhang.status.board import Board, Maintenance, Suspension
from daozhang.status.counts import Sampler
from daozhang.status.history import History
from daozhang.status.model import Phase, Sign, Standing, Status
from daozhang.status.observe import Observed
from daozhang.status.probe import Probes
from daozhang.status.watch import Watch

__all__ = [
    "Board",
    "History",
    "Maintenance",
    "Observed",
    "Phase",
    "Probes",
    "Sampler",
    "Sign",
    "Standing",
    "Status",
    "Suspension",
    "Watch",
]
