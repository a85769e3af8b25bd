"""The command of the benches."""

import sys
from typing import Any, Literal

from daozhang.cli.frame import Failed, app, say, say_error, say_json
from daozhang.cli.server import settle


@app.command
def bench(
    name: Literal["credit", "crowd", "decide", "demo", "diagnosis", "notify", "pages", "place"], /, *, channel: str = "",
    seed: int | None = None, orders: int | None = None, obeys: list[float] | None = None, only: str | None = None,
    json: bool = False,
) -> None:  # fmt: skip
    """Measure on a throwaway server of its own; exit 1 when its books do not add up afterwards, or a page misses its yardstick.

    Args:
        name: `credit` (credits), `crowd` (buyers who make mistakes), `decide` (checks and their commit), `demo` (how soon it is up,
            what it holds in memory), `diagnosis` (whether each failure is explained as it is), `notify` (callbacks over HTTP),
            `pages` (what each page weighs, how soon it is painted, what is wrong with it), `place` (orders).
        channel: `place`: the kind of channel that orders are placed at; default WeChat Pay.
        seed: `crowd`: what its chance begins with.
        orders: `crowd`: how many orders each of its runs has.
        obeys: `crowd`: how likely a rule that was shown is followed, 0 to 1; once for each run. Default 0.0 to 1.0 in steps of 0.2.
        only: `pages`: those whose path holds this; `diagnosis`: stories whose name does.
        json: end with one JSON line.
    """
    import uvloop

    from daozhang.bench import BenchTrouble, run_bench

    about = name if name in ("pages", "diagnosis") else "pages"
    if any(not 0 <= each <= 1 for each in obeys or ()):
        raise Failed("--obeys is a probability, from 0 to 1")
    given: dict[str, Any] = {"place.channel": channel or None, f"{about}.only": only}
    given |= {"crowd.seed": seed, "crowd.orders": orders, "crowd.obeys": obeys}
    options = _options(name, given)
    if not json:
        say_error(f"measuring {name}, this takes {'some minutes' if name in _LONG else 'up to a minute'}")
    try:
        found = settle(run_bench(name, **options), run=uvloop.run)
    except ModuleNotFoundError as fault:
        if fault.name != "playwright":
            raise
        raise Failed("Playwright is not installed, it is for development only: run `make test` once, which sets it up") from None
    except BenchTrouble as fault:
        raise Failed(str(fault)) from fault
    except KeyError as fault:
        raise Failed(f"there is no simulated {fault.args[0]}") from None
    if json:
        say_json(**found)
    else:
        _show(found)
    sys.exit(0 if found["proof_ok"] and found.get("ok", True) else 1)


_LONG = ("crowd", "pages")
_TELLING = (*_LONG, "diagnosis")


def _options(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """What the bench of a name is told: its own options, and where its lines go while it runs. Raises `Failed` for another's."""
    told = {key.partition("."): value for key, value in given.items() if value is not None}
    foreign = [option for (whose, _, option) in told if whose != name]
    if foreign:
        raise Failed(f"`bench {name}` knows no --{foreign[0]}")
    return {option: value for (_, _, option), value in told.items()} | ({"tell": say} if name in _TELLING else {})


def _show(found: dict[str, Any]) -> None:
    """The figure and its yardstick first, then whatever else was seen."""
    ratio = "none (the load generator was too near its own ceiling)" if found["ratio"] is None else f"{found['ratio']:.2f}"
    say(f"{found['name']}: {found['figure']:,.0f} {found['unit']}")
    say(f"  yardstick  {found['yardstick']:,.0f}  ({found['yardstick_is']})")
    say(f"  ratio      {ratio}")
    told = {"name", "figure", "unit", "yardstick", "yardstick_is", "ratio", "machine"}
    for name, value in found.items():
        if name not in told:
            say(f"  {name:<20} {value}")
    say("  " + ", ".join(f"{name} {value}" for name, value in found["machine"].items()))
