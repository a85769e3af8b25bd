"""Addresses of accounts, and the ids behind them.

What we owe is positive, what we own or are owed is negative. The table `chart` holds every kind of address with its floor; the
database opens no account outside it.
"""

from collections.abc import Iterable, Mapping

from daozhang.postgres import Tx, statements

sql = statements("daozhang.ledger")

SUSPENSE = "platform:suspense"
SALES = "platform:sales"
PROMOTION = "platform:promotion"
PAYOUTS = "platform:payouts"

REMEMBERED = 200_000
"""How many addresses a process remembers. An address never changes its id, so memory is never stale."""


def cash(user_id: int) -> str:
    """What a user may spend or get back."""
    return f"user:{user_id}:cash"


def bonus(user_id: int) -> str:
    """What was given on top; never paid out."""
    return f"user:{user_id}:bonus"


def reserved(user_id: int) -> str:
    """What is set aside for a purchase or a refund under way."""
    return f"user:{user_id}:reserved"


def review(user_id: int) -> str:
    """What was received and is being checked."""
    return f"user:{user_id}:review"


def receivable(channel_id: int) -> str:
    """What a channel holds for us (negative: it owes us)."""
    return f"channel:{channel_id}:receivable"


class Accounts:
    """Finds and opens accounts, remembering ids."""

    def __init__(self) -> None:
        self._ids: dict[tuple[int, str], int] = {}

    async def ids(self, tx: Tx, shop_id: int, addresses: Iterable[str]) -> dict[str, int]:
        """The ids of the addresses; accounts that are missing are opened."""
        known, missing = {}, []
        for address in addresses:
            found = self._ids.get((shop_id, address))
            if found is None:
                missing.append(address)
            else:
                known[address] = found
        if missing:
            rows = await tx.rows(sql.open_accounts, shop_id, missing)
            known.update((row["address"], row["id"]) for row in rows)
        return known

    def named(self, shop_id: int, addresses: Iterable[str], missing: dict[str, int]) -> list[int]:
        """The ids of the addresses; one that is not known is added to `missing` and named by minus its place there, from one.

        So the statement that books can open it (`post_opening`).
        """
        known = self._ids
        return [known.get((shop_id, each)) or missing.setdefault(each, -1 - len(missing)) for each in addresses]

    def remember(self, shop_id: int, ids: Mapping[str, int]) -> None:
        """Keep ids once the transaction that may have opened them is committed."""
        if len(self._ids) > REMEMBERED:
            self._ids.clear()
        for address, account_id in ids.items():
            self._ids[shop_id, address] = account_id
