"""How the simulated channels behave when nothing is wrong: their pace, their probes, which of its keys one prefers."""

from collections import deque
from typing import Literal

import msgspec

RefundFate = Literal["SUCCESS", "CLOSED", "ABNORMAL"]


class Habits(msgspec.Struct, kw_only=True):
    """Settings that tests, the demo and the dial's door may change while it runs."""

    time_scale: float = 1.0
    """Every wait of the protocol is multiplied by this: 1.0 is the real pace, 0.001 is for tests."""
    answer_within_s: float = 5.0
    """A callback must be answered within this time. It is not scaled: a merchant's answer takes real time."""
    refund_s: float = 3.0
    """How long a refund stays PROCESSING (the real channel: minutes to days)."""
    probe_every: int = 0
    """WeChat Pay: every n-th signed answer and every n-th callback is preceded or replaced by a SIGNTEST probe; 0 = never."""
    public_key_share: float = 0.5
    """WeChat Pay: share of callbacks signed with the public key where a merchant has both modes (0 to 1 in a change-over)."""
    refund_callback_url: str = ""
    """WeChat Pay: the address set in the merchant platform; notices of refunds without a notify_url go there as v2 XML."""
    refund_fates: list[RefundFate] = []
    """What becomes of the next refunds, in order; SUCCESS when none is left."""

    def next_refund_fate(self) -> RefundFate:
        """What becomes of the refund that was just accepted."""
        return self.refund_fates.pop(0) if self.refund_fates else "SUCCESS"


class Probes:
    """Decides which messages are probed. A call that was probed is not probed again when it is repeated."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._count = 0
        self._probed: deque[object] = deque(maxlen=4_096)

    def due(self, message: object) -> bool:
        """Whether this message is the n-th."""
        if self._habits.probe_every <= 0:
            return False
        self._count += 1
        if self._count < self._habits.probe_every or message in self._probed:
            return False
        self._count = 0
        self._probed.append(message)
        return True
