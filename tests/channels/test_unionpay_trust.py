"""A message of UnionPay's kind brings its certificate, and a stranger's may be broken anywhere: it is refused and nothing else."""

import base64
import random

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from daozhang import clock
from daozhang.channels.kinds.unionpay.trust import Trust
from daozhang.channels.port import Invalid
from daozhang.simulators.unionpay.enrolment import enrol
from daozhang.simulators.unionpay.signing import Keyring

ROUNDS = 400


def test_a_certificate_that_is_broken_anywhere_is_refused(seed: int) -> None:
    enrolment, dice = enrol(), random.Random(seed)
    keyring = Keyring(enrolment)
    pem = keyring.sign({"version": "5.1.0"})["signPubKeyCert"]
    roots, middles = ([x509.load_pem_x509_certificate(each.encode())] for each in (enrolment.root, enrolment.middle))
    trust = Trust(roots, middles)
    true = trust.key_of(pem, clock.now()).public_numbers()
    der = x509.load_pem_x509_certificate(pem.encode())
    plain = bytearray(der.public_bytes(Encoding.DER))
    said = set()
    for _ in range(ROUNDS):
        broken = bytearray(plain)
        broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        text = base64.b64encode(broken[: dice.choice((len(broken), dice.randrange(len(broken))))]).decode()
        try:
            found = trust.key_of(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n", clock.now())
        except Invalid as invalid:
            said.add(invalid.code)
        else:
            # A few bits outside of what was signed mean nothing; the key is the true one all the same.
            assert found.public_numbers() == true, text
    assert said == {"certificate"}
