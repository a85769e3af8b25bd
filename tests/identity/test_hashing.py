"""Argon2id with the house's parameters, two at a time, and a queue with an end."""

import asyncio

import pytest

from daozhang.identity import Hasher
from daozhang.reasons.refusal import Refusal


@pytest.mark.usefixtures("real_hashes")
async def test_the_parameters_are_those_of_the_decision() -> None:
    hasher = Hasher()
    password_hash = await hasher.hash("tea at four")
    assert password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify(password_hash, "tea at four")
    assert not await hasher.verify(password_hash, "tea at five")
    assert not hasher.is_outdated(password_hash)
    assert Hasher(passes=1, memory_kib=256).is_outdated(password_hash)
    hasher.close()


async def test_az_07_nobody_costs_one_hash_too_and_is_never_right() -> None:
    hasher = Hasher(memory_kib=256, passes=1)
    assert not await hasher.verify(None, "nobody has this password")
    assert hasher.done_count == 1
    assert not await hasher.verify("$argon2id$ not a hash", "x")
    hasher.close()


async def test_a_flood_finds_the_queue_full_and_is_told_so() -> None:
    hasher = Hasher(memory_kib=1_024, passes=1, waiting=4)
    outcomes = await asyncio.gather(*(hasher.hash("x") for _ in range(20)), return_exceptions=True)
    busy = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert len(busy) == 14
    assert {refusal.reason for refusal in busy} == {"platform.busy"}
    assert (await hasher.hash("x")).startswith("$argon2id$")
    hasher.close()


async def test_passwords_are_bytes_as_typed() -> None:
    hasher = Hasher(memory_kib=256, passes=1)
    composed, decomposed = "caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301"
    password_hash = await hasher.hash(composed)
    assert await hasher.verify(password_hash, composed)
    assert not await hasher.verify(password_hash, decomposed)
    for odd in ("\0" * 8, "\ud800" * 8, "🎋" * 128):
        assert await hasher.verify(await hasher.hash(odd), odd)
    hasher.close()
