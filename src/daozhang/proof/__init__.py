"""Proof: everything recomputed from the postings, and what does not add up named."""

from daozhang.proof.book import Check, Proof, prove

__all__ = ["Check", "Proof", "prove"]
