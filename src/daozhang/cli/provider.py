"""The commands of providers: who sends messages, looks at faces, compares names, delivers top-ups. Secrets come from files only."""

from pathlib import Path
from typing import Any, Literal

from cyclopts import App

from daozhang.cli.channel import content_of, on_database
from daozhang.cli.frame import Failed, app, say, say_json

provider = App(name="provider", help="Providers: text messages, letters, faces, names, top-ups. One of each is in use at a time.")
app.command(provider)

SHOP = 1


@provider.command
def add(file: Path, /, *, json: bool = False) -> None:
    """Put a provider in use from a settings file (TOML); `-` reads standard input. The one before it for the same purpose ends.

    Args:
        file: purpose, app, host, secret, and kind (`sandbox` is the only one so far).
        json: end with one JSON line.
    """
    import tomllib

    import msgspec

    from daozhang.providers import rows

    try:
        wanted = msgspec.convert(tomllib.loads(content_of(file)), rows.ProviderSettings)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError):
        # What is wrong with it is not repeated: the file holds a secret.
        raise Failed("a provider's file is TOML with purpose, app, host and secret, and perhaps kind; nothing else") from None
    number = on_database(lambda database, vault, settings: rows.add(database, vault, settings, SHOP, wanted))
    if json:
        say_json(id=number, purpose=wanted.purpose)
    else:
        say(f"provider {number} is in use for {wanted.purpose}")


@provider.command
def off(purpose: Literal["sms", "email", "face", "identity", "supplier"], /, *, json: bool = False) -> None:
    """Use nobody for a purpose any more.

    Args:
        purpose: which one.
        json: end with one JSON line.
    """
    from daozhang.providers import rows

    ended = on_database(lambda database, _vault, _settings: rows.end(database, SHOP, purpose))
    if json:
        say_json(purpose=purpose, ended=ended)
    else:
        say(f"nobody is in use for {purpose} now" if ended else f"nobody was in use for {purpose}")


@provider.command(name="list")
def list_providers(*, json: bool = False) -> None:
    """List who is in use, without secrets, and how they have answered lately.

    Args:
        json: end with one JSON line.
    """
    from daozhang.providers import rows

    found: list[Any] = on_database(lambda database, _vault, _settings: rows.listed(database, SHOP))
    if json:
        say_json(providers=found)
        return
    for row in found:
        how = "answers well" if row.good_at else "not asked yet"
        if row.troubles:
            how = f"{row.troubles} bad answers in a row since {row.troubled_since:%Y-%m-%d %H:%M}"
        say(f"{row.purpose:9} {row.kind}  {row.app}  {row.host}  {how}")
