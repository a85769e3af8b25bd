"""Alipay keeps the contract."""

from tests.channels.alipay_rig import TRAITS, alipay_keys, enrolled, rig
from tests.channels.contract import *  # noqa: F403 - the contract's tests are collected here.

__all__ = ["TRAITS", "alipay_keys", "enrolled", "rig"]
