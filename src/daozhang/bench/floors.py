"""What a callback cannot cost less than, in us of processor time: a signature by itself, and a message read with fifteen others.

The other floors are printed beside them: an empty answer by `bench notify`, a settlement without HTTP by `bench credit`.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from daozhang.channels.port import Channel, Notification, Opened
from daozhang.recharge.reading import PER_TURN

SIGNATURES = 2_000

Message = tuple[Mapping[str, str], bytes]


def signature_us() -> float:
    """Verifying one RSA-2048 signature with SHA-256, in a loop of nothing else."""
    key, body = rsa.generate_private_key(65537, 2048), bytes(1_000)
    signature, public = key.sign(body, padding.PKCS1v15(), SHA256()), key.public_key()
    began = time.process_time()
    for _ in range(SIGNATURES):
        public.verify(signature, body, padding.PKCS1v15(), SHA256())
    return round((time.process_time() - began) / SIGNATURES * 1e6, 1)


def reading_us(channel: Channel, messages: Sequence[Message]) -> float:
    """Verifying, opening and reading one message, as many of them at once as a turn of the loop takes."""
    read_together: Callable[[Sequence[Message]], list[Opened]] = getattr(channel, "read_together")  # noqa: B009 - some kinds have it
    began = time.process_time()
    for at in range(0, len(messages), PER_TURN):
        heard = read_together(messages[at : at + PER_TURN])
        assert all(isinstance(each, Notification) for each in heard), "messages that were signed for this channel"
    return round((time.process_time() - began) / len(messages) * 1e6, 1)
