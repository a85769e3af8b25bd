"""The keys that verify WeChat Pay's signatures: platform certificates by serial number and the public key by its id, both at once.

During WeChat's migration from certificates to the public key both kinds sign. Certificates that were not configured are fetched,
at most once a minute whatever arrives (a library that fetched per callback was a lever for denial of service), and kept under 12 h.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from daozhang import clock
from daozhang.channels.kinds.wechatpay.signing import Verifier
from daozhang.channels.port import Invalid

log = logging.getLogger(__name__)

REFRESH_LEAST_S = 60.0
KEPT_S = 11 * 3600.0
_NO_CERTIFICATES_S = 3600.0
_SERIAL = re.compile(r"[0-9A-F]{38,40}", re.ASCII)


def bare(serial: str) -> str:
    """A serial number without the zeros it may begin with: of the channel's own libraries some write them and some do not."""
    return serial.lstrip("0")


class NoCertificates(Exception):
    """The merchant has no platform certificates (public-key mode only)."""


class NotFetched(Exception):
    """The certificates could not be fetched now."""


class KeyRing:
    """`fixed` keys come from the channel row; `fetch` asks `/v3/certificates` for the others."""

    def __init__(self, fixed: dict[str, Verifier], fetch: Callable[[], Awaitable[dict[str, Verifier]]]) -> None:
        """Fetches nothing yet."""
        self._fixed, self._fetch = fixed, fetch
        self._fetched: dict[str, Verifier] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._wait_s = REFRESH_LEAST_S
        self._refreshing: asyncio.Task[None] | None = None

    def known(self, serial: str) -> RSAPublicKey | None:
        """The key of a serial number that is in memory and valid."""
        serial = bare(serial)
        fixed = self._fixed.get(serial)
        if fixed is not None and clock.now_s() < fixed.until_s:
            return fixed.key
        fetched = self._fetched.get(serial)
        if fetched is None or clock.now_s() >= fetched.until_s:
            return None
        if clock.now_s() - self._fetched_at > KEPT_S:
            # Renewed beside the work: what is in memory goes on verifying until the new list is here.
            self._begin()
        return fetched.key

    async def find(self, serial: str) -> RSAPublicKey:
        """The key that `serial` names, fetching certificates when it may be a new one. Raises `Invalid("unknown_serial")`.

        A shape no certificate has is refused with 401; a certificate we could not get with 503, so that the channel sends again.
        """
        key = self.known(serial)
        if key is not None:
            return key
        if not _SERIAL.fullmatch(serial):
            raise Invalid("unknown_serial", serial[:64])
        await self.refresh()
        key = self.known(serial)
        if key is None:
            raise Invalid("unknown_serial", serial[:64], 503)
        return key

    async def refresh(self) -> None:
        """Fetch the certificates, unless that was tried within the last minute. Concurrent callers share one fetch."""
        refreshing = self._begin()
        if refreshing is not None:
            await asyncio.shield(refreshing)

    def _begin(self) -> asyncio.Task[None] | None:
        if self._refreshing is None or self._refreshing.done():
            if clock.now_s() - self._tried_at < self._wait_s:
                return None
            self._tried_at = clock.now_s()
            self._refreshing = asyncio.create_task(self._refresh())
        return self._refreshing

    async def _refresh(self) -> None:
        self._wait_s = REFRESH_LEAST_S
        try:
            self._fetched = await self._fetch()
            self._fetched_at = clock.now_s()
        except NoCertificates:
            self._wait_s = _NO_CERTIFICATES_S
        except NotFetched as fault:
            log.warning("platform certificates were not fetched: %s", fault)
