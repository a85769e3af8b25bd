"""The features that a rule may name: each with its type, its unit, where it comes from and what a person calls it. Pure.

The registry is the only namespace of rules. A name that is not here, a comparison with another type or another unit, is refused
when a rule is saved, so that a slip of the pen never becomes a rule that matches nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from daozhang.policy.model import Facts, Signals

Type = Literal["int", "bool", "word"]
Unit = Literal["fen", "s", "count", ""]


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing a rule may look at. `holder` says which value holds it: the facts themselves, or their signals."""

    name: str
    type: Type
    unit: Unit
    holder: Literal["facts", "signals"]
    attribute: str
    source: str
    zh: str
    en: str


def _f(name: str, type_: Type, unit: Unit, attribute: str, source: str, zh: str, en: str) -> Feature:
    holder: Literal["facts", "signals"] = "signals" if attribute in Signals.__struct_fields__ else "facts"
    assert attribute in (Signals if holder == "signals" else Facts).__struct_fields__, attribute
    return Feature(name, type_, unit, holder, attribute, source, zh, en)


_ALL = (
    _f("amount", "int", "fen", "amount_fen", "the wish or payment", "这一笔的金额", "amount of this order"),
    _f("channel.kind", "word", "", "kind", "channels", "付款渠道", "payment channel"),
    _f("channel.method", "word", "", "method", "the wish", "付款方式", "way to pay"),
    _f("user.standing", "word", "", "standing", "identity", "账户状态", "standing of the account"),
    _f("user.age", "int", "s", "user_age_s", "identity", "注册多久", "since registering"),
    _f("user.verification", "word", "", "verification", "identity", "实名等级", "verification tier"),
    _f(
        "user.sum_today",
        "int",
        "fen",
        "admitted_fen",
        "recharge, business day, without this order",
        "今天已下单金额",
        "sum of today's other orders",
    ),
    _f(
        "user.large_orders",
        "int",
        "count",
        "large_count",
        "recharge, the book's window",
        "窗口内大额笔数",
        "large orders in the window",
    ),
    _f("user.orders_hour", "int", "count", "orders_hour_count", "recharge, 1 h", "1 小时内笔数", "orders in an hour"),
    _f("user.orders_day", "int", "count", "orders_day_count", "recharge, 24 h", "24 小时内笔数", "orders in a day"),
    _f("user.sum_day", "int", "fen", "orders_day_fen", "recharge, 24 h", "24 小时内金额", "sum in a day"),
    _f("user.unfrozen", "int", "s", "unfrozen_s", "identity", "解冻多久", "since the freeze ended"),
    _f(
        "spend.unfrozen", "int", "fen", "unfrozen_fen", "ledger, fund lots", "来自刚解冻余额的金额", "part from just-unfrozen money"
    ),
    _f("device.known", "bool", "", "device_known", "identity", "设备可识别", "device is known"),
    _f("device.age", "int", "s", "device_s", "identity", "设备用了多久", "since the device was first seen"),
    _f(
        "device.accounts",
        "int",
        "count",
        "device_accounts_count",
        "policy marks, 24 h",
        "同一设备的账户数",
        "accounts on the device",
    ),
    _f(
        "device.sum_day", "int", "fen", "device_day_fen", "policy marks, 24 h", "同一设备 24 小时金额", "sum of the device in a day"
    ),
    _f(
        "device.near_limit",
        "int",
        "count",
        "device_near_count",
        "policy marks, 24 h",
        "同一设备贴近上限的笔数",
        "orders of the device just below the limit",
    ),
    _f(
        "device.failures",
        "int",
        "count",
        "device_failures_count",
        "recharge attempts, 1 h",
        "同一设备付款失败次数",
        "failed payments of the device",
    ),
    _f("place.known", "bool", "", "place_known", "address data", "地点可识别", "place is known"),
    _f("place.usual", "bool", "", "place_usual", "policy places", "常用地点", "place is usual"),
    _f("place.abroad", "bool", "", "place_abroad", "address data", "境外地址", "address abroad"),
    _f("place.elsewhere", "int", "s", "elsewhere_s", "policy places", "异地登录多久", "since a log-in from elsewhere"),
    _f("payer.known", "bool", "", "payer_known", "the payment", "付款人可识别", "payer is known"),
    _f("payer.flagged", "bool", "", "payer_flagged", "policy payer flags", "付款人被标记", "payer is flagged"),
    _f("payer.new", "bool", "", "payer_new", "policy payers", "付款人第一次为此账户付款", "payer is new to the account"),
    _f(
        "payer.accounts",
        "int",
        "count",
        "payer_accounts_count",
        "policy payers, 30 d",
        "同一付款人的账户数",
        "accounts of the payer",
    ),
    _f(
        "payer.sum_day", "int", "fen", "payer_day_fen", "policy payers, 24 h", "同一付款人 24 小时金额", "sum of the payer in a day"
    ),
    _f(
        "payer.near_limit",
        "int",
        "count",
        "payer_near_count",
        "policy payers, 24 h",
        "同一付款人贴近上限的笔数",
        "payments of the payer just below the limit",
    ),
    _f(
        "payer.failures",
        "int",
        "count",
        "payer_failures_count",
        "recharge attempts, 1 h",
        "同一付款人付款失败次数",
        "failed payments of the payer",
    ),
)

FEATURES: dict[str, Feature] = {feature.name: feature for feature in _ALL}
"""Every feature by name, in the order in which an editor offers them."""


def _reader(feature: Feature) -> Callable[[Facts], Any]:
    of_facts, of_signals = attrgetter(feature.attribute), attrgetter(f"signals.{feature.attribute}")
    if feature.holder == "facts":
        return of_facts
    return lambda facts: None if facts.signals is None else of_signals(facts)


READERS: dict[str, Callable[[Facts], Any]] = {name: _reader(feature) for name, feature in FEATURES.items()}
"""The readers of features by their names; None is not known."""
