"""The whole book, recomputed. Each check is one query that answers what does not add up; nothing is expected."""

from dataclasses import dataclass, field
from typing import Any

from daozhang.policy.examine import examine
from daozhang.postgres import Database, statements

sql = statements("daozhang.proof")

SHOWN = 20
"""Culprits named per check; all of them are counted."""

CHECKS: dict[str, str] = {
    "transfers_balance": "the postings of each transfer sum to zero and are as many as it states",
    "balances_are_postings": "each balance is the sum of its postings, its version their number",
    "running_balances": "each posting's balance is the one before it plus its amount, without a gap",
    "floors": "no balance, now or after any posting, is below its account's floor",
    "books_sum_to_zero": "all balances of a shop together are zero",
    "facts_booked_once": "each transfer has its key and each key its transfer",
    "orders_credited_once": "each credited order has one booking of the amount that was paid, and only those have",
    "payments_booked": "each paid attempt has its channel transaction's key, and each key's attempt is paid",
    "transfers_known": "each transfer is of a known kind, between the kinds of accounts that it may join, all of its shop",
    "channels_accounted": "what each channel owes us is what its transactions paid, each booked once in full",
    "refunds_booked": "each refund that is done is booked once in full, none other is, and its hold stands where it stands",
    "money_has_orders": "what was credited or is held belongs to an order of its user, and review accounts hold just that",
    "holds_backed": "what is reserved is what open holds say",
    "refunds_within_payment": "no order returned more than was paid, and what it says it returned is what its refunds say",
    "purchases_whole": "each purchase delivered has its cards and its bookings in full, each other one has neither",
    "payouts_booked": "each payout by hand had a second person and is booked once in full, and its hold stands where it stands",
    "second_payments_kept": "each second payment kept as balance was whole, the user's, and could not go back",
    "strays_returned": "stray money that somebody says went back by hand is booked so, once and in full, and no other is",
    "lots_whole": "what is left in the lots of an account, with credits not followed yet, is its balance, and each use is whole",
    "bonuses_given": "each bonus given belongs to a credited order of its user and is booked once, and what went back is in holds",
    "budgets_kept": "no campaign gave or promised more than its budget or a user's share, no coupon was used twice",
    "moves_are_states": "each order, attempt and refund stands where its moves led it, each legal, without a gap",
    "papers_agree": "each order is its user's, each attempt its order's, each refund its attempt's, for the sums they say",
    "holds_booked": "each hold is booked once from its account, and its end as it says, and nothing else is booked as a hold",
    "messages_accounted": "each notification is settled, stored for a next try, or refused with why, and none that came is gone",
}
DECISIONS = "each decision is what its hash says"
"""Whether its facts decide the same again under today's rules is counted beside it: a new rule is no fault of the books."""


@dataclass(frozen=True, slots=True)
class Check:
    """One law: how many rows were looked at, how many do not add up, and the first of them."""

    name: str
    meaning: str
    looked_at: int
    wrong: int
    culprits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome. `ok` = nothing is wrong anywhere."""

    ok: bool
    checks: tuple[Check, ...]
    counts: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The result as `daozhang prove --json` prints it."""
        wrong = {check.name: {"wrong": check.wrong, "culprits": check.culprits} for check in self.checks if check.wrong}
        return {"ok": self.ok, "counts": self.counts, "checks": {c.name: c.looked_at for c in self.checks}, "wrong": wrong}


async def prove(database: Database) -> Proof:
    """Recompute everything in one snapshot, and every decision beside it. Reads only; on a large book it takes its time."""

    async def work(tx: Any) -> Proof:
        await tx.run(sql.one_snapshot)
        checks = []
        for name, meaning in CHECKS.items():
            rows = await tx.rows(getattr(sql, name))
            looked_at, wrong = rows[0]["looked_at"], [row["culprit"] for row in rows if row["culprit"] is not None]
            checks.append(Check(name, meaning, looked_at, len(wrong), tuple(wrong[:SHOWN])))
        counts = dict(await tx.row(sql.counts))
        return Proof(all(check.wrong == 0 for check in checks), tuple(checks), counts)

    book = await database.transact(work, limit_s=3600.0)
    examined = await examine(database)
    altered = tuple(map(str, examined.altered))
    decisions = Check("decisions_whole", DECISIONS, examined.count, len(altered), altered[:SHOWN])
    counts = {**book.counts, "decisions": examined.count, "decisions_differing": len(examined.differing)}
    return Proof(book.ok and not altered, (*book.checks, decisions), counts)
