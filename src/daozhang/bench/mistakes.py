"""What buyers do wrong: for each cause of a failed recharge how it is run into, and what its cure does; causes are the demo's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from daozhang.bench.errand import BASE_FEN, Errand
from daozhang.cases import unfreeze
from daozhang.demo.causes import causes, ways
from daozhang.demo.scenes import SCENES
from daozhang.demo.world import CONFIRM_FEN, HOME_IP, LARGE_FEN
from daozhang.policy.places import note_login
from daozhang.recharge import source

USUAL_FEN = 880
"""What the buyer of the scene always recharges, who types a zero too many."""
ELSEWHERE = "203.0.113.9"
OLD_PAGE = "0.0.1"
LOCKED_S, WINDOW_S, DOUBT_S = 16 * 60, 11 * 60, 6

Deed = Callable[[Errand], Awaitable[None]]


class Mistake(NamedTuple):
    """One mistake: `reason` is the code that is true of it, `make` puts the buyer into it, `cure` does what its explanation says.

    `fresh`: the buyer has bought nothing yet.
    """

    id: str
    reason: str
    make: Deed
    cure: Deed
    fresh: bool = False


@dataclass(slots=True)
class _Made:
    """Mistakes by id, as they are written below."""

    found: dict[str, tuple[Deed, Deed]] = field(default_factory=dict)

    def __call__(self, name: str, make: Deed) -> Callable[[Deed], Deed]:
        def keep(cure: Deed) -> Deed:
            self.found[name] = make, cure
            return cure

        return keep


_cures = _Made()


def _scene(name: str, *, amount_fen: int = BASE_FEN, way: tuple[str, str] | None = None, goods: bool = False) -> Deed:
    """The demo's own scene, and the wish that meets it."""

    async def make(errand: Errand) -> None:
        await SCENES[name](errand.world, errand.person)
        errand.wish(amount_fen=amount_fen, way=way, goods=goods)

    return make


@_cures("balance_short", _scene("balance_short", goods=True))
async def _recharge_what_is_short(errand: Errand) -> None:
    await errand.world.credit(errand.person, 2_000)


@_cures("frozen", _scene("frozen"))
async def _ask_to_lift_it(errand: Errand) -> None:
    program, user_id = errand.shop.program, errand.person.user_id
    cases = program.house.cases
    case_id = await unfreeze.ask(program.database, cases, 1, user_id, "risk", {})
    await cases.answer(user_id, case_id, "是本人，证件已附上")
    await cases.propose(case_id, "staff:1", "approved", "the papers fit")
    await cases.confirm(case_id, "staff:2")


@_cures("locked", _scene("locked"))
async def _wait_for_the_pause(errand: Errand) -> None:
    await errand.shop.later(LOCKED_S)


@_cures("unverified", _scene("unverified", amount_fen=20_000))
async def _verify_the_name(errand: Errand) -> None:
    await errand.world.verify(errand.person)


@_cures("maintenance", _scene("maintenance", way=ways().shut))
@_cures("bank_limit", _scene("bank_limit", amount_fen=80_000, way=ways().small))
async def _pay_another_way(errand: Errand) -> None:
    errand.wish(way=ways().main)


async def _lose_the_answer(errand: Errand) -> None:
    errand.wish(losing=True)


@_cures("lost", _lose_the_answer)
async def _let_us_ask(errand: Errand) -> None:
    errand.wish(losing=False)
    await errand.shop.later(DOUBT_S)
    await errand.ask_the_channel()


async def _silence_the_channel(errand: Errand) -> None:
    errand.wish(trick="silence")


@_cures("not_credited", _silence_the_channel)
async def _say_that_it_is_paid(errand: Errand) -> None:
    await errand.ask_the_channel()


async def _keep_an_old_page(errand: Errand) -> None:
    errand.wish(version=OLD_PAGE)


@_cures("page_old", _keep_an_old_page)
async def _take_the_new_page(errand: Errand) -> None:
    errand.wish(version="")


async def _mean_a_credit_card(errand: Errand) -> None:
    errand.wish(amount_fen=10_000, instrument="credit")


@_cures("credit_card", _mean_a_credit_card)
async def _take_a_debit_card(errand: Errand) -> None:
    errand.wish(instrument="debit")


@_cures("new_account", _scene("new_account"))
async def _buy_once(errand: Errand) -> None:
    await errand.world.buy_trial(errand.person)


@_cures("five_large", _scene("five_large", amount_fen=LARGE_FEN))
async def _let_a_person_decide(errand: Errand) -> None:
    if not await errand.reviewed():
        await errand.shop.later(WINDOW_S)


async def _travel(errand: Errand) -> None:
    await note_login(errand.shop.program.database, errand.person.user_id, HOME_IP)
    await note_login(errand.shop.program.database, errand.person.user_id, ELSEWHERE)
    errand.wish(amount_fen=LARGE_FEN, ip=ELSEWHERE)


@_cures("far_away", _travel)
async def _show_that_it_is_you(errand: Errand) -> None:
    await errand.confirm()


@_cures("just_unfrozen", _scene("just_unfrozen", goods=True))
async def _say_where_it_comes_from(errand: Errand) -> None:
    program = errand.shop.program
    case_id = await source.ask(program.database, program.house.cases, 1, errand.person.user_id)
    assert case_id is not None, "a use of this balance was refused"
    await program.house.cases.answer(errand.person.user_id, case_id, "工资卡充值，冻结前就在余额里")
    await program.house.cases.propose(case_id, "staff:1", "approved", "paid with the owner's own card")
    await program.house.cases.confirm(case_id, "staff:2")


async def _break_the_database(errand: Errand) -> None:
    await errand.enter()
    await errand.shop.read_only(on=True)


@_cures("database", _break_the_database)
async def _come_back_later(errand: Errand) -> None:
    await errand.shop.read_only(on=False)


async def _type_a_zero_too_many(errand: Errand) -> None:
    await SCENES["extra_zero"](errand.world, errand.person)
    errand.wish(amount_fen=USUAL_FEN * 10, meant_fen=USUAL_FEN)


@_cures("extra_zero", _type_a_zero_too_many)
async def _correct_the_amount(errand: Errand) -> None:
    """Before paying the amount is typed anew; afterwards what is too much goes back the way it came."""
    await errand.correct(USUAL_FEN)


async def _leave_the_code(errand: Errand) -> None:
    await errand.world.verify(errand.person)
    errand.wish(amount_fen=CONFIRM_FEN + 10_000)


@_cures("code_unfinished", _leave_the_code)
async def _type_the_code(errand: Errand) -> None:
    await errand.confirm()


async def _take_two_offers(errand: Errand) -> None:
    coupon = await errand.world.give_coupon(errand.person)
    errand.wish(amount_fen=10_000, offer=await errand.world.campaign("bonus"), coupon=coupon)


@_cures("coupon_stack", _take_two_offers)
async def _keep_one_offer(errand: Errand) -> None:
    errand.wish(coupon="")


async def _mean_a_card_from_abroad(errand: Errand) -> None:
    errand.wish(amount_fen=10_000, instrument="overseas")


_cures("cross_border", _mean_a_card_from_abroad)(_take_a_debit_card)
_cures("region_suspended", _scene("region_suspended", way=ways().small))(_pay_another_way)


def mistakes() -> tuple[Mistake, ...]:
    """Every mistake that is written here, in the order of the causes."""
    return tuple(
        Mistake(each.id, each.reason, *_cures.found[each.id], fresh=each.id == "new_account")
        for each in causes()
        if each.id in _cures.found
    )
