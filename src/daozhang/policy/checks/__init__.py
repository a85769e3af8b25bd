"""Every check, in the order in which the layers are made and told.

From the account over channel, operation, eligibility, risk and law to the platform itself.

This is the only list of checks; rules of risk are data in the book and are judged beside it (`policy/decide.py`). Whoever shows,
asks, enforces or explains goes through it.
"""

from daozhang.policy.checks import account, channel, eligibility, offers, operation, platform, regulation, risk, strength
from daozhang.policy.model import Check, Stage

CHECKS: tuple[Check, ...] = (
    account.STANDING,
    account.LOCKOUT,
    account.BALANCE,
    account.COOLING,
    account.REFUNDABLE,
    channel.CONFIGURED,
    channel.METHOD,
    channel.STATUS,
    channel.CREDIT,
    channel.CREDIT_PAID,
    channel.HOURS,
    channel.SINGLE,
    channel.DAY,
    channel.MONTH,
    operation.AMOUNT,
    operation.ODD,
    operation.CONFIRM,
    strength.TWO,
    strength.SIGNED,
    operation.DAY,
    operation.OPEN,
    eligibility.AGREEMENT,
    eligibility.FIRST_PURCHASE,
    eligibility.CEILING,
    eligibility.MINOR,
    eligibility.NAMED,
    eligibility.CROSS_BORDER,
    offers.OFFER,
    offers.COUPON,
    offers.STACK,
    risk.SIGNALS,
    risk.FAMILY,
    regulation.REGION,
    regulation.IN_FLIGHT,
    risk.LEGAL,
    platform.DATABASE,
    platform.NOTIFY_DOOR,
    platform.PAGE,
)

BY_STAGE: dict[Stage, tuple[Check, ...]] = {stage: tuple(check for check in CHECKS if stage in check.stages) for stage in Stage}

__all__ = ["BY_STAGE", "CHECKS"]
