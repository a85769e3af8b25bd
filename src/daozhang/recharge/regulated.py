"""Money of orders that were on their way when a row of regulation took effect that says it goes back."""

import logging

from daozhang.cases import Cases
from daozhang.ledger import Accounts
from daozhang.policy.regulation import to_return
from daozhang.postgres import Database
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.release import reject

log = logging.getLogger(__name__)

ACTOR = "regulation"


async def send_back(database: Database, ledger_accounts: Accounts, cases: Cases | None, shop_id: int) -> int:
    """Send back what is held for that alone; how many. What somebody else decided meanwhile is left as it is."""
    sent = 0
    for order_id in await to_return(database, shop_id):
        try:
            await reject(database, ledger_accounts, order_id, ACTOR, "依据规定退回", cases)
        except Refusal as refusal:
            log.info("order %s is not sent back by regulation: %s", order_id, refusal.reason)
        else:
            sent += 1
    return sent
