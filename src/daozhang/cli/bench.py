"""The command of the benches."""

import sys
from typing import Any, Literal

from daozhang.cli.frame import Failed, app, say, say_error, say_json
from daozhang.cli.server import settle


@app.command
def bench(name: Literal["credit", "decide", "notify", "place"], /, *, channel: str = "", json: bool = False) -> None:
    """Measure on a throwaway server of its own, in less than a minute; exit 1 when its books do not add up afterwards.

    Args:
        name: `credit` (credits), `decide` (checks and their commit), `notify` (callbacks over HTTP), `place` (orders).
        channel: `place`: the kind of channel that orders are placed at; default WeChat Pay.
        json: end with one JSON line.
    """
    import uvloop

    from daozhang.bench import run_bench
    from daozhang.bench.child import ChildTrouble

    if not json:
        say_error(f"measuring {name}, this takes up to a minute")
    try:
        options = {"channel": channel} if channel and name == "place" else {}
        found = settle(run_bench(name, **options), run=uvloop.run)
    except ChildTrouble as fault:
        raise Failed(str(fault)) from fault
    except KeyError as fault:
        raise Failed(f"there is no simulated {fault.args[0]}") from None
    if json:
        say_json(**found)
    else:
        _show(found)
    sys.exit(0 if found["proof_ok"] else 1)


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
