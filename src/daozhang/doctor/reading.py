"""What the doctor reads off: a name, a light and a sentence."""

from dataclasses import dataclass
from enum import StrEnum


class Light(StrEnum):
    """Green is as it should be, amber should be looked at, red must not go on."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True)
class Reading:
    """One thing looked at. `says` is a sentence for the operator, without secrets."""

    name: str
    light: Light
    says: str


def green(name: str, says: str) -> Reading:
    """As it should be."""
    return Reading(name, Light.GREEN, says)


def amber(name: str, says: str) -> Reading:
    """To be looked at."""
    return Reading(name, Light.AMBER, says)


def red(name: str, says: str) -> Reading:
    """Must not go on like this."""
    return Reading(name, Light.RED, says)


def judged(name: str, says: str, *, well: bool) -> Reading:
    """Green when it is well, red otherwise."""
    return green(name, says) if well else red(name, says)
