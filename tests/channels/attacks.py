"""What an attacker tries at a channel's door, said once for all kinds. A kind's pen writes it in the kind's own form.

`REFUSED` holds messages that must not get through, `LIES` such as the channel itself could sign and that must be told as they are,
`TEXTS` what a payer may have written. A case that a kind's protocol has no place for is an empty list: no pen leaves out a case
because it would get through.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote_plus

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import Channel, Invalid
from daozhang.outbound import Exchange

Message = tuple[dict[str, str], bytes]
Who = Literal["channel", "stranger", "own"]

NUMBER = "01K9ZZZZZZZZZZZZZZZZZZZZZZ"
NOWHERE = "http://127.0.0.1:9"
MOST = 64 * 1024


class Pen(ABC):
    """Writes messages about one payment of 50 yuan, as the channel, a stranger or we ourselves could sign them.

    Facts are `number`, `amount` (as it is spelled on the road), `merchant`, `app`, `currency` and `text`; None leaves one away.
    """

    yuan: bool = True
    """Whether amounts are yuan with a point; else whole fen."""
    stale_s: int = 0
    """The age from which a message is too old; 0 where messages carry no moment, so that they can only be claims."""
    weaker: tuple[str, ...] = ("SHA1", "MD5")
    """Digests that somebody may try instead of the protocol's."""
    own: bool = True
    """Whether the channel signs with another key than we do."""
    lies: tuple[str, ...] = ("merchant", "app", "currency")
    """Facts that a message of this kind tells at all."""
    amount_name: str
    """What the amount is called on the road."""
    secret: str = "private_key"
    """The field of the settings that holds our own key."""

    @abstractmethod
    def message(
        self, *, who: Who = "channel", digest: str = "", age_s: float = 0, signature: str | None = None, **facts: str | None
    ) -> Message:
        """A message signed by `who`; `signature` puts a text in the place of the signature, "" takes it away."""

    @abstractmethod
    def chosen(self) -> list[Message]:
        """Messages that name another way of being verified than the channel's settings do."""

    @abstractmethod
    def twice(self) -> list[Message]:
        """Messages with a field twice, in both orders."""

    def certificates(self) -> list[Message]:
        """Messages under certificates or serials that are not the channel's."""
        return []

    def altered(self) -> list[Message]:
        """Messages changed on their way."""
        headers, body = self.message()
        spots = [self.true_amount.encode(), NUMBER.encode()]
        return [(headers, body.replace(spot, spot[:-1] + b"1", 1)) for spot in spots if spot in body]

    def gbk(self) -> list[Message]:
        """Messages in the encoding of another time."""
        headers, body = self.message(text="到账")
        return [(headers, body.replace(quote_plus("到账").encode(), quote_plus("到账".encode("gbk")).encode()))]

    @property
    def true_amount(self) -> str:
        """50 yuan as this kind spells it."""
        return "50.00" if self.yuan else "5000"


@dataclass(frozen=True)
class Target:
    """A channel that listens with calls that lead nowhere, the pen of its kind, and the pen of the same merchant's next keys."""

    channel: Channel
    pen: Pen
    calls: list[Exchange]
    renewed: Channel
    """The same channel with both versions of its keys."""
    next_pen: Pen
    raw_keys: dict[str, Any]

    def read_keys(self, **changes: Any) -> Any:
        """Read the keys of the settings with some of them changed."""
        return KINDS[self.channel.kind].read_keys(self.raw_keys | changes)


@asynccontextmanager
async def listening(target: Target) -> AsyncIterator[Target]:
    """Let go of the channels afterwards."""
    yield target
    for channel in (target.channel, target.renewed):
        await channel.close_connections()


NO_AMOUNTS = ("1e3", "01", "-1", "+1", "1.001", "0x10", "1_0", "NaN", "５０", "٣", "", "1,000", ".5", "1.", "99999999999999")
SIGNATURES = ("签名", "A" * 10_000, "not base64!", "QQ", "==", "%00", "0", "0e462097431906509019562988736854")
BODIES = (
    b"", b"{}", b'{"trade_status":"TRADE_SUCCESS"}', b"[" * 5_000, b"<xml><sign>x</sign></xml>", b"a&b&c", b"=1&sign=x",
    b"sign=x",
    b"sign[]=x", b"subject=%ff%fe&sign=x", b"subject=%zz&sign=x", b"\x00", b"&".join(b"a%d=1" % n for n in range(1_000)),
)  # fmt: skip

REFUSED: dict[str, Callable[[Pen], list[Message]]] = {
    "unsigned": lambda pen: [pen.message(signature="")],
    "signed by a stranger": lambda pen: [pen.message(who="stranger")],
    "signed with our own key": lambda pen: [pen.message(who="own")] if pen.own else [],
    "signed with a weaker digest": lambda pen: [pen.message(digest=each) for each in pen.weaker],
    "the way of signing is chosen by the message": lambda pen: pen.chosen(),
    "a signature of a strange shape": lambda pen: [pen.message(signature=each) for each in SIGNATURES],
    "changed on its way": lambda pen: pen.altered(),
    "a field twice": lambda pen: pen.twice(),
    "a certificate that is not the channel's": lambda pen: pen.certificates(),
    "an old copy": lambda pen: [pen.message(age_s=pen.stale_s)] if pen.stale_s else [],
    "from the future": lambda pen: [pen.message(age_s=-pen.stale_s)] if pen.stale_s else [],
    "an amount that is none": lambda pen: [pen.message(amount=each) for each in NO_AMOUNTS],
    "an amount in yuan where fen are told": lambda pen: [] if pen.yuan else [pen.message(amount=each) for each in ("1.0", "50.00")],
    "no amount": lambda pen: [pen.message(amount=None)],
    "no number": lambda pen: [pen.message(number=None)],
    "a body that is no message": lambda pen: [(pen.message()[0], body) for body in BODIES],
    "in GBK": lambda pen: pen.gbk(),
    "larger than 64 KB": lambda pen: [pen.message(text="x" * (MOST + 1))],
}  # fmt: skip

TEXTS = {
    "percent": "100% 到账", "plus": "a+b c", "emoji": "😀 充值", "braces": '{"a":[}', "quotes": "'\"\\`", "full width": "％25＋",
    "markup": "<script>alert(1)</script>", "empty": "",
}  # fmt: skip
"""What a payer's text may hold: it is read, and changes nothing of what was paid."""


def lies_about(fact: str, *, yuan: bool) -> tuple[str, ...]:
    """What a message could say instead of the truth."""
    return {
        "amount": ("50.01", "0.01", "49.99") if yuan else ("5001", "1", "4999"),
        "currency": ("840", "USD"),
        "number": ("01K9YYYYYYYYYYYYYYYYYYYYYY", f"{NUMBER} ", "../../etc/passwd", "1' or '1'='1", "9" * 64),
    }.get(fact, ("2088000000000009", "1002", "0"))


async def refused(target: Target, message: Message) -> Invalid:
    """The message is refused, in the channel's own form of no; what a channel takes for a yes stands nowhere in it."""
    with pytest.raises(Invalid) as caught:
        pytest.fail(f"taken: {await target.channel.read(*message)} of {message[1][:300]!r}")
    answer = target.channel.acknowledge(caught.value)
    assert 400 <= answer.status < 600, (caught.value, answer)
    assert b"success" not in answer.body.lower()
    return caught.value


def weak_key() -> Any:
    """A private key of 1024 bits."""
    return generate_private_key(public_exponent=65537, key_size=1024)
