"""Figures with their yardsticks, measured in one run on a throwaway server: machines are noisy, so ratios are what is compared."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NAMES = ("credit", "crowd", "decide", "demo", "diagnosis", "notify", "pages", "place")


class BenchTrouble(RuntimeError):
    """A bench cannot go on; the message says what to do."""


async def run_bench(name: str, **options: Any) -> dict[str, Any]:
    """Run one bench; the dictionary that its JSON line holds. Raises `KeyError` for a name that is not there, `BenchTrouble`."""
    if name not in NAMES:
        raise KeyError(name)
    bench: Callable[..., Awaitable[dict[str, Any]]] = import_module(f"daozhang.bench.{name}").bench
    return await bench(**options)
