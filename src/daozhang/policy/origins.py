"""Where orders come from is counted over many accounts: one browser, one payer. Their windows are exact only one order at a time.

A user's own windows are counted under the user's lock. Those of a browser or a payer are shared, so orders from the same one are
judged one after the other, in every process: else forty accounts of one browser that submit at once would each be the first.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from daozhang.postgres import Tx, statements

sql = statements("daozhang.policy")


async def part(tx: Tx, origins: Sequence[tuple[UUID | None, bytes | None]]) -> frozenset[int]:
    """Take the locks of browsers (by a user's device) and payers, sorted; the places that share one with an earlier one of these.

    A statement of its own, before anything is locked or read in this transaction: whoever waits here holds nothing. The places that
    are answered have to be judged in a later transaction, when the earlier ones are written.
    """
    if not any(device or payer for device, payer in origins):
        return frozenset()
    rows: list[Any] = await tx.rows(sql.lock_origins, [device for device, _ in origins], [payer for _, payer in origins])
    return frozenset(row["place"] - 1 for row in rows)
