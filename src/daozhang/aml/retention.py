"""How long who somebody was is kept, by what kind of shop this is; then it is let go of. Postings are never deleted.

The longest duty of every mode that the shop ever had counts: three years for what was traded (E-Commerce Law, art. 31), five for
the holders of prepaid cards (Measures on single-purpose commercial prepaid cards), ten for a payment institution (Anti-Money-
Laundering Law of 2024, art. 34, after the end of the relation). Until then a closed account is restricted, not erased.
"""

import logging
from datetime import timedelta

from daozhang import clock
from daozhang.postgres import Database, statements

sql = statements("daozhang.aml")
log = logging.getLogger(__name__)

YEARS = {"own_goods": 3, "single_purpose_card": 5, "licensed_psp": 10}
AT_ONCE = 200
"""Persons, and a hundred times as many messages, in one pass: the next one comes an hour later."""


async def duty(database: Database, shop_id: int) -> tuple[int, str]:
    """The years that count, and the mode that they come from."""
    modes = {row["mode"] for row in await database.rows(sql.modes_ever, shop_id)} & YEARS.keys() or {"single_purpose_card"}
    mode = max(modes, key=lambda each: YEARS[each])
    return YEARS[mode], mode


async def forget(database: Database, shop_id: int) -> int:
    """Overwrite the personal data of users whose time of retention is over; returns how many users that were."""
    years, mode = await duty(database, shop_id)
    at = clock.now()
    # A leap day more than too few: the duty is over for certain.
    before = at - timedelta(days=366 * years)
    users = [row["user_id"] for row in await database.rows(sql.forgettable, shop_id, before, AT_ONCE)]
    gone: int = await database.transact(lambda tx: tx.value(sql.pseudonymise, shop_id, at, users, years, mode)) if users else 0
    messages: int = await database.transact(lambda tx: tx.value(sql.forget_messages, shop_id, before, AT_ONCE * 100))
    if gone or messages:
        log.info("let go of %d persons and %d messages after %d years (%s)", gone, messages, years, mode)
    return gone
