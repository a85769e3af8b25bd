"""One version of the book of parameters: what the checks measure by. Pure; `policy/books.py` reads and keeps the versions."""

from importlib import resources

import msgspec


class BadBook(ValueError):
    """Parameters that contradict each other, or a stored version whose content is not what its hash says."""


class AmountRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of one recharge and the amounts offered, all in fen."""

    min_fen: int
    max_fen: int
    presets_fen: tuple[int, ...]


class DayRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one user may recharge on one day of Shanghai, in fen."""

    max_fen: int


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of one version."""

    amount: AmountRules
    day: DayRules


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a shop's parameters."""

    shop_id: int
    version: int
    amount: AmountRules
    day: DayRules


def defaults() -> Parameters:
    """The parameters that a shop begins with. Raises `BadBook`."""
    return read_parameters(resources.files("daozhang.policy").joinpath("defaults.toml").read_bytes())


def read_parameters(content: bytes) -> Parameters:
    """Read and check parameters in TOML. Raises `BadBook` naming what is wrong."""
    try:
        return checked(msgspec.toml.decode(content, type=Parameters))
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise BadBook(str(fault)) from None


def checked(parameters: Parameters) -> Parameters:
    """The same parameters, when they do not contradict each other. Raises `BadBook`."""
    amount, day = parameters.amount, parameters.day
    rules = {
        "amount: 1 <= min_fen <= max_fen <= 9999999999": 1 <= amount.min_fen <= amount.max_fen <= 9_999_999_999,
        "amount: presets_fen rise and lie within the bounds": bool(amount.presets_fen)
        and sorted(set(amount.presets_fen)) == list(amount.presets_fen)
        and amount.min_fen <= amount.presets_fen[0]
        and amount.presets_fen[-1] <= amount.max_fen,
        "day: max_fen is at least the smallest recharge": day.max_fen >= amount.min_fen,
    }
    for rule, holds in rules.items():
        if not holds:
            raise BadBook(rule)
    return parameters
