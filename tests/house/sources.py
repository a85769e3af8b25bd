"""The files that the rules of the house are about, as they lie in the checkout."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "daozhang"
_PLACES = ("src", "tests", "docs", "requirements", "bench", ".ci")
_SKIPPED = {"__pycache__", "node_modules", "vendor", ".cache", ".oracles", ".hypothesis"}
_BINARY = {".png", ".ico", ".woff2", ".gz", ".pyc"}


@cache
def files(*suffixes: str, below: Path = ROOT) -> tuple[Path, ...]:
    """Our own text files with one of the suffixes (all when none is given), sorted."""
    places = [below / place for place in _PLACES if (below / place).is_dir()] if below == ROOT else [below]
    found = [path for place in places for path in place.rglob("*") if path.is_file()]
    if below == ROOT:
        found += [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    return tuple(
        sorted(
            path
            for path in found
            if not _SKIPPED.intersection(path.relative_to(ROOT).parts)
            and path.suffix not in _BINARY
            and (not suffixes or path.suffix in suffixes)
        )
    )


def named(path: Path) -> str:
    """How a file is named in a failure."""
    return str(path.relative_to(ROOT))


@cache
def text(path: Path) -> str:
    """A file's text."""
    return path.read_text("utf-8")


@cache
def tree(path: Path) -> ast.Module:
    """A Python file's syntax tree."""
    return ast.parse(text(path))


def calls(module: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a module with the last word of what is called."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
            yield name, node


def nothing(found: Iterable[object]) -> None:
    """Fail with everything that was found, one a line."""
    lines = [str(each) for each in found]
    assert not lines, "\n" + "\n".join(lines)
