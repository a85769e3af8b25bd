"""Any witnesses in any order, again and late, among cancels, freezes and refunds: the books end where a plain count ends."""

import os
import secrets
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tests.flows.shop import make_users
from tests.fuzz.beside import Beside
from tests.fuzz.house import CHANNEL, House, payment, refund

from daozhang import ids
from daozhang.bench.seed import make_orders
from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import Outcome, Report
from daozhang.ledger import accounts
from daozhang.postgres.supervisor import Supervisor
from daozhang.proof import prove
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.ending import end_unpaid
from daozhang.recharge.release import reject, release
from daozhang.settings import Settings

EXAMPLES, STEPS = (200, 60) if os.environ.get("DAOZHANG_LONG") else (12, 30)
ASKED_FEN = 5_000

PICK = st.integers(0, 10**6)
WITNESS = st.sampled_from(["notification", "query", "bill"])


@dataclass
class Order:
    """What a plain count knows of an order. `state`: open, closing, ended, credited, held, misfit, refunding, refunded."""

    id: UUID
    user_id: int
    attempts: list[UUID]
    state: str = "open"
    paid_fen: int = 0
    refunded_fen: int = 0
    paid_attempts: set[UUID] = field(default_factory=set)


class Settling(RuleBasedStateMachine):
    """The count beside the house. The house outlives one example; its orders and users do not."""

    loop: Beside
    house: House
    users: list[int]
    expected: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.mine = [self.users.pop(), self.users.pop()]
        self.frozen: set[int] = set()
        self.thawed: set[int] = set()
        self.orders: list[Order] = []
        self.told: list[Report] = []
        self.booked: set[str] = set()

    def order(self, pick: int, *states: str) -> Order | None:
        """One of the orders, in one of the states."""
        fitting = [order for order in self.orders if not states or order.state in states]
        return fitting[pick % len(fitting)] if fitting else None

    def move(self, fen: int, **addresses: str) -> None:
        """Count money from one address to another."""
        self.expected[addresses["out"]] -= fen
        self.expected[addresses["into"]] += fen

    def count(self, report: Report, order: Order | None, attempt: UUID | None) -> None:
        """What one report does: the first one of each transaction, and no other."""
        if report.channel_txn in self.booked:
            return
        self.booked.add(report.channel_txn)
        fen = report.amount_fen or 0
        into = accounts.SUSPENSE
        if order is not None and attempt is not None and order.state in ("open", "closing", "ended"):
            order.paid_attempts.add(attempt)
            order.paid_fen = fen
            order.state = "misfit" if fen != ASKED_FEN else "held" if order.user_id in self.frozen else "credited"
            if order.state != "misfit":
                into = (accounts.review if order.state == "held" else accounts.cash)(order.user_id)
        elif order is not None and attempt is not None:
            order.paid_attempts.add(attempt)
        self.move(fen, out=accounts.receivable(CHANNEL), into=into)

    @rule(who=st.integers(0, 1))
    def place(self, who: int) -> None:
        """A new order that waits for its payment."""
        (made,) = self.loop.run(make_orders(self.house.database, [self.mine[who]], 1, CHANNEL, ASKED_FEN))
        self.orders.append(Order(made.order_id, made.user_id, [made.attempt_id]))

    @rule(
        pick=PICK,
        which=PICK,
        fen=st.sampled_from([ASKED_FEN] * 4 + [ASKED_FEN - 1, ASKED_FEN + 1]),
        times=st.integers(1, 6),
        by=WITNESS,
    )
    def pay(self, pick: int, which: int, fen: int, times: int, by: str) -> None:
        """A payment of one attempt, told by several at once."""
        order = self.order(pick)
        if order is None:
            return
        attempt = order.attempts[which % len(order.attempts)]
        report = payment(ids.text26(attempt), fen, f"42{secrets.token_hex(12)}", by)
        self.count(report, order, attempt)
        self.told.append(report)
        self.loop.run(self.house.told([report] * times))

    @rule(picks=st.lists(PICK, min_size=2, max_size=6))
    def pay_many(self, picks: list[int]) -> None:
        """Payments of several orders in one moment: their first attempts, each as asked."""
        reports = []
        for order in {id(order): order for pick in picks if (order := self.order(pick, "open", "closing", "ended"))}.values():
            report = payment(ids.text26(order.attempts[0]), ASKED_FEN, f"42{secrets.token_hex(12)}")
            self.count(report, order, order.attempts[0])
            reports.append(report)
        self.told.extend(reports)
        self.loop.run(self.house.told(reports * 2))

    @precondition(lambda self: self.told)
    @rule(pick=PICK)
    def tell_again(self, pick: int) -> None:
        """What was told before is told again, however much later."""
        done = self.loop.run(self.house.told([self.told[pick % len(self.told)]] * 2))
        assert set(done) == {"again"}

    @rule()
    def unknown_number(self) -> None:
        """Money for a number that nobody placed."""
        report = payment(ids.text26(ids.new_id()), 700, f"42{secrets.token_hex(12)}")
        self.count(report, None, None)
        self.told.append(report)
        self.loop.run(self.house.told([report] * 3))

    @rule(pick=PICK)
    def expire(self, pick: int) -> None:
        """The channel has closed every attempt: nobody paid."""
        order = self.order(pick, "open", "closing")
        if order is not None:
            for attempt in order.attempts:
                self.loop.run(end_unpaid(self.house.database, attempt))
            order.state = "ended"

    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        """The buyer asks for the end; the channel has not answered."""
        order = self.order(pick)
        if order is None:
            return
        if order.state in ("open", "closing"):
            self.loop.run(self.house.desk.cancel(order.user_id, order.id))
            order.state = "closing"
        else:
            with pytest.raises(Refusal, match="not_cancellable"):
                self.loop.run(self.house.desk.cancel(order.user_id, order.id))

    @rule(pick=PICK)
    def try_again(self, pick: int) -> None:
        """Another attempt of an order that waits or has ended."""
        order = self.order(pick, "open", "ended")
        if order is not None and len(order.attempts) < 4:
            order.attempts.append(self.loop.run(self.house.again(order.id, order.user_id, ASKED_FEN)))
            order.state = "open"

    @rule(who=st.integers(0, 1))
    def freeze_or_let_go(self, who: int) -> None:
        """A user is frozen, or is not any more."""
        user_id = self.mine[who]
        self.loop.run(self.house.stand(user_id, "active" if user_id in self.frozen else "frozen"))
        self.thawed |= self.frozen & {user_id}
        self.frozen ^= {user_id}

    @rule(pick=PICK, keep=st.booleans())
    def decide(self, pick: int, *, keep: bool) -> None:
        """A person decides about money that was held or misfit."""
        order = self.order(pick, "held", "misfit")
        if order is None:
            return
        origin = accounts.SUSPENSE if order.state == "misfit" else accounts.review(order.user_id)
        self.loop.run((release if keep else reject)(self.house.database, self.house.accounts, order.id, "fuzz", "decided"))
        order.state = "credited" if keep else "refunding"
        if keep:
            self.move(order.paid_fen, out=origin, into=accounts.cash(order.user_id))

    @rule(pick=PICK, fen=st.integers(-1, ASKED_FEN + 2))
    def ask_refund(self, pick: int, fen: int) -> None:
        """A refund of a credited order: set aside, or refused with nothing changed."""
        order = self.order(pick)
        if order is None:
            return
        cash, aside = accounts.cash(order.user_id), accounts.reserved(order.user_id)
        fits = order.state == "credited" and 0 < fen <= order.paid_fen - order.refunded_fen
        frozen = order.user_id in self.frozen
        if not fits or frozen or fen > self.expected[cash]:
            with pytest.raises(Refusal, match=r"^refund\.|^account\.frozen$" if frozen else r"^refund\."):
                self.loop.run(self.house.desk.refunds.ask(order.id, fen, "fuzz", "fuzz"))
            return
        try:
            self.loop.run(self.house.desk.refunds.ask(order.id, fen, "fuzz", "fuzz"))
        except Refusal as refusal:
            # Money that was there while the account was frozen is looked at first, and stays where it is.
            if refusal.reason == "risk.funds_unfrozen" and order.user_id in self.thawed:
                return
            raise
        order.refunded_fen += fen
        self.move(fen, out=cash, into=aside)

    @rule(pick=PICK, good=st.booleans(), by=WITNESS)
    def refund_ends(self, pick: int, *, good: bool, by: str) -> None:
        """The channel says how a refund ended, and then says it again and says the opposite."""
        under_way = self.loop.run(self.house.refunds([order.id for order in self.orders]))
        if not under_way:
            return
        row = under_way[pick % len(under_way)]
        order = next(order for order in self.orders if order.id == row["order_id"])
        first = Outcome.SUCCESS if good else Outcome.FAILURE
        for outcome in (Outcome.PENDING, first, first, Outcome.FAILURE if good else Outcome.SUCCESS):
            self.loop.run(self.house.desk.refunds.settle(refund(ids.text26(row["id"]), row["amount_fen"], outcome, by)))
        fen, back = row["amount_fen"], accounts.receivable(CHANNEL)
        if row["origin"] == "cash":
            # A refund that was failed and is done after all is taken from the cash that it had just gone back to.
            self.move(fen, out=accounts.reserved(order.user_id), into=back)
        elif self.loop.run(self.house.database.value("select state from refunds where id = $1", row["id"])) == "done":
            # So is one of money that still waited undecided where it had bounced to.
            self.move(fen, out=accounts.review(order.user_id) if row["origin"] == "review" else accounts.SUSPENSE, into=back)
        if order.state == "refunding":
            # Whether the refund was of the payment that the order stands for or of a second one, the house knows.
            now = self.loop.run(self.house.database.value("select state from orders where id = $1", order.id))
            assert now in (("refunding", "refunded") if good else ("refunding", "held", "misfit", "refunded")), now
            order.state = now

    @invariant()
    def the_books_are_the_count(self) -> None:
        """Every balance of the house is what a plain count says."""
        expected = {address: fen for address, fen in self.expected.items() if fen}
        assert self.loop.run(self.house.balances()) == expected

    def teardown(self) -> None:
        """The whole book adds up, and each order stands where the count says."""
        states = {"open": {"awaiting_payment"}, "ended": {"expired", "cancelled"}}
        for order in self.orders:
            seen = self.loop.run(self.house.desk.order(order.user_id, order.id))
            assert seen is not None
            assert seen.state in states.get(order.state, {order.state}), (seen, order)
        proof = self.loop.run(prove(self.house.database))
        assert proof.ok, [check for check in proof.checks if check.wrong]


def test_any_history_ends_in_the_books_of_a_plain_count(
    server: Supervisor, fresh: str, settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = KINDS["wechatpay"]
    monkeypatch.setitem(KINDS, "wechatpay", replace(kind, refunds=replace(kind.refunds, apart=timedelta(0))))
    with Beside() as loop:
        house = loop.run(House.open(server.dsn("app", fresh), settings))
        try:
            users = loop.run(make_users(server.dsn("owner", fresh), 5_000))

            class Here(Settling):
                """The machine in this database."""

            Here.loop, Here.house, Here.users, Here.expected = loop, house, users, Counter()
            run_state_machine_as_test(
                hypothesis.seed(seed)(Here),
                settings=hypothesis.settings(
                    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None,
                    suppress_health_check=list(hypothesis.HealthCheck),
                ),
            )  # fmt: skip
        finally:
            loop.run(house.database.close())
