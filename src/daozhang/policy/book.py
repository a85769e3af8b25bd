"""One version of the book of parameters: what the checks measure by. Pure; `policy/books.py` reads and keeps the versions."""

from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Literal

import msgspec

from daozhang.policy.rules.ruleset import NO_RULES, RuleSet
from daozhang.policy.rules.tree import BadRule, Rule
from daozhang.policy.rules.words import worded


class BadBook(ValueError):
    """Parameters that contradict each other, or a stored version whose content is not what its hash says."""


class AmountRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of one recharge and the amounts offered, all in fen."""

    min_fen: int
    max_fen: int
    presets_fen: tuple[int, ...]
    ask_odd: bool = True
    """Whether an amount ten or a hundred times the usual one is asked about."""


class DayRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one user may recharge on one day of Shanghai, in fen."""

    max_fen: int


class OpenRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many unpaid orders one user may have at a time: each may hold goods and a place at a channel."""

    most_count: int = 5


class RiskRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rules of risk measure by. The window and its large amount are published, and enforced as published."""

    large_fen: int = 200_000
    """From this on an order is large."""
    large_count: int = 5
    """The large order that is asked about: the fifth within the window."""
    window_s: int = 600
    careful_fen: int = 100_000
    """From this on an unusual place is a question."""
    elsewhere_s: int = 3_600
    """How long a log-in from elsewhere is remembered."""
    device_young_s: int = 86_400
    settled_s: int = 604_800
    """From this age on an account is expected to have devices of its own."""
    unbound_s: int = 86_400
    """How long large spending waits after a device was unbound."""
    unfrozen_s: int = 259_200
    """How long money that was there when a freeze ended cools down."""
    near_fen: int = 450_000
    """From this on an order is near the largest amount."""
    near_count: int = 5
    device_accounts_count: int = 5
    payer_accounts_count: int = 10
    failures_count: int = 10
    unseen_fen: int = 50_000
    """The largest order, and below it the day's sum, that pass while the signals of risk cannot be read."""
    unseen_day_fen: int = 100_000


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much small oddity one trust tier may have: fen for one order, per day and per thirty days, and orders per day."""

    order_fen: int
    day_fen: int
    day_count: int
    month_fen: int


class ToleranceRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The small-amount budget per account, device and payer. A confirmed loss above `loss_permille` halves it."""

    fresh: Tier = Tier(order_fen=5_000, day_fen=10_000, day_count=3, month_fen=30_000)
    """New or unverified."""
    known: Tier = Tier(order_fen=10_000, day_fen=30_000, day_count=5, month_fen=100_000)
    """Verified and a week old."""
    trusted: Tier = Tier(order_fen=20_000, day_fen=60_000, day_count=8, month_fen=200_000)
    """Ninety days without a confirmed loss."""
    loss_permille: int = 1


class EligibilityRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What kind of shop this is by law, and how much it may take from whom. A shop begins as the strictest that holds a balance.

    single_purpose_card: a balance up to a ceiling (Measures on single-purpose commercial prepaid cards, art. 18);
    own_goods: no balance is sold; licensed_psp: a licensed payment institution, by its licence's number.
    """

    mode: Literal["single_purpose_card", "own_goods", "licensed_psp"] = "single_purpose_card"
    licence: str = ""
    named_ceiling_fen: int = 500_000
    unnamed_ceiling_fen: int = 100_000
    cross_border: bool = False
    """Whether payments with instruments issued abroad, or in another currency, are taken (foreign exchange rules)."""
    first_purchase: bool = False
    """Whether a user has to buy once before recharging."""
    name_from_fen: int = 1_000_000
    """From this sum of a day on a verified name is needed."""
    name_warn_fen: int = 800_000
    """From this sum on it is told that a name will be needed."""
    from_8_order_fen: int = 5_000
    """Minors by age, as the notice of 2019 on minors' spending has them: one payment, and one month."""
    from_8_month_fen: int = 20_000
    from_16_order_fen: int = 10_000
    from_16_month_fen: int = 40_000


class StrengthRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One dated row of law: how much of a day may go on so many factors. From `from_on` on, and before `until_on`, in Shanghai."""

    factors: Literal["one", "two"]
    day_fen: int
    from_on: date
    until_on: date | None = None
    reference: str


_ANNOUNCEMENT = "中国人民银行公告〔2015〕第43号 第二十四条"
STRENGTHS = (
    StrengthRow(factors="one", day_fen=100_000, from_on=date(2016, 7, 1), reference=f"{_ANNOUNCEMENT}（三）"),
    StrengthRow(factors="two", day_fen=500_000, from_on=date(2016, 7, 1), reference=f"{_ANNOUNCEMENT}（二）"),
)
"""What the law says today. Above both a day's sum is by agreement, signed or with a certificate (the same article, item 1)."""


class ConfirmRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Above which sums, in fen, an order is confirmed by a second factor: one payment, and all of a day.

    A password alone is one factor; with a code sent to the number there are two (Measures for online payment of non-bank payment
    institutions, 2015, art. 24: up to 5,000 yuan a day by two factors; more by agreement with certificates or signatures).
    """

    from_fen: int = 500_000
    day_fen: int = 500_000
    strengths: tuple[StrengthRow, ...] = STRENGTHS
    """What a day may have by strength of proof; asked for in the mode licensed_psp alone."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of one version."""

    amount: AmountRules
    day: DayRules
    open: OpenRules = OpenRules()
    risk: RiskRules = RiskRules()
    tolerance: ToleranceRules = ToleranceRules()
    eligibility: EligibilityRules = EligibilityRules()
    confirm: ConfirmRules = ConfirmRules()
    rules: tuple[Rule, ...] = ()
    shadows: tuple[Rule, ...] = ()
    """Rules on trial: judged and recorded beside the others, felt by nobody."""


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a shop's parameters."""

    shop_id: int
    version: int
    amount: AmountRules
    day: DayRules
    open: OpenRules = OpenRules()
    risk: RiskRules = RiskRules()
    tolerance: ToleranceRules = ToleranceRules()
    eligibility: EligibilityRules = EligibilityRules()
    confirm: ConfirmRules = ConfirmRules()
    rules: RuleSet = NO_RULES
    shadows: RuleSet = NO_RULES


def make_book(shop_id: int, version: int, parameters: Parameters) -> Book:
    """The book of checked parameters, its rules compiled. Raises `BadBook`."""
    rules, shadows = _compiled(msgspec.json.encode(parameters))
    return Book(
        shop_id=shop_id, version=version, amount=parameters.amount, day=parameters.day, open=parameters.open, risk=parameters.risk,
        tolerance=parameters.tolerance, eligibility=parameters.eligibility, confirm=parameters.confirm, rules=rules,
        shadows=shadows,
    )  # fmt: skip


@lru_cache(64)
def _compiled(content: bytes) -> tuple[RuleSet, RuleSet]:
    parameters = msgspec.json.decode(content, type=Parameters)
    params = rule_params(parameters)
    try:
        return RuleSet(parameters.rules, params), RuleSet(parameters.shadows, params)
    except BadRule as fault:
        raise BadBook(str(fault)) from None


def canonical(parameters: Parameters) -> bytes:
    """The bytes that a version is hashed over: the same ones however its rules' objects were ordered on the way here."""
    return msgspec.json.encode(parameters, order="deterministic")


def rule_params(parameters: Parameters) -> dict[str, int]:
    """The parameters that rules may name; the unit is in the name."""
    risk: dict[str, int] = msgspec.structs.asdict(parameters.risk)
    return {
        **risk,
        "min_fen": parameters.amount.min_fen,
        "max_fen": parameters.amount.max_fen,
        "day_max_fen": parameters.day.max_fen,
    }


def defaults() -> Parameters:
    """The parameters that a shop begins with. Raises `BadBook`."""
    room = resources.files("daozhang.policy")
    parameters = read_parameters(room.joinpath("defaults.toml").read_bytes())
    try:
        rules = msgspec.json.decode(room.joinpath("rules", "defaults.json").read_bytes(), type=tuple[Rule, ...])
    except msgspec.MsgspecError as fault:
        raise BadBook(str(fault)) from None
    return checked(msgspec.structs.replace(parameters, rules=worded(rules)))


def renewed(parameters: Parameters) -> Parameters:
    """The same parameters with the rules of this release in place of its older ones of the same key; a shop's own stay.

    A rule that the shop gave up is not brought back. What comes of it is a version like any other: proposed, back-tested, approved.
    """
    fresh = {rule.key: rule for rule in defaults().rules}
    return msgspec.structs.replace(parameters, rules=tuple(fresh.get(rule.key, rule) for rule in parameters.rules))


def read_parameters(content: bytes) -> Parameters:
    """Read and check parameters in TOML. Raises `BadBook` naming what is wrong."""
    try:
        return checked(msgspec.toml.decode(content, type=Parameters))
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise BadBook(str(fault)) from None


def checked(parameters: Parameters) -> Parameters:
    """The same parameters, when they do not contradict each other. Raises `BadBook`."""
    amount, day, eligible = parameters.amount, parameters.day, parameters.eligibility
    rules = {
        "amount: 1 <= min_fen <= max_fen <= 9999999999": 1 <= amount.min_fen <= amount.max_fen <= 9_999_999_999,
        "amount: presets_fen rise and lie within the bounds": bool(amount.presets_fen)
        and sorted(set(amount.presets_fen)) == list(amount.presets_fen)
        and amount.min_fen <= amount.presets_fen[0]
        and amount.presets_fen[-1] <= amount.max_fen,
        "day: max_fen is at least the smallest recharge": day.max_fen >= amount.min_fen,
        "open: one order may be open": parameters.open.most_count >= 1,
        "risk: every number is more than nothing": all(value >= 1 for value in msgspec.structs.astuple(parameters.risk)),
        "risk: the window is at most a day": parameters.risk.window_s <= 86_400,
        "risk: an account cools down for at most a month": parameters.risk.unbound_s <= 2_678_400,
        "eligibility: licensed_psp needs the number of its licence": eligible.mode != "licensed_psp"
        or bool(eligible.licence.strip()),
        "eligibility: a card's balance is at most 5000 yuan with a name and 1000 without": eligible.mode != "single_purpose_card"
        or (1 <= eligible.unnamed_ceiling_fen <= 100_000 and eligible.unnamed_ceiling_fen <= eligible.named_ceiling_fen <= 500_000),
        "eligibility: 0 <= name_warn_fen <= name_from_fen": 0 <= eligible.name_warn_fen <= eligible.name_from_fen,
        "eligibility: a minor's payment is within the month, and the younger one's within the older one's": 0
        <= eligible.from_8_order_fen
        <= min(eligible.from_8_month_fen, eligible.from_16_order_fen)
        and max(eligible.from_16_order_fen, eligible.from_8_month_fen) <= eligible.from_16_month_fen,
        "confirm: one row of a strength at a time, with its reference": _one_at_a_time(parameters.confirm.strengths),
        "confirm: one factor never has more than two": _never_more(parameters.confirm.strengths),
        "tolerance: an order is within its day, a day within its month": all(
            0 <= tier.order_fen <= tier.day_fen <= tier.month_fen and tier.day_count >= 0 for tier in _tiers(parameters.tolerance)
        ),
    }
    for rule, holds in rules.items():
        if not holds:
            raise BadBook(rule)
    _compiled(msgspec.json.encode(parameters))
    return parameters


def _one_at_a_time(rows: tuple[StrengthRow, ...]) -> bool:
    sound = all(row.day_fen >= 1 and row.reference.strip() and (row.until_on is None or row.from_on < row.until_on) for row in rows)
    pairs = [(a, b) for place, a in enumerate(rows) for b in rows[place + 1 :] if a.factors == b.factors]
    return sound and not any(_meet(a, b) for a, b in pairs)


def _never_more(rows: tuple[StrengthRow, ...]) -> bool:
    return all(
        one.day_fen <= two.day_fen
        for one in rows
        for two in rows
        if (one.factors, two.factors) == ("one", "two") and _meet(one, two)
    )


def _meet(one: StrengthRow, other: StrengthRow) -> bool:
    """Whether the dates of two rows overlap."""
    latest = date.max
    return one.from_on < (other.until_on or latest) and other.from_on < (one.until_on or latest)


def _tiers(tolerance: ToleranceRules) -> tuple[Tier, Tier, Tier]:
    return tolerance.fresh, tolerance.known, tolerance.trusted


def halved(tolerance: ToleranceRules) -> ToleranceRules:
    """Half of every tier."""

    def half(tier: Tier) -> Tier:
        return Tier(
            order_fen=tier.order_fen // 2, day_fen=tier.day_fen // 2, day_count=tier.day_count // 2, month_fen=tier.month_fen // 2
        )

    fresh, known, trusted = _tiers(tolerance)
    return msgspec.structs.replace(tolerance, fresh=half(fresh), known=half(known), trusted=half(trusted))
