"""Who of the staff may do what: one table. What is not in it, nobody may do.

The desk's doors name a permission each; the command line names the same ones in the trail. `PROVEN` are those that move money, or
open what moves money: they ask for the second factor anew when it was last shown more than ten minutes ago.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Role = Literal["owner", "support", "risk", "finance", "aml", "developer"]
ROLES: tuple[Role, ...] = get_args(Role)


def _for(*roles: Role) -> frozenset[Role]:
    return frozenset({"owner", *roles})


EVERYBODY: frozenset[Role] = frozenset(ROLES)

PERMISSIONS: Mapping[str, frozenset[Role]] = {
    "desk.enter": EVERYBODY,
    # Cases: support speaks and proposes, risk and the owner are the second person.
    "case.read": _for("support", "risk"),
    "case.talk": _for("support", "risk"),
    "case.propose": _for("support", "risk"),
    "case.confirm": _for("risk"),
    # Papers that say who somebody is are for risk; a receipt is for support too.
    "evidence.identity": _for("risk"),
    "evidence.receipt": _for("support", "risk"),
    "order.read": EVERYBODY,
    "order.ask": _for("support", "risk", "finance", "developer"),
    "order.log": _for("support", "risk", "finance", "developer"),
    "order.review": _for("risk"),
    # Saying that money was a fraud's, or that a payer is to be held, binds what comes after.
    "order.label": _for("risk"),
    "order.refund": _for("finance"),
    # What an authority ordered is told to nobody else: neither its name nor its number.
    "order.freeze": _for("aml"),
    "user.read": _for("support", "risk", "finance", "aml"),
    "user.unmask": _for("support", "risk", "aml"),
    "user.freeze": _for("risk"),
    "user.region": _for("support", "risk"),
    "rules.read": _for("risk", "aml", "developer"),
    "rules.propose": _for("risk"),
    "rules.approve": _for("risk"),
    "limits.read": _for("support", "risk", "finance", "aml", "developer"),
    "region.read": _for("support", "risk", "finance", "aml"),
    "region.decide": _for("aml"),
    "alarm.read": _for("support", "risk", "finance", "developer"),
    "alarm.close": _for("risk", "finance", "developer"),
    "anomaly.read": _for("support", "risk", "finance"),
    "anomaly.resolve": _for("finance"),
    "payout.read": _for("finance"),
    "payout.propose": _for("finance"),
    "payout.approve": _for("finance"),
    "payout.pay": _for("finance"),
    # Campaigns give money away: one proposes, another lets it run, and whoever sees one go wrong may stop it.
    "offer.read": _for("support", "risk", "finance"),
    "offer.propose": _for("support", "finance"),
    "offer.approve": _for("risk", "finance"),
    "offer.stop": _for("support", "risk", "finance"),
    "offer.issue": _for("support", "finance"),
    "failures.read": _for("support", "risk", "finance", "developer"),
    "audit.read": _for("aml"),
    "staff.read": _for(),
    # Filing is secret by law, also from the owner: whoever needs it is given the role, and that is on the trail.
    "suspicion.read": frozenset({"aml"}),
    "suspicion.write": frozenset({"aml"}),
    "suspicion.export": frozenset({"aml"}),
}

PROVEN = frozenset(
    {
        "case.confirm",
        "order.refund",
        "order.freeze",
        "region.decide",
        "rules.approve",
        "payout.propose",
        "payout.approve",
        "payout.pay",
        "offer.approve",
        "offer.issue",
        "suspicion.export",
    }
)


def may(roles: Iterable[str], permission: str) -> bool:
    """Whether somebody with these roles may. An unknown permission is nobody's."""
    return not PERMISSIONS.get(permission, frozenset()).isdisjoint(roles)


def holders(permission: str) -> list[str]:
    """The roles that may."""
    return sorted(PERMISSIONS[permission])
