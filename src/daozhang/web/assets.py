"""Style, script and pictures: gathered once at start, served from memory under names that carry their own hash.

A name with a hash never changes its content, so a browser may keep it for a year; a page of an older version that asks for an
older hash gets the present file and keeps it for a moment only. What a page brings along inside itself is `dress.py`'s.
"""

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

_HASHED = re.compile(r"(?P<stem>[a-z0-9/_-]{1,60})\.(?P<hash>[0-9a-f]{12})\.(?P<ext>[a-z0-9.]{1,12})", re.ASCII)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STYLES = ("layers.css", "reset.css", "tokens.css", "base.css", "parts/", "pages/", "print.css")
FOR_EVER = "public, max-age=31536000, immutable"
FOR_A_MOMENT = "no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it goes out. `packed` is the gzip form, or None where packing gains nothing."""

    body: bytes
    packed: bytes | None
    media_type: str
    hash: str


class Assets:
    """Every file by its plain name, such as `daozhang.css`. `sheets` are the pieces of that one in their order, by name."""

    def __init__(self, files: dict[str, Asset], sheets: dict[str, str]) -> None:
        self._files, self.sheets = files, sheets

    def url(self, name: str) -> str:
        """The address of a file. An unknown name is our own bug and raises `KeyError`."""
        stem, _, extension = name.rpartition(".")
        return f"/static/{stem}.{self._files[name].hash}.{extension}"

    def find(self, path: str) -> tuple[Asset, str] | None:
        """The file behind `/static/<path>` and its Cache-Control, or None."""
        match = _HASHED.fullmatch(path.lstrip("/"))
        if match is None:
            return None
        asset = self._files.get(f"{match['stem']}.{match['ext']}")
        if asset is None:
            return None
        return asset, FOR_EVER if asset.hash == match["hash"] else FOR_A_MOMENT


@cache
def load() -> Assets:
    """Read, join and pack everything below `static/`."""
    root = resources.files("daozhang.web").joinpath("static")
    css = root.joinpath("css")
    sheets = _sheets(css)
    files = {
        "daozhang.css": _asset("daozhang.css", "\n".join(sheets.values()).encode()),
        "desk.css": _desk_style(css.joinpath("desk")),
        "daozhang.js": _script(root.joinpath("js")),
    }
    files |= {item.name: _asset(item.name, item.read_bytes()) for item in root.iterdir() if item.is_file()}
    vendor = root.joinpath("vendor")
    if vendor.is_dir():
        files |= {f"vendor/{item.name}": _asset(item.name, item.read_bytes()) for item in vendor.iterdir() if item.is_file()}
    return Assets(files, sheets)


def _sheets(folder: Traversable) -> dict[str, str]:
    """The pieces of the stylesheet by name, such as `pages/why.css`: the layers in their order, a folder's files by name."""
    pieces: dict[str, str] = {}
    for name in _STYLES:
        entry = folder.joinpath(name.rstrip("/"))
        found = sorted(entry.iterdir(), key=lambda item: item.name) if name.endswith("/") else [entry]
        within = name if name.endswith("/") else ""
        pieces |= {within + item.name: _tight(item.read_text("utf-8")) for item in found if item.name.endswith(".css")}
    return pieces


def _desk_style(folder: Traversable) -> Asset:
    """The part of the stylesheet for the staff's pages, which buyers never load."""
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".css")), key=lambda item: item.name)
    return _asset("desk.css", "\n".join(_tight(item.read_text("utf-8")) for item in found).encode())


def _tight(text: str) -> str:
    """A sheet without what only its writers read."""
    return re.sub(r"\s*\n\s*", "\n", _COMMENT.sub("", text)).strip()


def _script(folder: Traversable) -> Asset:
    """One script: each behaviour is a file that wraps itself in a function."""
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".js")), key=lambda item: item.name)
    return _asset("daozhang.js", b"\n".join(item.read_bytes().strip() for item in found))


def _asset(name: str, body: bytes) -> Asset:
    packed = gzip.compress(body, 9, mtime=0)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    media_type = f"{kind}; charset=utf-8" if kind.startswith("text/") or kind == "image/svg+xml" else kind
    return Asset(body, packed if len(packed) < len(body) else None, media_type, hashlib.sha256(body).hexdigest()[:12])
