"""The crowd is drawn by its seed: the same again, and each mistake in one order of fifteen."""

from collections import Counter

from daozhang.bench.crowd import ONE_IN, draw
from daozhang.bench.mistakes import mistakes
from daozhang.demo.causes import causes
from daozhang.reasons import catalogue


def test_the_same_seed_draws_the_same_crowd_and_another_one_another() -> None:
    assert draw(7, 300) == draw(7, 300)
    assert draw(7, 300) != draw(8, 300)


def test_each_mistake_falls_upon_one_order_in_fifteen() -> None:
    many = 30_000
    fallen = Counter(mistake.id for made in draw(1, many) for mistake in made)
    assert set(fallen) == {mistake.id for mistake in mistakes()}
    assert all(abs(count * ONE_IN / many - 1) < 0.1 for count in fallen.values()), fallen


def test_the_mistakes_are_the_causes_that_people_speak_of() -> None:
    assert len(mistakes()) >= 20
    assert {mistake.id for mistake in mistakes()} <= {cause.id for cause in causes()}
    assert all(catalogue().get(mistake.reason).zh.cure for mistake in mistakes())
