"""The commands of channels: add, list, enable, rotate. Secrets come from files or standard input, never from the command line."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from daozhang.cli.frame import Failed, app, say, say_json
from daozhang.cli.server import settle
from daozhang.cli.trail import noted

if TYPE_CHECKING:
    from daozhang.reasons.refusal import Refusal

channel = App(name="channel", help="Channels: merchant accounts at payers' systems.")
app.command(channel)

MOST_BYTES = 8 << 20
"""More than any file that a command reads: a stock of a hundred thousand codes is two MiB."""


@channel.command
def add(file: Path, /, *, json: bool = False) -> None:
    """Add a channel from a settings file (TOML, or JSON of the same shape); `-` reads standard input. It stays off until enabled.

    Args:
        file: kind, merchant, app, methods and a table `keys`.
        json: end with one JSON line.
    """
    from daozhang.channels import console

    with refusals():
        wanted = console.read_channel(content_of(file))
    channel_id = on_database(lambda database, vault, settings: console.add(database, vault, settings, wanted))
    _said(json, f"channel {channel_id} added; its notifications come to /notify/{wanted.kind}/{channel_id}", id=channel_id)


@channel.command(name="list")
def list_channels(*, json: bool = False) -> None:
    """List the channels, without their keys.

    Args:
        json: end with one JSON line.
    """
    from daozhang.channels import console

    rows = on_database(lambda database, _vault, _settings: console.listed(database))
    if json:
        say_json(channels=rows)
        return
    for row in rows:
        state = "on " if row.enabled else "off"
        say(f"{row.id:>3}  {state}  {row.kind}  {row.merchant}  {','.join(row.methods)}  {row.notify_path}  keys: {row.keys}")


@channel.command
def enable(channel_id: int, /, *, off: bool = False, json: bool = False) -> None:
    """Let new orders use a channel (or, with --off, no longer). Refused while its keys are missing, empty or too short.

    Args:
        channel_id: its number.
        off: disable it; payments under way are still taken in.
        json: end with one JSON line.
    """
    from daozhang.channels import console

    on_database(lambda database, vault, settings: console.enable(database, vault, settings, channel_id, enabled=not off))
    _said(json, f"channel {channel_id} is {'off' if off else 'on'}", id=channel_id, enabled=not off)


@channel.command
def credit(channel_id: int, /, *, off: bool = False, json: bool = False) -> None:
    """Take credit cards at a channel, or with --off no longer: buyers read it before they pay, and what one pays goes back.

    WeChat Pay and Alipay are told so with every order; UnionPay and Epay cannot be, and what they report of the card is looked at.

    Args:
        channel_id: its number.
        off: take credit cards no longer; without it they are taken again.
        json: end with one JSON line.
    """
    from daozhang.channels import console

    on_database(lambda database, _vault, _settings: console.refuse_credit(database, channel_id, no_credit=off))
    _said(json, f"channel {channel_id} {'refuses' if off else 'takes'} credit cards", id=channel_id, no_credit=off)


@channel.command
def rotate(channel_id: int, file: Path, /, *, json: bool = False) -> None:
    """Give a channel new keys; the old ones go on verifying until they are retired.

    Args:
        channel_id: its number.
        file: the table `keys` as in a settings file (TOML, or JSON of the same shape), or a whole settings file; `-` reads
            standard input.
        json: end with one JSON line.
    """
    from daozhang.channels import console

    with refusals():
        wanted = console.read_new_keys(content_of(file))
    turn = on_database(lambda database, vault, _settings: console.rotate(database, vault, channel_id, wanted))
    text = "signs with key version {} now" if turn.fresh else "signs with these keys already (version {}): nothing was changed"
    _said(json, f"channel {channel_id} {text.format(turn.version)}", id=channel_id, version=turn.version, fresh=turn.fresh)


@channel.command
def retire(channel_id: int, before_version: int, /, *, json: bool = False) -> None:
    """Retire a channel's keys older than a version.

    Args:
        channel_id: its number.
        before_version: keys of lower versions end.
        json: end with one JSON line.
    """
    from daozhang.channels import console

    retired = on_database(lambda database, _vault, _settings: console.retire(database, channel_id, before_version))
    none = f"no key version was retired: none below {before_version} was valid, or none would have been left"
    _said(json, f"{retired} key versions retired" if retired else none, id=channel_id, retired=retired)


def on_database(work: Callable[[Any, Any, Any], Awaitable[Any]]) -> Any:
    """Do it on the database. A refusal becomes a sentence."""
    from daozhang.postgres.place import find_server
    from daozhang.postgres.pool import Database
    from daozhang.serve import beside, prepare
    from daozhang.settings import read_settings
    from daozhang.vault import Vault

    settings = read_settings()

    async def done() -> Any:
        async with find_server(settings) as server:
            await prepare(settings, server, beside=True)
            same = await beside(settings, server)
            database = await Database.open(server.direct(), size=2)
            try:
                vault = await Vault.open(database, same)
                async with noted(database):
                    return await work(database, vault, same)
            finally:
                await database.close()

    with refusals():
        return settle(done())


@contextmanager
def refusals() -> Iterator[None]:
    """Turn a `Refusal` raised within the block into the failure of the command, told as a sentence."""
    from daozhang.reasons.refusal import Refusal

    try:
        yield
    except Refusal as refusal:
        raise Failed(in_words(refusal)) from None


def in_words(refusal: "Refusal") -> str:
    """What a person at the terminal is told: the reason, what it is about here, and what to do."""
    from daozhang.reasons.catalogue import catalogue

    told = catalogue().get(refusal.reason).told("en", refusal.facts)
    return f"{refusal.reason}: " + " ".join(part for part in (f"{told.title}.", told.text, told.cure) if part)


def content_of(file: Path) -> str:
    """The text of a file, or of standard input for `-`. Raises `Failed`."""
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as opened:
            text = opened.read(MOST_BYTES + 1)
            if len(text) > MOST_BYTES:
                raise Failed(f"{file} is larger than {MOST_BYTES >> 20} MiB")
            return text.decode("utf-8").replace("\r\n", "\n")
    except OSError as fault:
        raise Failed(f"{file} cannot be read: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise Failed(f"{file} cannot be read: it is no text in UTF-8") from None


def _said(json: bool, text: str, **facts: Any) -> None:  # noqa: FBT001 - the option's own name
    if json:
        say_json(**facts)
    else:
        say(text)
