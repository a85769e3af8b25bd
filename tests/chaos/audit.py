"""Two books held against each other, payment by payment: what a shop says of each number, and what the channel has in its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.flows.shop import Shop

from daozhang import ids
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.station import NotPayable


class Entry(NamedTuple):
    """One payment in a book: what was taken and what was given back, in fen."""

    took_fen: int
    gave_fen: int


class Resting(NamedTuple):
    """A difference that a person has been told of, or that nobody can see before the channel's bill is compared."""

    number: str
    ours: Entry
    theirs: Entry
    anomalies: frozenset[str]


@dataclass
class Audit:
    """What is wrong, and what differs but rests for a person. Nothing wrong = the books are equal to the fen otherwise."""

    wrong: list[str] = field(default_factory=list)
    resting: list[Resting] = field(default_factory=list)


async def our_book(shop: Shop) -> dict[str, Entry]:
    """What we booked under each attempt's number."""
    rows = await shop.program.database.rows(
        """select a.id, coalesce(a.paid_fen, 0) as took_fen, coalesce(sum(r.amount_fen), 0)::bigint as gave_fen
           from attempts a left join refunds r on r.attempt_id = a.id and r.state = 'done' group by a.id, a.paid_fen"""
    )
    return {ids.text26(row["id"]): Entry(row["took_fen"], row["gave_fen"]) for row in rows}


async def told_people(shop: Shop) -> dict[str, frozenset[str]]:
    """The anomalies of each attempt's order, by the attempt's number."""
    rows = await shop.program.database.rows(
        """select a.id, array_agg(n.kind) as kinds from attempts a join anomalies n on n.order_id = a.order_id group by a.id"""
    )
    return {ids.text26(row["id"]): frozenset(row["kinds"]) for row in rows}


def compare(sim: Simulator, ours: Mapping[str, Entry], told: Mapping[str, frozenset[str]]) -> Audit:
    """Each number of ours against the channels' books.

    Two differences may rest: a rightly signed message told another amount than the true one (then the order has the anomaly
    `amount`, unless what it told is just what was asked for: nobody can know better then), and a refund that the channel could not
    deliver and keeps (then it has `unresolved`).
    """
    audit = Audit()
    lies = {struck.number for struck in sim.dial.struck if struck.kind == "alter"}
    for number, entry in ours.items():
        try:
            payment = sim.phone.find(number)
            theirs = Entry(payment.charged_fen if payment.paid_s is not None else 0, payment.refunded_fen)
            as_asked = entry.took_fen == payment.amount_fen
        except NotPayable:
            theirs, as_asked = Entry(0, 0), False
        if entry == theirs:
            continue
        kinds = told.get(number, frozenset())
        seen = "amount" in kinds or as_asked
        lied = entry.took_fen != theirs.took_fen and number in lies and seen and entry.took_fen and theirs.took_fen
        kept = entry.took_fen == theirs.took_fen and entry.gave_fen < theirs.gave_fen and "unresolved" in kinds
        if lied or kept:
            audit.resting.append(Resting(number, entry, theirs, kinds))
        else:
            audit.wrong.append(f"{number}: ours {entry}, theirs {theirs}, told people {set(kinds) or 'nothing'}")
    return audit


async def sums_agree(shop: Shop, ours: Mapping[str, Entry], audit: Audit) -> list[str]:
    """Per channel: the ledger is the sum of our entries, the channel's sums are those of its own, and the rest is what rests."""
    wrong = []
    for kind, channel_id in shop.channels.items():
        row = await shop.program.database.row(
            """select coalesce(-sum(p.amount_fen) filter (where p.amount_fen < 0), 0)::bigint as took_fen,
                 coalesce(sum(p.amount_fen) filter (where p.amount_fen > 0), 0)::bigint as gave_fen
               from postings p join accounts a on a.id = p.account_id where a.address = $1""",
            f"channel:{channel_id}:receivable",
        )
        mine = await _numbers_of(shop, channel_id)
        took_fen, gave_fen = (sum(values) for values in zip(*(ours[number] for number in mine), strict=True)) if mine else (0, 0)
        assert row is not None
        if (row["took_fen"], row["gave_fen"]) != (took_fen, gave_fen):
            wrong.append(f"{kind}: the ledger has {tuple(row)}, the payments add up to {(took_fen, gave_fen)}")
        rest = [each for each in audit.resting if each.number in mine]
        kept_fen = sum(each.theirs.gave_fen - each.ours.gave_fen for each in rest)
        lied_fen = sum(each.ours.took_fen - each.theirs.took_fen for each in rest)
        sums = shop.sim.stations[kind].sums()
        paid_fen, returned_fen, owes_fen = _fen(sums["paid"]), _fen(sums["refunded"]), sums["balance_fen"]
        if took_fen - lied_fen != paid_fen:
            wrong.append(f"{kind}: we took {took_fen} fen ({lied_fen} of it by false word), the channel {paid_fen}")
        if took_fen - gave_fen - lied_fen - kept_fen != owes_fen:
            wrong.append(f"{kind}: it owes us {took_fen - gave_fen - lied_fen - kept_fen} fen, the channel says {owes_fen}")
        if not returned_fen - kept_fen <= gave_fen <= returned_fen:
            wrong.append(f"{kind}: we gave back {gave_fen} fen, the channel {returned_fen}")
    return wrong


async def unfinished(shop: Shop) -> list[str]:
    """What has not ended and does not rest for a person either."""
    rows = await shop.program.database.rows(
        """select 'order ' || o.id || ' is ' || o.state as what from orders o join order_states s using (state)
           where not s.terminal and not (o.state in ('held', 'misfit', 'refunding')
             and exists (select 1 from anomalies n where n.order_id = o.id))
           union all
           select 'attempt ' || a.id || ' is ' || a.state from attempts a join attempt_states s using (state) where not s.terminal
             and not exists (select 1 from anomalies n where n.order_id = a.order_id and n.kind = 'unresolved')
           union all
           select 'refund ' || r.id || ' is ' || r.state from refunds r join refund_states s using (state) where not s.terminal
             and not exists (select 1 from anomalies n where n.order_id = r.order_id and n.kind in ('unresolved', 'amount'))
           union all
           select 'message ' || m.id || ' of channel ' || m.channel_id || ' waits: ' || m.why || m.report::text from notifications m
             where m.state = 'stored' and not exists (select 1 from anomalies n where n.facts ->> 'notification' = m.id::text)
           union all
           select 'hold ' || h.id || ' is open' from holds h where h.state = 'open'
             and not exists (select 1 from refunds r where r.hold_id = h.id and r.state = 'sent')"""
    )
    return [row["what"] for row in rows]


async def stories(shop: Shop, wrong: list[str], most: int = 3) -> list[str]:
    """What happened to the first of the numbers that are named, on both sides."""
    told = []
    for number in [each.split(":")[0] for each in wrong if ": ours" in each][:most]:
        attempt_id = ids.parse26(number)
        row = await shop.program.database.row("select * from attempts where id = $1", attempt_id)
        assert row is not None
        moves = await shop.program.database.rows("select * from attempt_moves where attempt_id = $1 order by at", attempt_id)
        turns = await shop.program.database.rows("select * from order_moves where order_id = $1 order by at", row["order_id"])
        struck = [each for each in shop.sim.dial.struck if each.number == number]
        theirs = shop.sim.phone.at(shop.sim.phone.find(number)).story(number)
        told.append("\n  ".join([number, str(dict(row)), *map(str, map(dict, (*moves, *turns))), *map(str, struck), str(theirs)]))
    return told


async def _numbers_of(shop: Shop, channel_id: int) -> set[str]:
    rows = await shop.program.database.rows("select id from attempts where channel_id = $1", channel_id)
    return {ids.text26(row["id"]) for row in rows}


def _fen(totals: object) -> int:
    return int(totals["sum_fen"] if isinstance(totals, dict) else totals.sum_fen)  # type: ignore[attr-defined]
