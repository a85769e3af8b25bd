"""Why a recharge did not work and where its money is: evidence goes in, a finding comes out that never says more than was told."""

from daozhang.diagnosis.claim import Claimed, Claims
from daozhang.diagnosis.model import Cause, Cure, Evidence, Finding, Heard, Layer, Line, Mark, Stopped, Way
from daozhang.diagnosis.opening import open_diagnoses
from daozhang.diagnosis.read import Now, Reader
from daozhang.diagnosis.service import Diagnoses, Past, Thread
from daozhang.diagnosis.think import find

__all__ = [
    "Cause",
    "Claimed",
    "Claims",
    "Cure",
    "Diagnoses",
    "Evidence",
    "Finding",
    "Heard",
    "Layer",
    "Line",
    "Mark",
    "Now",
    "Past",
    "Reader",
    "Stopped",
    "Thread",
    "Way",
    "find",
    "open_diagnoses",
]
