"""The commands of staff: who works at the desk, with which roles. Password and second factor are shown once."""

from typing import Any

from cyclopts import App

from daozhang.cli.channel import on_database
from daozhang.cli.frame import Failed, app, say, say_json
from daozhang.cli.trail import operator

staff = App(name="staff", help="People of the shop: who works at the desk, and what they may do.")
app.command(staff)

SHOP = 1


@staff.command
def add(name: str, /, *, role: tuple[str, ...], json: bool = False) -> None:
    """Make a login for the desk. The password and the second factor are shown once and kept nowhere in clear.

    Args:
        name: lower-case letters and digits, such as lin.
        role: owner, support, risk, finance, aml or developer; may be given several times.
        json: end with one JSON line.
    """
    papers = _with(lambda people: people.add(SHOP, name, role, operator()))
    _hand_over(papers, json)


@staff.command(name="list")
def list_staff(*, json: bool = False) -> None:
    """List everybody with their roles.

    Args:
        json: end with one JSON line.
    """
    rows = _with(lambda people: people.listed(SHOP))
    if json:
        say_json(staff=rows)
        return
    for row in rows:
        seen = f"{row.seen_at:%Y-%m-%d %H:%M}" if row.seen_at else "never"
        say(f"{row.id:>3}  {'on ' if row.active else 'off'}  {row.name:16} {', '.join(row.roles):32} seen {seen}")


@staff.command
def role(name: str, roles: list[str], /, *, json: bool = False) -> None:
    """Give a person these roles and no others; they hold from the next page on.

    Args:
        name: who.
        roles: owner, support, risk, finance, aml or developer.
        json: end with one JSON line.
    """
    given = tuple(roles)
    _with(lambda people: people.give_roles(SHOP, name, given, operator()))
    say_json(name=name, roles=given) if json else say(f"{name} is {', '.join(given)}")


@staff.command
def disable(name: str, /, *, json: bool = False) -> None:
    """Let a person in no longer: their sessions end at once.

    Args:
        name: who.
        json: end with one JSON line.
    """
    _with(lambda people: people.enable(SHOP, name, active=False))
    say_json(name=name, active=False) if json else say(f"{name} is let in no longer")


@staff.command
def enable(name: str, /, *, json: bool = False) -> None:
    """Let a person in again.

    Args:
        name: who.
        json: end with one JSON line.
    """
    _with(lambda people: people.enable(SHOP, name, active=True))
    say_json(name=name, active=True) if json else say(f"{name} may log in again")


@staff.command
def reset(name: str, /, *, json: bool = False) -> None:
    """Give a person a new password and a new second factor, for a lost telephone; every session ends.

    Args:
        name: who.
        json: end with one JSON line.
    """
    _hand_over(_with(lambda people: people.reset(SHOP, name)), json)


@staff.command
def code(name: str, /) -> None:
    """Print the present code of a demo's login; refused anywhere else.

    Args:
        name: who.
    """
    from daozhang.postgres import statements

    async def work(people: Any, database: Any) -> str:
        if not await database.value(statements("daozhang.jobs").test_mode):
            raise Failed("codes are shown in a demo only; everybody else has them on a telephone")
        told: str = await people.code(SHOP, name)
        return told

    say(_with(work, whole=True))


def _hand_over(papers: Any, json: bool) -> None:  # noqa: FBT001
    if json:
        say_json(id=papers.staff_id, name=papers.name, password=papers.password, secret=papers.secret, address=papers.address)
        return
    import segno

    say(f"{papers.name} may log in at /desk; this is shown once:")
    say(f"  password       {papers.password}")
    say(f"  second factor  {papers.secret}")
    say("  or scan this with an authenticator:")
    segno.make(papers.address, error="m").terminal(compact=True)


def _with(work: Any, *, whole: bool = False) -> Any:
    """Do something with the staff of the database."""
    from daozhang.identity.hashing import Hasher
    from daozhang.identity.limits import Limiter
    from daozhang.identity.staff import Staff

    async def done(database: Any, vault: Any, _settings: Any) -> Any:
        hasher = Hasher()
        people = Staff(database, vault, Limiter(database), hasher)
        try:
            return await (work(people, database) if whole else work(people))
        finally:
            hasher.close()

    return on_database(done)
