"""Sealed bytes open only in their own place, under their own key, unaltered."""

import os
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang import clock
from daozhang.vault import Unreadable, Vault
from daozhang.vault.keys import DataKey


def keys(*ages_days: int) -> list[DataKey]:
    now = clock.now()
    data = [DataKey(n + 2, "data", now - timedelta(days=age), os.urandom(32)) for n, age in enumerate(ages_days)]
    return [DataKey(1, "blind", now, os.urandom(32)), *data]


VAULT = Vault(keys(0))


@given(st.binary(max_size=300), st.text(max_size=40))
def test_what_is_sealed_opens_in_its_place(plain: bytes, aad: str) -> None:
    sealed = VAULT.seal(plain, aad)
    assert VAULT.unseal(sealed, aad) == plain
    assert len(sealed) == len(plain) + 33
    with pytest.raises(Unreadable):
        VAULT.unseal(sealed, aad + "x")


@given(st.text(max_size=60))
def test_text_comes_back_as_text(text: str) -> None:
    assert VAULT.unseal_text(VAULT.seal(text, "users:phone:1"), "users:phone:1") == text


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_refused(place: int, change: int) -> None:
    sealed = bytearray(VAULT.seal("13800138000", "users:phone:42"))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(Unreadable):
        VAULT.unseal(bytes(sealed), "users:phone:42")


@given(st.binary(max_size=80))
def test_foreign_bytes_are_refused(junk: bytes) -> None:
    with pytest.raises(Unreadable):
        VAULT.unseal(junk, "users:phone:42")


def test_the_same_text_never_seals_alike() -> None:
    assert len({VAULT.seal("13800138000", "a") for _ in range(100)}) == 100


def test_another_vault_cannot_read() -> None:
    with pytest.raises(Unreadable):
        Vault(keys(0)).unseal(VAULT.seal("secret", "a"), "a")


def test_data_keys_take_turns_and_old_ones_still_open() -> None:
    all_keys = keys(40, 10, -20)
    young = Vault(all_keys[:2])
    sealed = young.seal("x", "a")
    vault = Vault(all_keys)
    assert vault.unseal(sealed, "a") == b"x"
    assert not vault.is_current(sealed)
    assert vault.seal("x", "a")[1:5] == (3).to_bytes(4, "big")
    clock.shift(timedelta(days=21).total_seconds())
    try:
        assert vault.seal("x", "a")[1:5] == (4).to_bytes(4, "big")
    finally:
        clock.shift(0)


def test_blind_index_is_stable_per_kind_and_normalised() -> None:
    assert VAULT.blind("phone", " 13800138000 ") == VAULT.blind("phone", "１３８００１３８０００")
    assert VAULT.blind("email", "A@Example.com") == VAULT.blind("email", "a@example.COM")
    assert VAULT.blind("phone", "13800138000") != VAULT.blind("openid", "13800138000")
    assert VAULT.blind("phone", "13800138000") != Vault(keys(0)).blind("phone", "13800138000")
    assert len(VAULT.blind("phone", "13800138000")) == 32


def test_keys_do_not_show_in_a_representation() -> None:
    key = DataKey(1, "data", clock.now(), b"canary-canary-canary-canary-1234")
    assert "canary" not in repr(key)
    assert "canary" not in repr(Vault([*keys(0), key]))
