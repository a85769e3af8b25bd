"""What the machine filled into a case, as people read it: time, amount, way to pay, codes, numbers, digest of the interface log."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from daozhang.reasons.catalogue import Disclosure, catalogue

if TYPE_CHECKING:
    from daozhang.web.locale import Locale


class Filled(NamedTuple):
    """One line: what it is, its value, and whether that is a number to be copied as it stands."""

    label: str
    text: str
    code: bool


SAID = frozenset(
    {"order", "code", "placed_at", "at", "amount_fen", "kind", "method", "reason", "native", "number", "channel_txn", "trace"}
) | {"client_version", "log_sha256"}
"""The facts that stand in these lines."""
_CODES = (
    ("code", "bundle.code"), ("number", "bundle.number"), ("channel_txn", "bundle.txn"), ("trace", "bundle.trace"),
    ("client_version", "bundle.version"), ("log_sha256", "bundle.log"),
)  # fmt: skip


def filled_in(facts: Mapping[str, Any], reader: "Locale", *, staff: bool = False) -> list[Filled]:
    """The lines in the order in which support asks for them; what is not known is left out. Staff read every reason by its code."""
    at = facts.get("placed_at") or facts.get("at")
    lines = [Filled(reader.t("bundle.order"), str(facts["order"]), code=True)] if facts.get("order") else []
    if isinstance(at, str):
        lines.append(Filled(reader.t("bundle.at"), reader.when(datetime.fromisoformat(at)), code=False))
    if isinstance(facts.get("amount_fen"), int):
        lines.append(Filled(reader.t("bundle.amount"), reader.money(facts["amount_fen"]), code=False))
    if facts.get("kind"):
        ways = f"kind.{facts['kind']}", f"method.{facts.get('method', '')}"
        way = f"{reader.either(ways[0], 'kind.other')} · {reader.either(ways[1], 'method.page')}"
        lines.append(Filled(reader.t("bundle.way"), way, code=False))
    said = [str(facts[name]) for name in ("reason", "native") if facts.get(name) and (staff or not _neutral(str(facts[name])))]
    if said:
        lines.append(Filled(reader.t("bundle.reason"), " / ".join(said), code=True))
    return lines + [Filled(reader.t(key), str(facts[name]), code=True) for name, key in _CODES if facts.get(name)]


def _neutral(code: str) -> bool:
    """Whether a code belongs to a reason of the law, of which people read neutral words and no name that says more."""
    return code in catalogue() and catalogue().get(code).disclosure is Disclosure.LEGAL
