"""The proof finds what it is for: each law is broken on purpose, by a hand that even the database's own laws do not stop."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

import asyncpg
import pytest
from tests.flows.conftest import let_time_pass
from tests.flows.knocks import knock, payment
from tests.flows.shop import Shop, open_shop
from tests.offers.test_offers import run, terms
from tests.patience import until

from daozhang import ids
from daozhang.goods import shelf
from daozhang.goods.buy import Purchases
from daozhang.offers.model import Tier
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.postgres.supervisor import Supervisor
from daozhang.proof import prove
from daozhang.proof.book import CHECKS
from daozhang.recharge.model import Basket
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    """One merchant for all the books of this file."""
    return enrol()


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop whose book will not add up at the end."""
    async with open_shop(database, settings, enrolment=enrolment) as opened:
        yield opened


@pytest.fixture
async def hand(server: Supervisor, fresh: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A hand for which no trigger fires."""
    connection = await asyncpg.connect(server.dsn("superuser", fresh))
    await connection.execute("set session_replication_role = replica")
    yield connection
    await connection.close()


class Book(NamedTuple):
    """A database that was lived in, of its own, and a hand in it for which no trigger fires."""

    database: Database
    hand: "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture(scope="module")
async def past(server: Supervisor, enrolment: Enrolment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The name of a database in which a shop has lived: each test that damages it takes a copy."""
    settings = Settings(data=tmp_path_factory.mktemp("past"), test_mode=True)
    async with made(server, "daozhang") as name:
        owner = await Database.open(server.dsn("owner", name), size=1)
        await let_time_pass(owner)
        await owner.close()
        database = await Database.open(server.dsn("app", name))
        async with open_shop(database, settings, enrolment=enrolment) as shop:
            await lived(shop)
        assert (await prove(database)).ok
        await database.close()
        yield name


@pytest.fixture
async def book(server: Supervisor, past: str) -> AsyncIterator[Book]:
    """A copy of it."""
    async with made(server, past) as name:
        database = await Database.open(server.dsn("app", name), size=2)
        hand = await asyncpg.connect(server.dsn("superuser", name))
        await hand.execute("set session_replication_role = replica")
        yield Book(database, hand)
        await hand.close()
        await database.close()


@asynccontextmanager
async def made(server: Supervisor, template: str) -> AsyncIterator[str]:
    """A database like another one, to which nobody is connected."""
    name = f"b{secrets.token_hex(6)}"
    admin = await asyncpg.connect(server.dsn("superuser", "postgres"))
    await admin.execute(f'create database "{name}" template "{template}" owner daozhang_owner strategy file_copy')
    yield name
    await admin.execute(f'drop database "{name}" with (force)')
    await admin.close()


async def lived(shop: Shop) -> dict[str, UUID]:
    """Let the shop live a little; the orders by what became of them."""
    gift = await run(shop.program.database, terms("bonus", Tier(5_000, 500)))
    orders = {name: await shop.place(offer=gift if name == "credited" else None) for name in ("credited", "refunded", "asked")}
    for order in orders.values():
        await shop.pay(order)
        await shop.reach(order.id, "credited")
    await shop.program.desk.refund(orders["refunded"].id, 2_000, "test", "test")
    await _buy(shop)
    await shop.sim.quiet()
    await until(lambda: refunded(shop))
    shop.sim.fault("refund", "error", http=500, times=None)
    await shop.program.desk.refund(orders["asked"].id, 1_000, "test", "test")
    await shop.program.database.transact(
        lambda tx: tx.run("select set_standing($1, 'frozen', 'account.frozen', '', 'test', null, null)", shop.user_id)
    )
    held = await shop.program.database.value("select standing from users where id = $1", shop.user_id)
    assert held == "frozen"
    return {name: order.id for name, order in orders.items()}


async def refunded(shop: Shop) -> bool:
    """Whether every refund is done, a minute and a look later."""
    await shop.later(61)
    await shop.work()
    return not await shop.program.database.value("select count(*) from refunds where state <> 'done'")


async def _buy(shop: Shop) -> None:
    """One card from the balance."""
    database, vault = shop.program.database, shop.program.vault
    goods_id = await shelf.add_good(database, 1, goods_class="game_card", name="卡", price_fen=100, source="test", on_sale=True)
    await shelf.add_codes(database, vault, 1, goods_id, ["A-1", "A-2"])
    await Purchases(1, database, vault, shop.program.accounts, Books(database)).buy(
        shop.user_id, Basket(goods_id, 1, 100), "key-00000001"
    )


async def wrong(database: Database) -> set[str]:
    """The names of the laws that do not hold."""
    return {check.name for check in (await prove(database)).checks if check.wrong}


SABOTAGE: dict[str, tuple[str, str]] = {
    "a posting grew": ("transfers_balance", "update postings set amount_fen = amount_fen + 1 where amount_fen > 0"),
    "a balance grew": ("balances_are_postings", "update accounts set balance_fen = balance_fen + 1 where kind = 'user_cash'"),
    "a running balance jumped": ("running_balances", "update postings set balance_after_fen = balance_after_fen + 1"),
    "an account lost its floor": ("floors", "update accounts set floor_fen = null where kind = 'user_cash'"),
    "money from nowhere": ("books_sum_to_zero", "update accounts set balance_fen = balance_fen + 5 where kind = 'user_reserved'"),
    "a transfer lost its key": ("facts_booked_once", "delete from posting_keys where kind = 'recharge'"),
    "an order was never credited": ("orders_credited_once", "update transfers set source_id = id where kind = 'recharge'"),
    "a payment lost its transaction": ("payments_booked", "update attempts set channel_txn = 'x' where state = 'paid'"),
    "a transfer of an invented kind": ("transfers_known", "update transfers set kind = 'gift' where kind = 'recharge'"),
    "a payment was booked smaller": (
        "channels_accounted",
        "update postings set amount_fen = sign(amount_fen) * 4999 where abs(amount_fen) = 5000",
    ),
    "a payment was never booked": ("channels_accounted", "update transfers set reason = '' where kind = 'recharge'"),
    "a refund done whose hold was released": ("refunds_booked", "update holds set state = 'released' where state = 'captured'"),
    "a refund done that nobody booked": ("refunds_booked", "update refunds set state = 'done' where state <> 'done'"),
    "a refund under way without its hold": ("refunds_booked", "update refunds set hold_id = null where state <> 'done'"),
    "money of another user": ("money_has_orders", "update orders set user_id = user_id + 1 where state = 'credited'"),
    "a hold without money": ("holds_backed", "update holds set amount_fen = amount_fen + 1 where state = 'reserved'"),
    "a refund that is not counted": ("refunds_within_payment", "update orders set refunded_fen = 0"),
    "a refund beyond the payment": ("refunds_within_payment", "update attempts set paid_fen = 500 where state = 'paid'"),
    "a card that went elsewhere": (
        "purchases_whole", "update stock set state = 'available', purchase_id = null where state = 'delivered'",
    ),
    "a payout that nobody set aside": (
        "payouts_booked",
        """insert into payouts (id, shop_id, user_id, order_id, amount_fen, hold_id, payee, payee_tail, why, proposed_by,
             created_at, moved_at)
           select o.id, o.shop_id, o.user_id, o.id, 1, (select min(h.id::text)::uuid from holds h), decode(repeat('00', 40), 'hex'),
             '1234', 'x', 'a', o.created_at, o.created_at from orders o limit 1""",
    ),
    "stray money that nobody says went back": (
        "strays_returned", "update transfers set kind = 'stray.returned' where kind = 'recharge'",
    ),
    "a lot that grew": ("lots_whole", "update fund_lots set remaining_fen = remaining_fen + 1, amount_fen = amount_fen + 1"),
    "a first payment booked as a second": (
        "second_payments_kept", "update transfers set kind = 'twice.kept' where kind = 'recharge'",
    ),
    "a bonus that grew": ("bonuses_given", "update bonus_promises set bonus_fen = bonus_fen + 1"),
    "a budget that was forgotten": ("budgets_kept", "update campaigns set used_fen = 0"),
    "an order that stands elsewhere": ("moves_are_states", "update orders set state = 'held' where state = 'credited'"),
    "a way between states that does not exist": (
        "moves_are_states",
        "update order_moves set from_state = 'failed' where move = 'credited'",
    ),
    "a step that came from elsewhere": (
        "moves_are_states", "update attempt_moves set from_state = 'unknown' where move = 'paid'",
    ),
    "an order that is gone, but for its moves": (
        "moves_are_states",
        "delete from orders where id = (select order_id from refunds where state <> 'done' limit 1)",
    ),
    "a refund's first step lost": ("moves_are_states", "delete from refund_moves where version = 1"),
    "an attempt of another order": (
        "papers_agree", "update attempts set order_id = (select max(id::text)::uuid from orders where id <> order_id)",
    ),
    "an attempt that asked for another sum": ("papers_agree", "update attempts set amount_fen = amount_fen + 1"),
    "a payment without its sum": ("papers_agree", "update attempts set paid_fen = null where state = 'paid'"),
    "an attempt of another user": ("papers_agree", "update attempts set user_id = user_id + 1"),
    "an order that was credited at no time": ("papers_agree", "update orders set credited_at = null"),
    "a payment at another channel": ("papers_agree", "update attempts set channel_id = channel_id + 1"),
    "a refund of another payment": (
        "papers_agree",
        "update refunds set attempt_id = (select max(id::text)::uuid from attempts where id <> attempt_id)",
    ),
    "a refund of another total": ("papers_agree", "update refunds set total_fen = total_fen + 1"),
    "a hold of another account": (
        "holds_booked", "update holds set account_id = reserved_account_id, reserved_account_id = account_id",
    ),
    "a hold of another sum, and so its refund": (
        "holds_booked",
        "with r as (update refunds set amount_fen = amount_fen - 1) update holds set amount_fen = amount_fen - 1",
    ),
    "a message that is gone": ("messages_accounted", "delete from notifications where state = 'settled'"),
    "a message that nobody tries again": (
        "messages_accounted", "update notifications set state = 'stored', report = '{}' where state = 'settled'",
    ),
    "a decision that says something else": (
        "decisions_whole", "update decisions set outcome = 'monitor', reason = 'x' where stage = 'paid' and outcome = 'admit'",
    ),
    "decisions whose words are gone": ("decisions_whole", "delete from verdict_texts"),
}  # fmt: skip


def test_every_law_is_broken_by_something() -> None:
    assert {law for law, _ in SABOTAGE.values()} == {*CHECKS, "decisions_whole"}


async def test_a_book_that_lived_is_whole(shop: Shop) -> None:
    await lived(shop)
    proof = await prove(shop.program.database)
    assert proof.ok, [check for check in proof.checks if check.wrong]
    assert proof.counts["credited"] == 3
    assert proof.counts["refunds"] == 2
    assert proof.counts["stored_messages"] == 0
    assert proof.counts["owed_to_users_fen"] == 3 * 5_000 - 2_000 - 97, "three fen of the card came from the bonus"
    looked = {check.name: check.looked_at for check in proof.checks}
    assert all(looked.values()), looked


@pytest.mark.parametrize("what", SABOTAGE)
async def test_a_broken_law_is_named(book: Book, what: str) -> None:
    law, sabotage = SABOTAGE[what]
    tag = await book.hand.execute(sabotage)
    assert int(tag.rsplit(" ", 1)[-1]) > 0, tag
    assert law in await wrong(book.database)


@pytest.mark.parametrize(
    ("what", "sabotage", "law"),
    [
        ("removed", "delete from postings where {middle}", "running_balances"),
        (
            "swapped",
            """with two as (select transfer_id, line, version, lead(version) over w as later from postings
                 where account_id = {account} window w as (order by version))
               update postings p set version = case when p.version = t.version then t.later else t.version end
               from (select * from two where version = 2) t where p.account_id = {account} and p.version in (t.version, t.later)""",
            "running_balances",
        ),
        (
            "inserted",
            """insert into postings (transfer_id, line, account_id, amount_fen, balance_after_fen, version)
               select transfer_id, 9, account_id, 1, balance_after_fen + 1, version + 1 from postings
               where account_id = {account} order by version desc limit 1""",
            "transfers_balance",
        ),
        (
            "cut off at the end",
            """delete from postings where (account_id, version) = (
               select account_id, max(version) from postings where account_id = {account} group by account_id)""",
            "balances_are_postings",
        ),
    ],
    ids=lambda word: word if " " not in word else "",
)
async def test_rc_17_a_line_of_an_account_removed_swapped_inserted_or_cut_off_is_named(
    book: Book, what: str, sabotage: str, law: str
) -> None:
    """The lines of an account are a chain: each has its number and the balance after it, and the account has the last of both."""
    account = await book.hand.fetchval("select id from accounts where kind = 'user_cash' and version >= 4")
    middle = f"account_id = {account} and version = 2"
    tag = await book.hand.execute(sabotage.format(account=account, middle=middle))
    assert not tag.endswith(" 0"), what
    proof = await prove(book.database)
    (found,) = [check for check in proof.checks if check.name == law]
    assert found.wrong > 0
    assert found.culprits, "named"


async def test_money_for_nobody_whose_sum_was_altered_is_named(shop: Shop, hand: "asyncpg.Connection[asyncpg.Record]") -> None:
    """No attempt says what a stray payment was; the anomaly that waits for a person does."""
    assert (await knock(shop, payment(shop.enrolment, ids.text26(ids.new_id()), 700))).status == 204
    assert await wrong(shop.program.database) == set()
    await hand.execute("update anomalies set amount_fen = 701")
    assert await wrong(shop.program.database) == {"channels_accounted"}


async def test_a_held_order_without_booking_is_named(shop: Shop, hand: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Its state says held, its move says so, too, and the money is nowhere."""
    orders = await lived(shop)
    transfer = await hand.fetchval("select id from transfers where source_id = $1 and kind = 'recharge'", orders["credited"])
    await hand.execute("update orders set state = 'held', credited_at = null where id = $1", orders["credited"])
    await hand.execute("update order_moves set to_state = 'held' where order_id = $1 and to_state = 'credited'", orders["credited"])
    await hand.execute("update transfers set source_id = $2 where id = $1", transfer, ids.new_id())
    assert "money_has_orders" in await wrong(shop.program.database)
