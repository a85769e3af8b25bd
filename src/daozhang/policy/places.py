"""Where an address is, as coarse as a province: from a data file that the operator brings, in memory, never asked of anybody else.

Without a file, and for an address it does not hold, the place is unknown, and unknown is no accusation.
"""

import asyncio
import logging
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from daozhang import clock
from daozhang.policy.xdb import BadPlaces, Xdb
from daozhang.postgres import Database, statements

sql = statements("daozhang.policy")
log = logging.getLogger(__name__)

LOOK_AGAIN_S = 60.0
"""How often the folder is looked at, so that a file that an operator brings is used without a restart."""

HOME = ("中国", "CN", "China")
_NOTHING = ("", "0", "内网IP", "Reserved", "保留", "本机地址")


@dataclass(frozen=True, slots=True)
class Place:
    """A province of China, or a country. `abroad` rests on the address alone, so it accuses nobody."""

    province: str
    abroad: bool


_files: tuple[Xdb, ...] = ()


def use_places(paths: tuple[Path, ...]) -> None:
    """Take these data files (IPv4, IPv6) from now on, for the whole process; none of them = every place is unknown.

    A file that cannot be read is said in the log and left out. Raises nothing: a shop works without places.
    """
    global _files  # noqa: PLW0603 -- one set of data files per process, like the one clock
    opened = []
    for path in paths:
        try:
            opened.append(Xdb(path.read_bytes()))
        except (OSError, BadPlaces) as fault:
            log.warning("the file of places %s is not used: %s", path.name, fault)
    _files = tuple(opened)
    place_of.cache_clear()


@lru_cache(16_384)
def place_of(ip: str) -> Place | None:
    """The place of an address; None is not known."""
    if not _files or not ip:
        return None
    try:
        address = ip_address(ip)
    except ValueError:
        return None
    for file in _files:
        if file.version == address.version:
            return _read(file.find(address.packed))
    return None


def province_of(ip: str) -> str | None:
    """The province, or the country abroad, that an address is in; None is not known."""
    place = place_of(ip)
    return place.province if place else None


def _read(region: str | None) -> Place | None:
    """`country|province|city|provider[|code]`, as ip2region writes it; an older file has an area between country and province."""
    if not region:
        return None
    parts = region.split("|")
    country = parts[0]
    province = parts[2] if len(parts) == 5 and (parts[1] == "0" or not parts[1]) else parts[1] if len(parts) > 1 else ""
    if country in _NOTHING:
        return None
    if country not in HOME:
        return Place(country[:40], abroad=True)
    return None if province in _NOTHING else Place(province.removesuffix("省").removesuffix("市")[:40], abroad=False)


def folder_of(data: Path) -> Path:
    """Where the data files are, below the data folder."""
    return data / "places"


async def watch_places(data: Path) -> None:
    """Use the data files of the folder, and look again every minute, until cancelled."""
    known: list[tuple[Path, float]] = []
    while True:
        found = await asyncio.to_thread(_files_in, folder_of(data))
        if found != known:
            known = found
            await asyncio.to_thread(use_places, tuple(path for path, _ in found))
        await asyncio.sleep(LOOK_AGAIN_S)


def bring(data: Path, source: Path) -> int:
    """Check a data file and put it in the folder in place of the one of the same IP version, which it answers.

    Raises `BadPlaces` and OSError, with the old file still in place.
    """
    content = source.read_bytes()
    version = Xdb(content).version
    folder = folder_of(data)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = folder / f"ip2region_v{version}.new"
    beside.write_bytes(content)
    beside.replace(folder / f"ip2region_v{version}.xdb")
    return version


async def note_login(database: Database, user_id: int, ip: str) -> None:
    """Remember in which province a user logged in. An unknown place is not remembered."""
    place = place_of(ip)
    if place is not None:
        await database.transact(lambda tx: tx.value(sql.note_place, user_id, place.province, True, clock.now()))  # noqa: FBT003


def _files_in(folder: Path) -> list[tuple[Path, float]]:
    return sorted((path, path.stat().st_mtime) for path in folder.glob("*.xdb")) if folder.is_dir() else []
