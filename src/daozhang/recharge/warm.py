"""Plans the statements of settlements and orders ahead, before a message or a buyer has to wait for the planner.

A connection plans some two dozen statements over the partitions of fourteen months at its first settlement, and again when
PostgreSQL has counted a table: 80 to 200 ms that a single payer would wait for. A first order costs 60 to 90 ms in the same way.
"""

import asyncio
import logging

import asyncpg

from daozhang import clock
from daozhang.policy.enforce import plan_paid
from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable, statements
from daozhang.recharge import admit, plain
from daozhang.recharge.settle import ACTOR

sql = statements("daozhang.recharge")
log = logging.getLogger(__name__)

EVERY_S = 20.0
"""How often it is looked whether plans still stand."""


async def warm(tills: Database, shop_id: int) -> None:
    """A round of settling and placing about nothing, which writes nothing, on one of the connections that both use."""

    async def round_of_nothing(tx: Tx) -> None:
        at = clock.now()
        await tx.rows(sql.read_for_settlement, [], [], [])
        await plan_paid(tx, shop_id)
        await plain.plan(tx, shop_id, at, ACTOR)
        await admit.plan(tx, shop_id, at)
        await tx.value(sql.lock_for_settlement, [])
        await tx.rows(sql.attempts_in_work, [])
        await tx.run(sql.keep_answers, [], [], [], [], [])

    await tills.transact(round_of_nothing)


async def keep_warm(tills: Database, shop_id: int) -> None:
    """Plan ahead now and every 20 s, until cancelled. A database that is away or takes no writes is no fault here."""
    while True:
        try:
            await warm(tills, shop_id)
        except (Unavailable, OutcomeUnknown, asyncpg.PostgresError) as fault:
            log.info("nothing was planned ahead: %s", type(fault).__name__)
        await asyncio.sleep(EVERY_S)
