"""Epay V2 keeps the contract."""

from collections.abc import AsyncIterator

import pytest
from tests.channels.attacks import Target, listening
from tests.channels.contract import *  # noqa: F403 - the contract's tests are collected here.
from tests.channels.epay_rig import EpayRig, open_rig
from tests.channels.pens import epay_target
from tests.channels.rig import FACTS, Traits

from daozhang.channels.port import Outcome
from daozhang.simulators.epay.enrolment import Enrolment, enrol

TRAITS = Traits(
    method="qr",
    shows_closed=False,
    refund_first=Outcome.SUCCESS,
    tells_refunds=False,
    facts=tuple(fact for fact in FACTS if fact != "happened_at"),
    silences=("hang", "booked_error", "truncate", "garbage", "page", "unsigned", "forge", "stale", "empty_503"),
)


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol("1001", "1002")


@pytest.fixture(scope="module")
async def target(enrolment: Enrolment) -> AsyncIterator[Target]:
    async with listening(epay_target("v2", enrolment, enrol("1001"))) as opened:
        yield opened


@pytest.fixture
async def rig(enrolment: Enrolment) -> AsyncIterator[EpayRig]:
    async with open_rig(enrolment, TRAITS, version="v2") as opened:
        yield opened
