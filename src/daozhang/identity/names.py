"""The masked phone number that the description of a payment names, so that a payer sees whose account it is for."""

from collections.abc import Sequence

from daozhang.identity.phone import mask_phone
from daozhang.postgres import Batch, Database, statements
from daozhang.vault import Unreadable, Vault

MOST = 256
"""How many are read together."""


class Names:
    """Masked numbers by user; those that are asked for at the same moment are read in one statement."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault
        self._sql = statements("daozhang.identity")
        self._asked: Batch[int, str] = Batch(self._read, most=MOST)

    async def __call__(self, user_id: int) -> str:
        """The user's number masked; empty where none is kept. Raises `Unavailable`."""
        return await self._asked.put(user_id)

    async def _read(self, user_ids: Sequence[int]) -> Sequence[str]:
        rows = await self._database.rows(self._sql.phones, list(set(user_ids)))
        known = {row["id"]: self._masked(row["id"], row["phone_sealed"]) for row in rows}
        return [known.get(user_id, "") for user_id in user_ids]

    def _masked(self, user_id: int, sealed: bytes | None) -> str:
        try:
            return mask_phone(self._vault.unseal_text(sealed, phone_place(user_id))) if sealed else ""
        except Unreadable:
            return ""


def phone_place(user_id: int) -> str:
    """Where a number is sealed to: it is read nowhere else."""
    return f"users:phone:{user_id}"
