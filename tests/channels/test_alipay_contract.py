"""Alipay keeps the contract."""

from collections.abc import AsyncIterator

import pytest
from tests.channels.alipay_rig import TRAITS, alipay_keys, enrolled, rig
from tests.channels.attacks import Target, listening
from tests.channels.contract import *  # noqa: F403 - the contract's tests are collected here.
from tests.channels.pens import alipay_target

from daozhang.simulators.alipay.enrolment import Enrolment, enrol

__all__ = ["TRAITS", "alipay_keys", "enrolled", "rig"]


@pytest.fixture(scope="module")
async def target(enrolled: Enrolment) -> AsyncIterator[Target]:
    async with listening(alipay_target(enrolled, enrol())) as opened:
        yield opened
