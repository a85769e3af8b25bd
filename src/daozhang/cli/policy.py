"""The commands of the rule book: versions, proposals with four eyes, back-test, statistics, flags and places."""

import json as jsonlib
from pathlib import Path
from typing import Any
from uuid import UUID

from cyclopts import App

from daozhang.cli.channel import on_database
from daozhang.cli.frame import Failed, app, say, say_json
from daozhang.cli.signed import signed

policy = App(name="policy", help="The rules: versions, proposals, back-tests, statistics.")
app.command(policy)

SHOP = 1


@policy.command(name="list")
def list_versions(*, json: bool = False) -> None:
    """List the versions of the book and what is proposed.

    Args:
        json: end with one JSON line.
    """
    from daozhang.policy.proposals import proposals, sql

    async def work(database: Any, _vault: Any, _settings: Any) -> Any:
        return await database.rows(sql.all_books, SHOP), await proposals(database, SHOP)

    versions, open_ones = on_database(work)
    if json:
        say_json(versions=[dict(row) for row in versions], proposals=open_ones)
        return
    for row in versions:
        say(f"{row['version']:>4}  {row['created_at']:%Y-%m-%d %H:%M}  {row['author']:16} {row['sha256'][:12]}  {row['note']}")
    for each in open_ones:
        say(f"   ?  {each.at:%Y-%m-%d %H:%M}  {each.author:16} {each.sha256[:12]}  {each.note}  (approve {each.id})")


@policy.command
def show(*, json: bool = False) -> None:
    """Print the version in force as JSON: what `propose` and `backtest` read.

    Args:
        json: end with one JSON line that holds the version's number, too.
    """
    from daozhang.policy.books import Books, sql

    async def work(database: Any, _vault: Any, _settings: Any) -> Any:
        await Books(database).current(SHOP)
        return await database.row(sql.newest_book, SHOP)

    row = on_database(work)
    if json:
        say_json(version=row["version"], sha256=row["sha256"], parameters=jsonlib.loads(row["parameters"]))
    else:
        say(row["parameters"])


@policy.command
def propose(file: Path, note: str, /, *, author: str, code: str = "", days: int = 30, json: bool = False) -> None:
    """Back-test a version and put it forward; nothing changes until somebody else approves it.

    Args:
        file: the parameters as JSON, as `show` prints them.
        note: why.
        author: who proposes it: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
        days: how far back the test looks.
        json: end with one JSON line.
    """
    from daozhang.policy.backtest import backtest as test
    from daozhang.policy.backtest import days_ago
    from daozhang.policy.book import make_book
    from daozhang.policy.books import Books
    from daozhang.policy.proposals import propose as put_forward

    parameters = _read(file)

    async def work(database: Any, vault: Any, _settings: Any) -> Any:
        found = await test(database, make_book(SHOP, 0, parameters), days_ago(days))
        actor = await signed(database, vault, author, "rules.propose", code)
        return found, await put_forward(database, Books(database), SHOP, parameters, actor, note)

    found, proposal = on_database(work)
    if json:
        say_json(backtest=found, proposal=proposal.id)
        return
    _tell(found)
    say(f"proposed; somebody else puts it in force with: daozhang policy approve {proposal.id} --approver NAME")


@policy.command
def approve(proposal: UUID, /, *, approver: str, code: str = "") -> None:
    """Put a proposal in force. The author alone has to wait a day and may not open a limit above twice what it is.

    Args:
        proposal: its number, as `list` shows it.
        approver: who approves it: a person of the staff, where there are any.
        code: that person's code; asked for where it is left out.
    """
    from daozhang.policy.books import Books
    from daozhang.policy.proposals import approve as put_in_force
    from daozhang.reasons.catalogue import catalogue
    from daozhang.reasons.refusal import Refusal

    async def work(database: Any, vault: Any, _settings: Any) -> int:
        actor = await signed(database, vault, approver, "rules.approve", code)
        return await put_in_force(database, Books(database), SHOP, proposal, actor)

    try:
        version = on_database(work)
    except Refusal as refusal:
        told = catalogue().get(refusal.reason).told("en", refusal.facts)
        raise Failed(f"{told.title}. {told.text} {told.cure}") from None
    say(f"version {version} is in force")


@policy.command
def backtest(file: Path, /, *, days: int = 30, json: bool = False) -> None:
    """What a version would have decided about what really happened, with yuan. Nothing is saved.

    Args:
        file: the parameters as JSON, as `show` prints them.
        days: how far back.
        json: end with one JSON line.
    """
    from daozhang.policy.backtest import backtest as test
    from daozhang.policy.backtest import days_ago
    from daozhang.policy.book import make_book

    parameters = _read(file)
    found = on_database(lambda database, _vault, _settings: test(database, make_book(SHOP, 0, parameters), days_ago(days)))
    if json:
        say_json(backtest=found)
    else:
        _tell(found)


@policy.command
def stats(*, days: int = 30, json: bool = False) -> None:
    """How often each rule hit, what it stopped, and how much of that a person let go again.

    Args:
        days: how far back.
        json: end with one JSON line.
    """
    from daozhang.money import yuan
    from daozhang.policy.backtest import days_ago, statistics

    found = on_database(lambda database, _vault, _settings: statistics(database, SHOP, days_ago(days)))
    if json:
        say_json(rules=found)
        return
    for each in found:
        say(f"{each.key:24} hits {each.hits:>6} (¥{yuan(each.fen)})  stopped {each.stopped:>6}  let go {each.overturned:>5}"
            f"  on trial {each.tried:>6}")  # fmt: skip


@policy.command
def places(file: Path, /) -> None:
    """Bring a file of places (xdb, the format of ip2region); it is used within a minute.

    Args:
        file: the data file.
    """
    from daozhang.policy.places import bring
    from daozhang.policy.xdb import BadPlaces
    from daozhang.settings import read_settings

    try:
        version = bring(read_settings().data, file)
    except (BadPlaces, OSError) as fault:
        raise Failed(f"this file is not used: {fault}") from fault
    say(f"places of IPv{version} are taken from it")


def _read(file: Path) -> Any:
    import msgspec

    from daozhang.policy.book import BadBook, Parameters, checked

    try:
        return checked(msgspec.json.decode(file.read_bytes(), type=Parameters))
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError, BadBook) as fault:
        raise Failed(f"these parameters are not taken: {fault}") from fault


def _tell(found: Any) -> None:
    from daozhang.money import yuan

    say(f"{found.looked_at} decisions looked at, {found.same} decided alike")
    for name in ("newly_stopped", "newly_admitted", "losses_caught"):
        part = getattr(found, name)
        say(f"  {name.replace('_', ' '):16} {part.count:>6}  ¥{yuan(part.fen)}")
    for key, part in sorted(found.by_rule.items(), key=lambda item: -item[1].count):
        say(f"  {key:24} {part.count:>6}  ¥{yuan(part.fen)}")
    if found.examples:
        say(f"  such as {', '.join(found.examples)}")
