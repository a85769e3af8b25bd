"""Every cause of a failed recharge, as people name it: it is met, told with who can cure it, cured, and then the recharge succeeds.

The table is `demo/causes.toml`; for each row the scene of the demo makes the situation, and a cure here does what the cure says.
"""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.demo.lives import LIVED
from tests.demo.otherwise import OTHERWISE, Way
from tests.demo.story import ELSEWHERE, Story
from tests.flows.shop import Shop, open_shop

from daozhang import clock
from daozhang.demo import shelf as demo_shelf
from daozhang.demo.causes import Cause, causes
from daozhang.demo.scenes import SCENES
from daozhang.demo.world import HOME_IP, World
from daozhang.identity import Visitor
from daozhang.policy import places
from daozhang.policy.book import defaults
from daozhang.postgres import Database
from daozhang.providers import rows
from daozhang.reasons import catalogue
from daozhang.settings import Settings


@pytest.fixture
async def world(database: Database, free_clock: None, settings: Settings) -> AsyncIterator[tuple[Shop, World]]:
    """The demo's world, furnished as the demo furnishes it."""
    async with open_shop(database, settings, kinds=("wechatpay", "unionpay", "epay"), rules=defaults()) as shop:
        for card in shop.sim.services.cards():
            await rows.add(database, shop.program.vault, settings, 1, rows.ProviderSettings(**card))  # type: ignore[arg-type]
        await demo_shelf.furnish(shop.program, settings)
        # UnionPay's hours in the demo's limits end around midnight: the stories are not about that.
        evening = clock.now().astimezone(clock.SHANGHAI) - timedelta(minutes=45)
        if evening.hour >= 22:
            await shop.later(3 * 3_600)
        yield shop, World(shop.program, settings, shop.sim.url, SCENES)
    places.use_places(())


def test_every_cause_is_lived_through() -> None:
    assert {cause.id for cause in causes()} == set(LIVED)
    assert {cause.id for cause in causes()} == set(SCENES)


@pytest.mark.parametrize("cause", causes(), ids=lambda cause: cause.id)
async def test_the_cause_is_met_told_cured_and_then_the_recharge_succeeds(
    world: tuple[Shop, World], owner_database: Database, settings: Settings, cause: Cause
) -> None:
    shop, made = world
    meet, cure = LIVED[cause.id]
    visitor = Visitor(ELSEWHERE if cause.id == "far_away" else HOME_IP, "198.51.100.0/24")
    person = (await made.stage(cause.id, visitor)).person
    story = Story(shop, made, settings, person, owner=owner_database)
    reason = catalogue().get(cause.reason)
    assert await meet(story) == cause.reason
    assert (reason.layer, reason.cured_by) == (cause.layer, cause.cured_by)
    assert cause.says in reason.zh.cure, "the cure is the one that the table promises"
    await cure(story)
    await made.credit(person, 5_000)


@pytest.mark.parametrize(("cause_id", "way"), OTHERWISE, ids=lambda each: each if isinstance(each, str) else each.__name__)
async def test_what_the_cure_offers_besides_works_too(
    world: tuple[Shop, World], owner_database: Database, settings: Settings, cause_id: str, way: Way
) -> None:
    shop, made = world
    visitor = Visitor(ELSEWHERE if cause_id == "far_away" else HOME_IP, "198.51.100.0/24")
    story = Story(shop, made, settings, (await made.stage(cause_id, visitor)).person, owner=owner_database)
    assert await LIVED[cause_id][0](story) == next(each.reason for each in causes() if each.id == cause_id)
    await way(story)
    if cause_id not in ("unverified", "flagged_payer"):  # the one is at its ceiling, the other's payer stays flagged
        await made.credit(story.person, 1_000)
