"""What the documents contradict each other about, or what a merchant may switch in the platform; tests turn each."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Quirks:
    r"""`slashes`: how `/` stands in answers: plain, escaped (`\/`, signed so), or signed escaped and sent plain.

    `empty`: notices carry a parameter without a value, signed with it (`kept`) or without it (`dropped`), or none (`none`).
    `tells`: which changes a notice is sent about, besides payments: `refund`, `waiting`, `closed`.
    """

    slashes: Literal["plain", "escaped", "signed_escaped"] = "plain"
    empty: Literal["none", "kept", "dropped"] = "kept"
    tells: set[str] = field(default_factory=lambda: {"refund"})
