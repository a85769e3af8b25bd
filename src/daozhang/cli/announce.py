"""The commands of announcements: tell everybody something, list what was told, take it back."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cyclopts import App

from daozhang.cli.channel import on_database
from daozhang.cli.frame import Failed, app, say, say_json

announce = App(name="announce", help="Announcements: what the shop tells everybody, from when until when.")
app.command(announce)


@announce.command
def add(
    zh_title: str, zh: str, en_title: str, en: str, /, *, kind: str = "news", begins: str = "now", days: int = 7,
    author: str = "operator", json: bool = False,
) -> None:  # fmt: skip
    """Tell everybody something.

    Args:
        zh_title: the headline in Chinese.
        zh: the text in Chinese.
        en_title: the headline in English.
        en: the text in English.
        kind: news, change (of terms or prices), or warning (stands first).
        begins: `now`, or a moment with its time zone such as 2026-12-01T00:00+08:00.
        days: how long it stands.
        author: who writes it.
        json: end with one JSON line.
    """
    from daozhang import announcements, clock

    begins_at = clock.now() if begins == "now" else _moment(begins)
    try:
        ends_at = begins_at + timedelta(days=days)
    except OverflowError:
        raise Failed("it cannot stand until then: --days is too large") from None

    async def work(database: Any, _vault: Any, _settings: Any) -> UUID:
        return await announcements.announce(
            database, 1, kind=kind, titles=(zh_title, en_title), texts=(zh, en), begins_at=begins_at, ends_at=ends_at, author=author
        )

    made = on_database(work)
    say_json(id=made) if json else say(f"announcement {made} stands until {ends_at:%Y-%m-%d %H:%M}")


@announce.command(name="list")
def list_announcements(*, json: bool = False) -> None:
    """List the newest ones.

    Args:
        json: end with one JSON line.
    """
    from daozhang import announcements

    rows = on_database(lambda database, _vault, _settings: announcements.listed(database, 1))
    if json:
        say_json(announcements=rows)
        return
    for row in rows:
        state = "withdrawn" if row.withdrawn_at else ""
        say(f"{row.id}  {row.begins_at:%Y-%m-%d} to {row.ends_at:%Y-%m-%d}  {row.kind:8} {row.zh_title}  {state}".rstrip())


@announce.command
def withdraw(announcement_id: UUID, /, *, author: str = "operator", json: bool = False) -> None:
    """Take one back; it stays on record.

    Args:
        announcement_id: its id, from `list`.
        author: who takes it back.
        json: end with one JSON line.
    """
    from daozhang import announcements

    if not on_database(lambda database, _v, _s: announcements.withdraw(database, 1, announcement_id, author)):
        raise Failed(f"no announcement {announcement_id} stands")
    say_json(id=announcement_id) if json else say(f"announcement {announcement_id} is withdrawn")


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Failed("`--begins` is `now` or a moment with its time zone, such as 2026-12-01T00:00+08:00")
    return at
