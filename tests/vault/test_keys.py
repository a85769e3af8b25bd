"""Data keys in the database: made once, taken in turn, rewrapped, and worth nothing without the key file."""

import asyncio
import secrets
from pathlib import Path

import msgspec
import pytest
from tests.patience import until

from daozhang import clock
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.vault import BadMasterKey, Unreadable, Vault
from daozhang.vault.keys import PERIOD, draw_key
from daozhang.vault.master import create_master, load_master
from daozhang.vault.rotation import rotate_master


async def test_the_first_start_makes_everything_and_the_next_one_reads_it(database: Database, settings: Settings) -> None:
    first = await Vault.open(database, settings)
    sealed = first.seal("13800138000", "users:phone:1")
    second = await Vault.open(database, settings)
    assert second.unseal_text(sealed, "users:phone:1") == "13800138000"
    assert second.blind("phone", "13800138000") == first.blind("phone", "13800138000")
    assert settings.key_file().stat().st_mode & 0o777 == 0o600


async def test_processes_that_start_together_share_their_keys(database: Database, settings: Settings) -> None:
    vaults = await asyncio.gather(*(Vault.open(database, settings) for _ in range(8)))
    sealed = [vault.seal("x", "a") for vault in vaults]
    assert all(vault.unseal(each, "a") == b"x" for vault in vaults for each in sealed)
    assert len({vault.blind("phone", "1") for vault in vaults}) == 1
    assert await database.value("select count(*) from vault_keys") == 3


async def test_pd_05_a_stolen_database_without_the_key_file_is_unreadable(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    vault = await Vault.open(database, settings)
    sealed = vault.seal("13800138000", "users:phone:1")
    stolen = str(await database.rows("select * from vault_keys, vault_wraps"))
    for key in (vault._blind,):
        assert key.hex() not in stolen
    thief = msgspec.structs.replace(settings, data=tmp_path / "thief")
    with pytest.raises(BadMasterKey, match="missing"):
        await Vault.open(database, thief)
    assert not thief.key_file().exists()
    create_master(thief.key_file())
    with pytest.raises(BadMasterKey, match="another master key"):
        await Vault.open(database, thief)
    assert b"13800138000" not in sealed


async def test_a_key_of_the_next_period_is_there_before_it_is_used(database: Database, settings: Settings) -> None:
    early = await Vault.open(database, settings)
    first = early.seal("x", "a")
    try:
        clock.shift(PERIOD.total_seconds() + 60)
        late = await Vault.open(database, settings)
        assert not late.is_current(first)
        # The process that never looked again opens what the new one seals, and the other way round.
        assert early.unseal(late.seal("y", "b"), "b") == b"y"
        assert late.unseal(first, "a") == b"x"
    finally:
        clock.shift(0)


async def test_a_key_drawn_out_of_turn_takes_over_after_its_overlap(database: Database, settings: Settings) -> None:
    vault = await Vault.open(database, settings)
    before = vault.seal("x", "a")
    active_from = await draw_key(database, settings)
    await vault.refresh(database, settings)
    assert vault.is_current(before)
    try:
        clock.shift((active_from - clock.now()).total_seconds() + 1)
        assert not vault.is_current(before)
        assert vault.unseal(before, "a") == b"x"
    finally:
        clock.shift(0)


async def test_a_new_master_key_opens_everything_and_the_old_one_nothing(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    vault = await Vault.open(database, settings)
    sealed, blind = vault.seal("x", "a"), vault.blind("phone", "1")
    old = settings.key_file().read_bytes()
    assert await rotate_master(database, settings.key_file()) == 3
    assert settings.key_file().read_bytes() != old
    again = await Vault.open(database, settings)
    assert again.unseal(sealed, "a") == b"x"
    assert again.blind("phone", "1") == blind
    kept = msgspec.structs.replace(settings, master_key_file=tmp_path / "old.key")
    kept.key_file().write_bytes(old)
    kept.key_file().chmod(0o600)
    with pytest.raises(BadMasterKey, match="another master key"):
        await Vault.open(database, kept)


async def test_a_change_of_the_master_key_that_stops_half_way_is_finished_by_the_next(
    database: Database, settings: Settings, monkeypatch
) -> None:
    vault = await Vault.open(database, settings)
    sealed = vault.seal("x", "a")

    def dies(self: Path, target: Path) -> Path:
        raise OSError("killed between the wraps and the file")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dies)
        with pytest.raises(OSError, match="killed"):
            await rotate_master(database, settings.key_file())
    assert (await Vault.open(database, settings)).unseal(sealed, "a") == b"x"
    await rotate_master(database, settings.key_file())
    assert (await Vault.open(database, settings)).unseal(sealed, "a") == b"x"
    assert await database.value("select count(distinct master) from vault_wraps") == 1


async def test_the_last_wrap_cannot_be_forgotten(database: Database, settings: Settings) -> None:
    await Vault.open(database, settings)
    master = load_master(settings.key_file())
    with pytest.raises(Exception, match="without a wrap"):
        await database.transact(lambda tx: tx.value("select vault_forget_master($1)", master.fingerprint))
    with pytest.raises(Exception, match="permission denied"):
        await database.transact(lambda tx: tx.run("delete from vault_wraps"))


async def test_an_altered_wrap_is_told(database: Database, owner_database: Database, settings: Settings) -> None:
    await Vault.open(database, settings)
    await owner_database.transact(
        lambda tx: tx.run("update vault_wraps set wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1)")
    )
    with pytest.raises(BadMasterKey, match="altered"):
        await Vault.open(database, settings)


async def test_wraps_swapped_between_rows_do_not_open(database: Database, owner_database: Database, settings: Settings) -> None:
    await Vault.open(database, settings)
    swap = "update vault_wraps a set wrapped = b.wrapped from vault_wraps b where a.number + b.number = 5 and a.number <> b.number"
    await owner_database.transact(lambda tx: tx.run(swap))
    with pytest.raises(BadMasterKey):
        await Vault.open(database, settings)


async def test_a_key_not_loaded_is_unreadable_and_nothing_worse(database: Database, settings: Settings) -> None:
    vault = await Vault.open(database, settings)
    with pytest.raises(Unreadable, match="does not hold"):
        vault.unseal(b"\x01" + (999).to_bytes(4, "big") + secrets.token_bytes(40), "a")


async def test_a_running_process_hears_of_a_key_drawn_elsewhere(database: Database, settings: Settings, monkeypatch) -> None:
    monkeypatch.setattr("daozhang.vault.seal.REFRESH_S", 0.05)
    vault = await Vault.open(database, settings)
    watching = asyncio.create_task(vault.watch(database, settings))
    await draw_key(database, settings)
    await until(lambda: len(vault._ciphers) == 3)
    watching.cancel()
