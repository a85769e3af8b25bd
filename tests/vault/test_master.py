"""The master key file: made once with the right mode, and refused when it protects nothing."""

import os
import secrets
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daozhang.vault import BadMasterKey
from daozhang.vault.master import MasterKey, create_master, load_master


def test_a_made_key_is_private_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "data" / "master.key"
    made = create_master(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) == 64
    loaded = load_master(path)
    assert loaded is not None
    assert loaded.fingerprint == made.fingerprint
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: create_master(tmp_path / "master.key").fingerprint, range(16)))
    assert len(set(made)) == 1


def test_no_file_is_no_key(tmp_path: Path) -> None:
    assert load_master(tmp_path / "master.key") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "ab" * 31,
        "ab" * 33,
        "zz" * 32,
        "ab" * 32,
        "00" * 32,
        "changeme",
        secrets.token_hex(32) + "\n" + secrets.token_hex(32),
        "１" * 64,
    ],
)
def test_a_short_empty_or_patterned_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    with pytest.raises(BadMasterKey) as refusal:
        load_master(path)
    assert not text.strip() or text.strip() not in str(refusal.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o666, 0o620, 0o602])
def test_a_key_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    path.write_text(secrets.token_hex(32))
    path.chmod(mode)
    with pytest.raises(BadMasterKey, match="chmod 600"):
        load_master(path)


def test_a_folder_in_the_place_of_the_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "master.key").mkdir(mode=0o700)
    with pytest.raises(BadMasterKey):
        load_master(tmp_path / "master.key")


def test_a_wrap_opens_only_for_its_own_row() -> None:
    master = MasterKey.of(os.urandom(32))
    wrapped = master.wrap(b"k" * 32, b"vault_keys:data:1")
    assert master.unwrap(wrapped, b"vault_keys:data:1") == b"k" * 32
    for other, aad in ((master, b"vault_keys:data:2"), (MasterKey.of(os.urandom(32)), b"vault_keys:data:1")):
        with pytest.raises(BadMasterKey):
            other.unwrap(wrapped, aad)
    with pytest.raises(BadMasterKey):
        master.unwrap(b"", b"vault_keys:data:1")
