"""The commands of the service agreement: publish a version, list them."""

from datetime import datetime
from pathlib import Path
from typing import Any

from cyclopts import App

from daozhang.cli.channel import content_of, on_database
from daozhang.cli.frame import Failed, app, say, say_json

agreement = App(name="agreement", help="The service agreement: every version stays on record, with who agreed to it.")
app.command(agreement)


@agreement.command
def publish(zh: Path, en: Path, /, *, author: str = "operator", effective: str | None = None, json: bool = False) -> None:
    """Publish a version. From its moment on everybody is asked to tick it once before the next recharge.

    Args:
        zh: a file with the Chinese text; blank lines part paragraphs.
        en: a file with the English text.
        author: who publishes it.
        effective: when it comes into force, such as 2026-12-01T00:00+08:00; at once when it is left out.
        json: end with one JSON line.
    """
    from daozhang import agreements

    try:
        from_at = datetime.fromisoformat(effective) if effective else None
    except ValueError:
        raise Failed("`--effective` is a moment with its time zone, such as 2026-12-01T00:00+08:00") from None
    if from_at is not None and from_at.tzinfo is None:
        raise Failed("`--effective` needs a time zone, such as 2026-12-01T00:00+08:00")
    texts = content_of(zh), content_of(en)

    async def work(database: Any, _vault: Any, _settings: Any) -> int:
        return await agreements.publish(database, 1, *texts, author=author, from_at=from_at)

    version = on_database(work)
    say_json(version=version) if json else say(f"version {version} of the service agreement is published")


@agreement.command(name="list")
def list_agreements(*, json: bool = False) -> None:
    """List the versions; `*` marks the one in force.

    Args:
        json: end with one JSON line.
    """
    from daozhang import agreements

    rows = on_database(lambda database, _vault, _settings: agreements.listed(database, 1))
    if json:
        say_json(agreements=rows)
        return
    for row in rows:
        mark = "*" if row.present else " "
        agreed = f"{row.consents_count:>8} agreed"
        say(f"{row.version:>4} {mark} from {row.from_at:%Y-%m-%d %H:%M}  {agreed}  {row.author}  {row.sha256[:16]}")
