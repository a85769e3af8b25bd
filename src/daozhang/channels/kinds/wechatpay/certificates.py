"""Fetching the platform certificates: each is sealed with the APIv3 key, and the answer is signed by one of those inside it."""

from collections.abc import Awaitable, Callable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daozhang import clock
from daozhang.channels.kinds.wechatpay.caller import Caller
from daozhang.channels.kinds.wechatpay.ring import NoCertificates, NotFetched, bare
from daozhang.channels.kinds.wechatpay.signing import Verifier, decrypt, read_seal, verify
from daozhang.channels.port import Invalid
from daozhang.channels.strict import Unclear, object_of, read_object, text_of
from daozhang.outbound import Fault, Reply, Subject

_TARGET = "/v3/certificates"
_MOST_BYTES = 128 * 1024
_MOST_CERTIFICATES = 16


def fetcher(caller: Caller, ciphers: tuple[AESGCM, ...], subject: Subject) -> Callable[[], Awaitable[dict[str, Verifier]]]:
    """A function that fetches the certificates once. It raises `NoCertificates` or `NotFetched`."""

    async def once() -> dict[str, Verifier]:
        try:
            reply = await caller.send("GET", _TARGET, b"", subject)
        except Fault as fault:
            raise NotFetched(str(fault)) from None
        if reply.status == 404:
            raise NoCertificates
        if reply.status != 200:
            raise NotFetched(f"HTTP {reply.status}")
        return _read(reply, ciphers, caller)

    async def fetch() -> dict[str, Verifier]:
        try:
            try:
                return await once()
            except Invalid as invalid:
                if invalid.code != "signtest":
                    raise
                return await once()
        except (Invalid, Unclear, ValueError, UnsupportedAlgorithm) as fault:
            raise NotFetched(str(fault)) from None

    return fetch


def _read(reply: Reply, ciphers: tuple[AESGCM, ...], caller: Caller) -> dict[str, Verifier]:
    entries = read_object(reply.body, _MOST_BYTES).get("data")
    if type(entries) is not list or not 0 < len(entries) <= _MOST_CERTIFICATES:
        raise Unclear("data is not a list of certificates")
    found: dict[str, Verifier] = {}
    for entry in entries:
        if type(entry) is not dict:
            raise Unclear("an entry is not an object")
        sealed = object_of(entry, "encrypt_certificate")
        pem = decrypt(
            ciphers,
            text_of(sealed, "nonce", 32),
            text_of(sealed, "associated_data", 64, optional=True),
            text_of(sealed, "ciphertext", 32_768),
        )
        certificate = x509.load_pem_x509_certificate(pem)
        key, serial = certificate.public_key(), f"{certificate.serial_number:X}"
        if not isinstance(key, RSAPublicKey) or serial != bare(text_of(entry, "serial_no", 64)):
            raise Unclear("a certificate that is not what its entry says")
        if certificate.not_valid_before_utc <= clock.now() < certificate.not_valid_after_utc:
            found[serial] = Verifier(key, certificate.not_valid_after_utc.timestamp())
    # The signature proves that this list is whole and new; that each certificate is genuine the APIv3 key has shown already.
    seal = read_seal(reply.headers, clock.now_s())
    own = found.get(bare(seal.serial))
    known = caller.ring.known(seal.serial) or (own.key if own else None)
    if known is None:
        raise Invalid("unknown_serial", seal.serial[:64])
    verify(seal, reply.body, known)
    return found
