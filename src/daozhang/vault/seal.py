"""Seal and unseal: AES-256-GCM with associated data. Synchronous and fast, because every key is already in memory.

The associated data says where the sealed bytes live (`users:phone:42`), so a value copied into another row, column or table does
not open there.
"""

import asyncio
import logging
import os
import struct
import unicodedata
from bisect import bisect_right

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daozhang import clock
from daozhang.postgres import Database, OutcomeUnknown, Unavailable
from daozhang.settings import Settings
from daozhang.vault.keys import DataKey, load_keys
from daozhang.vault.master import BadMasterKey

log = logging.getLogger(__name__)

REFRESH_S = 300.0

_HEAD = struct.Struct(">BI")
_FORMAT = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SHORTEST = _HEAD.size + _NONCE_BYTES + _TAG_BYTES


_AHEAD = 64
"""How many nonces one draw of chance serves: a draw is a call of the kernel."""
_drawn: list[bytes] = []
os.register_at_fork(after_in_child=_drawn.clear)


def _nonce() -> bytes:
    """Twelve bytes of chance, each given out once."""
    try:
        return _drawn.pop()
    except IndexError:
        chance = os.urandom(_NONCE_BYTES * _AHEAD)
        _drawn.extend([chance[at : at + _NONCE_BYTES] for at in range(_NONCE_BYTES, len(chance), _NONCE_BYTES)])
        return chance[:_NONCE_BYTES]


class Unreadable(Exception):
    """The sealed bytes were altered, belong somewhere else, or are sealed under a key this process has not loaded."""


class Vault:
    """Every data key of one database, unwrapped. Sealed bytes are: format (1), key number (4), nonce (12), ciphertext, tag (16)."""

    def __init__(self, keys: list[DataKey]) -> None:
        """Take keys that are already unwrapped: one blind key and at least one data key."""
        self._take(keys)

    @classmethod
    async def open(cls, database: Database, settings: Settings) -> "Vault":
        """Load the keys, making the master key and the first data keys at the very first start. Raises `BadMasterKey`."""
        return cls(await load_keys(database, settings))

    async def refresh(self, database: Database, settings: Settings) -> None:
        """Load keys drawn since. To be called every few minutes; keys are written ten minutes before their first use."""
        self._take(await load_keys(database, settings))

    async def watch(self, database: Database, settings: Settings) -> None:
        """Refresh every five minutes until cancelled, so that a key drawn out of turn is here before its first use."""
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self.refresh(database, settings)
            except (Unavailable, OutcomeUnknown, BadMasterKey) as fault:
                log.warning("data keys were not looked at: %s", fault)

    def seal(self, plain: bytes | str, aad: str) -> bytes:
        """Seal text (as UTF-8) or bytes. `aad` is `table:column:owner id`."""
        head, cipher = self._current()
        nonce = _nonce()
        data = plain.encode() if isinstance(plain, str) else plain
        return head + nonce + cipher.encrypt(nonce, data, head + aad.encode())

    def unseal(self, sealed: bytes, aad: str) -> bytes:
        """Open what `seal` made with the same `aad`. Raises `Unreadable`."""
        if len(sealed) < _SHORTEST or sealed[0] != _FORMAT:
            raise Unreadable("not sealed bytes")
        head = sealed[: _HEAD.size]
        cipher = self._ciphers.get(_HEAD.unpack(head)[1])
        if cipher is None:
            raise Unreadable("sealed under a key this process does not hold")
        try:
            return cipher.decrypt(
                sealed[_HEAD.size : _HEAD.size + _NONCE_BYTES], sealed[_HEAD.size + _NONCE_BYTES :], head + aad.encode()
            )
        except InvalidTag:
            raise Unreadable("altered, or sealed for another place") from None

    def unseal_text(self, sealed: bytes, aad: str) -> str:
        """Open sealed text. Raises `Unreadable`."""
        try:
            return self.unseal(sealed, aad).decode()
        except UnicodeDecodeError:
            raise Unreadable("not text") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether sealed under the key that seals now; the owner of an older one may seal it again."""
        return len(sealed) >= _SHORTEST and bytes(sealed[: _HEAD.size]) == self._current()[0]

    def blind(self, kind: str, text: str) -> bytes:
        """A 32-byte index of `text` for exact look-ups: HMAC-SHA256 under a key of its own per `kind` (`phone`, `openid`).

        The text is normalised first (NFKC, no blanks around, case folded), so that one person has one index.
        """
        begun = self._begun.get(kind)
        if begun is None:
            key = HKDF(SHA256(), 32, salt=None, info=f"daozhang blind index: {kind}".encode()).derive(self._blind)
            begun = self._begun[kind] = HMAC(key, SHA256())
        index = begun.copy()
        index.update(unicodedata.normalize("NFKC", text).strip().casefold().encode())
        return index.finalize()

    def _take(self, keys: list[DataKey]) -> None:
        data = sorted((key for key in keys if key.purpose == "data"), key=lambda key: (key.active_from, key.number))
        blind = [key for key in keys if key.purpose == "blind"]
        assert data
        assert len(blind) == 1
        self._ciphers = {key.number: AESGCM(key.key) for key in data}
        self._turns = [key.active_from.timestamp() for key in data]
        self._sealing = [(_HEAD.pack(_FORMAT, key.number), self._ciphers[key.number]) for key in data]
        self._blind = blind[0].key
        self._begun: dict[str, HMAC] = {}
        """An HMAC of each kind that has taken its key and no text yet: to begin one costs three times what it costs to go on."""

    def _current(self) -> tuple[bytes, AESGCM]:
        """The header of newly sealed bytes and the cipher of the current key."""
        if len(self._turns) == 1:
            return self._sealing[0]
        return self._sealing[max(bisect_right(self._turns, clock.now_s()) - 1, 0)]
