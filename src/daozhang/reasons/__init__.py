"""Why something is not done: the catalogue of reasons, the refusal that carries one, and how it is told."""

from daozhang.reasons.catalogue import BadCatalogue, Catalogue, CuredBy, Disclosure, Layer, Reason, Retry, Told, catalogue
from daozhang.reasons.problem import Problem, problem
from daozhang.reasons.refusal import Refusal

__all__ = [
    "BadCatalogue",
    "Catalogue",
    "CuredBy",
    "Disclosure",
    "Layer",
    "Problem",
    "Reason",
    "Refusal",
    "Retry",
    "Told",
    "catalogue",
    "problem",
]
