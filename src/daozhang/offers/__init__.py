"""Offers: campaigns that give a bonus on a recharge, and coupons. What an order was promised is given with its credit.

A bonus is an account of its own, spent in proportion with the cash beside it, never paid out, and taken back with the money that it
was given for.
"""

from daozhang.offers.codes import digest
from daozhang.offers.give import ended, grant, promise, renew
from daozhang.offers.model import Ask, Campaign, Given, OwnCoupon, Page, Seen, Terms
from daozhang.offers.quote import given, quote
from daozhang.offers.read import lock, read
from daozhang.offers.take_back import begin_taking, end_taking, restore_taking

__all__ = [
    "Ask",
    "Campaign",
    "Given",
    "OwnCoupon",
    "Page",
    "Seen",
    "Terms",
    "begin_taking",
    "digest",
    "end_taking",
    "ended",
    "given",
    "grant",
    "lock",
    "promise",
    "quote",
    "read",
    "renew",
    "restore_taking",
]
