"""Epay V1 keeps the contract as far as it has what the contract asks for: no close, no numbers of refunds, unsigned answers."""

from collections.abc import AsyncIterator

import pytest
from tests.channels.attacks import Target, listening
from tests.channels.contract import *  # noqa: F403 - the contract's tests are collected here.
from tests.channels.epay_rig import EpayRig, open_rig
from tests.channels.pens import epay_target
from tests.channels.rig import Traits

from daozhang.channels.port import Outcome
from daozhang.simulators.epay.enrolment import Enrolment, enrol

TRAITS = Traits(
    method="qr",
    closes=False,
    closes_unseen=False,
    numbers_refunds=False,
    refund_first=Outcome.SUCCESS,
    tells_refunds=False,
    facts=("subject", "number", "outcome", "amount_fen", "currency", "merchant", "app", "channel_txn"),
    silences=("hang", "booked_error", "truncate", "garbage", "page", "empty_503"),
)


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol("1001", "1002")


@pytest.fixture(scope="module")
async def target(enrolment: Enrolment) -> AsyncIterator[Target]:
    async with listening(epay_target("v1", enrolment, enrol("1001"))) as opened:
        yield opened


@pytest.fixture(params=["rainbow", "exact"])
async def rig(enrolment: Enrolment, request: pytest.FixtureRequest) -> AsyncIterator[EpayRig]:
    async with open_rig(enrolment, TRAITS, request.param) as opened:
        yield opened
