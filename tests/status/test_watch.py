"""The breaker in the database: one for all processes, with its incident, its events and its alarm."""

import asyncio
import json

from tests.status.conftest import Rig, Still

from daozhang import alarms, clock
from daozhang.channels.rows import ChannelRow
from daozhang.postgres import Database
from daozhang.status import Board, Phase, Sampler, Status, Watch
from daozhang.status.counts import Word
from daozhang.status.judge import TRIAL_TOKENS


async def fail(rig: Rig, times: int = 6, word: Word = Word.BAD) -> None:
    for _ in range(times):
        rig.sampler.answered(rig.row.id, "native", word)
    await rig.look()


async def test_nf07_failures_close_their_method_and_no_other(rig: Rig) -> None:
    await fail(rig)
    native, h5 = rig.board.of(rig.row, "native"), rig.board.of(rig.row, "h5")
    assert (native.status, native.usable, native.why) == (Status.SUSPENDED, False, "channel.down")
    assert (h5.status, h5.usable, h5.why) == (Status.OPEN, True, None)


async def test_processes_count_together(rig: Rig, database: Database) -> None:
    """Two see three failures each: neither would close the method alone."""
    other = Sampler(database)
    for _ in range(3):
        rig.sampler.answered(rig.row.id, "native", Word.BAD)
        other.answered(rig.row.id, "native", Word.BAD)
    await other.flush()
    await rig.look()
    assert not rig.board.of(rig.row, "native").usable


async def test_however_many_judge_a_move_is_made_once(rig: Rig, database: Database) -> None:
    for _ in range(6):
        rig.sampler.answered(rig.row.id, "native", Word.BAD)
    await rig.sampler.flush()
    judges = [Watch(database, lambda: [rig.row], Sampler(database)) for _ in range(6)]
    moved = await asyncio.gather(*(judge.once() for judge in judges))
    assert sum(len(moves) for moves in moved) == 1
    assert await database.value("select count(*) from status_incidents") == 1
    assert await database.value("select count(*) from events where kind = 'channel.incident_began'") == 1


async def test_an_outage_is_an_incident_with_evidence_and_an_alarm_until_it_is_over(rig: Rig, database: Database) -> None:
    began = clock.now()
    await fail(rig)
    (alarm,) = [alarm for alarm in await alarms.open_alarms(database) if alarm.kind == "channel.outage"]
    assert alarm.facts["failed_count"] == 6
    incident = await database.row("select severity, sign, facts::text, began_at, ended_at from status_incidents")
    assert incident is not None
    assert (incident["severity"], incident["sign"], incident["ended_at"]) == ("down", "failing", None)
    assert incident["began_at"] == began
    assert json.loads(incident["facts"])["asked_count"] == 6
    await recover(rig)
    ended = await database.row("select ended_at from status_incidents")
    assert ended is not None
    assert ended["ended_at"] == clock.now()
    assert [alarm for alarm in await alarms.open_alarms(database) if alarm.kind == "channel.outage"] == []
    kinds = await database.rows("select kind from events where kind like 'channel.incident%' order by at, kind")
    assert [row["kind"] for row in kinds] == ["channel.incident_began", "channel.incident_ended"]


async def recover(rig: Rig) -> None:
    await rig.look(11)
    assert rig.board.of(rig.row, "native").why == "channel.recovering"
    for _ in range(3):
        rig.sampler.answered(rig.row.id, "native", Word.GOOD)
    await rig.look()
    assert rig.board.of(rig.row, "native").status is Status.OPEN


async def test_rl07_a_trial_lets_five_through_whichever_process_is_asked(rig: Rig, database: Database) -> None:
    await fail(rig)
    await rig.look(11)
    boards = [Board(database, lambda _: [rig.row]) for _ in range(3)]
    for board in boards:
        await board.load()
    asked = await asyncio.gather(*(board.admit(rig.row, "native") for board in boards for _ in range(10)))
    assert sum(standing.usable for standing in asked) == TRIAL_TOKENS
    refused = next(standing for standing in asked if not standing.usable)
    assert (refused.why, refused.facts["wait_s"]) == ("channel.recovering", 10)
    rig.still.later(10)
    again = await asyncio.gather(*(boards[0].admit(rig.row, "native") for _ in range(10)))
    assert sum(standing.usable for standing in again) == TRIAL_TOKENS


async def test_admission_outside_a_trial_costs_no_statement(rig: Rig, database: Database) -> None:
    await rig.look()
    await database.close()
    assert (await rig.board.admit(rig.row, "native")).usable


async def test_two_failures_in_a_trial_close_it_again(rig: Rig) -> None:
    await fail(rig)
    await rig.look(11)
    await fail(rig, 2)
    assert rig.board.of(rig.row, "native").why == "channel.down"
    await rig.look(19)
    assert rig.board.of(rig.row, "native").why == "channel.down"
    await rig.look(2)
    assert rig.board.of(rig.row, "native").why == "channel.recovering"


async def test_a_channel_nobody_may_use_is_not_held_to_anything(rig: Rig, database: Database) -> None:
    await fail(rig)
    closed = Watch(database, list, Sampler(database))
    await closed.once()
    await rig.board.load()
    assert rig.board.of(rig.row, "native").status is Status.OPEN
    assert await database.value("select count(*) from status_incidents where ended_at is null") == 0


async def test_ft_counts_wait_for_a_database_that_is_away(database: Database, row: ChannelRow, still: Still) -> None:
    away = await Database.open(database.dsn, size=1)
    sampler = Sampler(away)
    sampler.answered(row.id, "native", Word.BAD)
    await away.close()
    assert await sampler.flush() == 0
    sampler.answered(row.id, "native", Word.BAD)
    sampler._database = database
    assert await sampler.flush() == 1
    counted = await database.row("select good, bad, run from status_slots")
    assert counted is not None
    assert tuple(counted) == (0, 2, 2)


async def test_days_keep_what_seconds_lose(rig: Rig, database: Database) -> None:
    for took_ms in (50, 150, 5_000):
        rig.sampler.answered(rig.row.id, "native", Word.GOOD, took_ms=took_ms)
    rig.sampler.paid(rig.row.id, "native", 3.0)
    await rig.sampler.flush()
    rig.sampler.answered(rig.row.id, "native", Word.BAD)
    await rig.look(1)
    rig.still.later(3_700)
    await database.value("select status_sweep($1)", clock.now())
    assert await database.value("select count(*) from status_slots") == 0
    day = await database.row("select good, bad, slow, paid, took, lag from status_days")
    assert day is not None
    assert tuple(day)[:4] == (3, 1, 1, 1)
    assert list(day["took"]) == [1, 1, 0, 0, 0, 0, 1, 0]
    assert list(day["lag"]) == [0, 0, 1, 0, 0, 0, 0, 0]


async def test_the_tail_of_failures_is_that_of_the_newest(rig: Rig, database: Database) -> None:
    for words in ((Word.BAD, Word.BAD), (Word.GOOD, Word.BAD), (Word.HEAVY,)):
        for word in words:
            rig.sampler.answered(rig.row.id, "native", word)
        await rig.sampler.flush()
    counted = await database.row("select good, bad, run from status_slots")
    assert counted is not None
    assert tuple(counted) == (1, 4, 4)


async def test_phases_are_what_the_judge_says(rig: Rig) -> None:
    for _ in range(6):
        rig.sampler.answered(rig.row.id, "native", Word.BAD)
    rig.still.later(1)
    assert [breaker.phase for _, _, breaker in await rig.watch.once()] == [Phase.TRIPPED]
    assert await rig.watch.once() == []
