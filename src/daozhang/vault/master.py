"""The master key: 32 bytes as 64 hex digits in a file that only its owner may read. It wraps the data keys and seals nothing else.

A stolen database without this file is noise (reliability.md PD-05), so the file never travels with a backup.
"""

import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_HEX = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP
KEY_BYTES = 32
_FEWEST_DIFFERENT_BYTES = 8
_NONCE_BYTES = 12


class BadMasterKey(Exception):
    """The master key cannot be used; the message says why and what to do, and never shows the key."""


@dataclass(frozen=True)
class MasterKey:
    """One master key. `fingerprint` names it in the database without telling anything about it."""

    fingerprint: bytes
    _cipher: AESGCM = field(repr=False)

    @classmethod
    def of(cls, key: bytes) -> "MasterKey":
        """Take 32 raw bytes. Raises `BadMasterKey` for another length or for bytes nobody drew by chance (all zero, a pattern)."""
        if len(key) != KEY_BYTES:
            raise BadMasterKey("the master key must be 32 bytes, written as 64 hex digits")
        if len(set(key)) < _FEWEST_DIFFERENT_BYTES:
            raise BadMasterKey("the master key is a pattern, not a random key: make one with `openssl rand -hex 32`")
        wrapping = HKDF(SHA256(), 32, salt=None, info=b"daozhang master key: wrap data keys").derive(key)
        return cls(sha256(b"daozhang master key: name" + key).digest()[:8], AESGCM(wrapping))

    def wrap(self, data_key: bytes, aad: bytes) -> bytes:
        """Seal a data key under the master key."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """Open what `wrap` made. Raises `BadMasterKey` when it was altered or belongs to another row."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], aad)
        except (InvalidTag, ValueError):
            raise BadMasterKey("a wrapped data key in the database was altered: restore table vault_wraps from a backup") from None


def load_master(path: Path) -> MasterKey | None:
    """Read the key file; None when there is none. Raises `BadMasterKey` when it is short, empty, or open to others."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(256)
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise BadMasterKey(f"the master key file {path.name} cannot be read: {fault.strerror}") from None
    if not stat.S_ISREG(mode):
        raise BadMasterKey(f"the master key file {path.name} is not a regular file")
    if mode & _FORBIDDEN_MODE:
        raise BadMasterKey(f"the master key file {path.name} is open to others (mode {stat.S_IMODE(mode):04o}): chmod 600 it")
    digits = text.strip().decode("ascii", "replace")
    if not _HEX.fullmatch(digits):
        raise BadMasterKey(f"the master key file {path.name} must hold exactly 64 hex digits")
    return MasterKey.of(bytes.fromhex(digits))


def create_master(path: Path) -> MasterKey:
    """Draw a master key and write it with mode 0600. When another process was first, its key is taken."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link fails when the name is taken, so two processes that start together end up with one key.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    master = load_master(path)
    assert master is not None
    return master


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
