"""What a channel must be to stand at the simulator's port: a station with its own interface, books and pace, and a payer's hand.

A new kind is a folder here with a class that satisfies `Station`, and one line in `stations.py`. The texts of its own that the
phone shows stand in `<kind>/phone.toml` (tables `zh` and `en`, laid over `phone.toml`): at least `name`, `glyph`, `transaction`,
`way_<way>`, `way_<way>_note` and `product_<product>`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from daozhang.simulators.faults import Dial
from daozhang.simulators.habits import Habits
from daozhang.simulators.watch import Watch
from daozhang.simulators.wire import Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class World:
    """What a station is given: the clock of the world outside, its view of the dial, the pace, its address, a place to keep things.

    `folder` is the station's own (it exists, mode 0700); None means that keys and books live in memory.
    """

    watch: Watch
    dial: Dial
    habits: Habits
    url: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as the payer's phone sees it, at whichever channel. Amounts in fen, moments in seconds since 1970.

    `number` is the merchant's, `code` what leads the phone to it (unique over all kinds in practice: at least 50 random bits),
    `txn` the channel's number once paid. `expires_s` is the first moment at which it cannot be paid any more. `state` is the
    channel's own word. `phone` is what only the phone knows: empty, seen, left, declined, paid, or why the wallet refused.
    """

    kind: str
    number: str
    code: str
    shop: str
    description: str
    product: str
    amount_fen: int
    charged_fen: int
    refunded_fen: int
    created_s: float
    expires_s: float
    paid_s: float | None
    state: str
    phone: str
    txn: str
    way: str = ""
    voucher_fen: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What became of the callback about a payment, and how often it was sent."""

    state: Literal["acknowledged", "waiting", "silenced", "given_up"]
    sent: int


class NotPayable(Exception):
    """The wallet does not pay this.

    `word`: unknown, expired, stale_link, closed, paid, form, or one of the kind's own (text `e_<word>`).
    A station may raise it out of its own pages before it has answered; the phone then shows the sentence.
    """

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Hand(Protocol):
    """What the payer's hand can do at one channel. The merchant hears of a payment and of nothing else.

    A `number` is the merchant's number or the code. Each verb raises `NotPayable("unknown")` for a payment it does not know, and
    with a fitting word when that payment cannot be paid any more.
    """

    def waiting(self, n: int) -> list[Payment]:
        """At most `n` payments that can still be paid, the newest first."""

    def paid(self, n: int) -> list[Payment]:
        """At most `n` that were paid (refunded ones too), the newest first."""

    def find(self, number: str) -> Payment:
        """A payment by its code or number, in whatever state."""

    def scan(self, text: str) -> str | None:
        """The code of the payment that a QR's text leads to; None when the text is not of this channel."""

    def see(self, number: str) -> None:
        """The phone shows it; a channel that makes the trade only then does so now. Raises when it cannot be paid any more."""

    def pay(self, number: str, *, way: str = "", trick: str = "", amount_fen: int | None = None, voucher_fen: int = 0) -> Payment:
        """Pay with one of the station's `ways` (empty: the first); `amount_fen` is what the trick tells or charges instead.

        The channel pays `voucher_fen` of it, which the merchant gets all the same.
        """

    def decline(self, number: str) -> Payment:
        """The payer taps cancel."""

    def leave(self, number: str) -> Payment:
        """The payer walks away."""

    def refuse(self, number: str, why: str) -> Payment:
        """The wallet or the bank refuses: a word of the station's `refusals` or a native code (`is_native`)."""

    def told(self, number: str) -> Told:
        """What became of the callback."""


class Station(Protocol):
    """One simulated channel. `hand`, `ways`, `refusals` (word: native code), `tricks` and `codes` are what the phone offers."""

    @property
    def kind(self) -> str:
        """`wechatpay`, `alipay`, ..."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The beginnings of the paths it answers: its interface and its hosted pages. They are asked before the phone's own."""

    @property
    def hand(self) -> Hand:
        """The payer's hand."""

    @property
    def ways(self) -> Sequence[str]:
        """Where the payer's money may come from, the usual one first."""

    @property
    def refusals(self) -> Mapping[str, str]:
        """What the wallet may tell its user instead of paying, with the channel's word for it."""

    @property
    def tricks(self) -> Sequence[str]:
        """What may go wrong with a payment that does go through: of `faults.TRICKS`, or its own (text `t_<trick>`)."""

    @property
    def codes(self) -> Sequence[str]:
        """Native codes, as a person may pick one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request below `prefixes`."""

    async def run(self) -> None:
        """Send callbacks, let refunds meet their fate and payments expire, until cancelled."""

    def card(self) -> dict[str, Any]:
        """What a merchant copies out of the merchant platform, as `daozhang channel add` reads it.

        kind, merchant, app, methods, hosts, keys; `name` in Chinese if it has one.
        """

    def sums(self) -> dict[str, Any]:
        """The books in sum, in fen.

        `paid` and `refunded` {count, sum_fen} (refunded: what reached payers), `balance_fen` (what the channel owes the merchants:
        paid minus refunds under way or done), `orders` and `notices` counts by state.
        """

    def story(self, number: str) -> dict[str, Any]:
        """All about one payment: `order`, `refunds`, `notices`, and `sends` with `acknowledged`. Raises `NotPayable`."""

    def busy(self) -> bool:
        """Whether a callback or a refund still waits or is under way."""

    def look(self) -> None:
        """Something may be due earlier than before: the clock or the pace has changed."""

    def wake(self) -> None:
        """Make every waiting callback due now."""

    def close(self) -> None:
        """Let go of the books."""


Maker = Callable[[World], Station]

_NATIVE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:.-")


def is_native(code: str) -> bool:
    """Whether a text could be a channel's code: 1 to 64 letters, digits, `_ : . -`."""
    return 0 < len(code) <= 64 and set(code) <= _NATIVE
