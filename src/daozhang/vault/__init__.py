"""Sealing of secrets and personal data, and blind indexes to find sealed data again."""

from daozhang.vault.master import BadMasterKey
from daozhang.vault.seal import Unreadable, Vault

__all__ = ["BadMasterKey", "Unreadable", "Vault"]
