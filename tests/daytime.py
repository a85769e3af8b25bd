"""Stories of one day: the hour at which a run begins is no part of them."""

from datetime import timedelta

from tests.flows.shop import Shop

from daozhang import clock

SPARE = timedelta(minutes=10)


async def within_one_day(shop: Shop) -> None:
    """A day of the shop has some minutes left; if need be tomorrow begins at once. Its clock can be shifted."""
    at = clock.now()
    left = clock.next_day(at) - at
    if left < SPARE:
        await shop.later(left.total_seconds() + 60)
