"""A supplier of direct top-ups: it credits each order number once, whatever is asked how often, and remembers it over a restart.

An account that ends in 404 does not exist there (refused); one that ends in 999 is credited only when it is asked after a second
time (pending before that).
"""

import json
from pathlib import Path
from typing import Any

MOST = 20_000


class Supplies:
    """The orders by number; `credited` is what each account got, one line per delivery."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = folder / "supplies.json" if folder else None
        self._orders: dict[str, dict[str, Any]] = {}
        if self._file and self._file.exists():
            self._orders = json.loads(self._file.read_text("utf-8"))

    @property
    def credited(self) -> list[tuple[str, str, int]]:
        """Account, article and number of pieces of everything that was delivered, oldest first."""
        return [(each["target"], each["sku"], each["count"]) for each in self._orders.values() if each["status"] == "delivered"]

    def order(self, given: dict[str, str], *, refuses: bool = False) -> dict[str, Any]:
        """Take an order; the same number again is the same order. Raises `KeyError` and `ValueError` for what is no order."""
        number, target, sku, count = given["number"], given["target"], given["sku"], int(given["count"])
        known = self._orders.get(number)
        if known is not None:
            return self._told(known)
        if not (0 < len(target) <= 64 and 0 < len(sku) <= 64 and 1 <= count <= 100) or len(self._orders) >= MOST:
            raise ValueError(number)
        status, why = "delivered", ""
        if refuses or target.endswith("404"):
            status, why = "refused", "NO_SUCH_ACCOUNT"
        elif target.endswith("999"):
            status, why = "pending", "PROCESSING"
        serial = f"S{len(self._orders) + 1:09d}"
        made = {"target": target, "sku": sku, "count": count, "status": status, "why": why, "serial": serial, "looks": 0}
        self._orders[number] = made
        self._keep()
        return self._told(made)

    def look(self, number: str) -> dict[str, Any]:
        """How an order stands. One that is pending is delivered at the second look."""
        known = self._orders.get(number)
        if known is None:
            return {"status": "absent"}
        known["looks"] += 1
        if known["status"] == "pending" and known["looks"] >= 2:
            known["status"], known["why"] = "delivered", ""
        self._keep()
        return self._told(known)

    @staticmethod
    def _told(known: dict[str, Any]) -> dict[str, Any]:
        return {name: known[name] for name in ("status", "serial", "why")}

    def _keep(self) -> None:
        if self._file:
            self._file.write_text(json.dumps(self._orders, ensure_ascii=False), "utf-8")
