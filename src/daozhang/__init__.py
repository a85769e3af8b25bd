"""Daozhang: the money has arrived."""

__version__ = "0.1.0"
