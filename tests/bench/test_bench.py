"""Every bench runs through in a small size: its line is whole, and the books it leaves behind add up. No time is judged here."""

import json
import subprocess
import sys
from typing import Any

import pytest

from daozhang.bench import NAMES, run_bench
from daozhang.bench.browse import Look
from daozhang.simulators.stations import KNOWN

pytestmark = pytest.mark.usefixtures("few_months")

SMALL: dict[str, dict[str, Any]] = {
    "crowd": {"orders": 12, "obeys": ()},
    "decide": {"orders": 40, "yardstick_s": 0.5, "pure_s": 0.05},
    "notify": {"messages": 60, "singles": 5, "connections": 4, "users": 20, "empty_s": 0.1, "settlements": 40},
    "pages": {"looks": (Look("zh", 390, dark=False),), "only": "/recharge", "times": 1},
    **{f"place {kind}": {"channel": kind, "orders": 30, "at_once": 8, "sign_s": 0.05} for kind in KNOWN},
}


@pytest.mark.parametrize("name", SMALL)
async def test_a_bench_says_what_it_measured_against_what(name: str) -> None:
    found = await run_bench(name.split(maxsplit=1)[0], **SMALL[name])
    assert found["name"] == name.split(maxsplit=1)[0]
    assert found["proof_ok"] is True
    assert found["figure"] > 0
    assert found["yardstick"] > 0
    assert found["yardstick_is"]
    assert found["ratio"] is None or found["ratio"] == pytest.approx(found["figure"] / found["yardstick"], rel=0.02, abs=0.001)
    assert {"cpu", "cores", "load", "python", "system"} <= found["machine"].keys()
    json.dumps(found)
    if name == "crowd":
        assert (found["money_lost_fen"], found["strange"]) == (0, [])
        took_ms = found["with"]["explained_p95_ms"]
        assert found["ok"] is (took_ms is None or took_ms < found["explained_p95_ms_yardstick"]), "nothing else is wrong with it"
        assert found["with"]["failed_share"] < found["without"]["failed_share"]
        assert found["with"]["tries_per_success"] < found["without"]["tries_per_success"]
        assert found["without"]["explained_share"] == 0
        assert found["with"]["explained_share"] > 0.5
    if name == "pages":
        assert (found["pages"], found["foreign_requests"], found["console_errors"], found["axe_violations"]) == (1, 0, 0, 0)
        assert found["broken"] == []
        assert found["recharge_bytes"] < found["recharge_bytes_yardstick"]
        assert found["ratio"] < 1
    if name == "notify":
        assert 0 < found["idle_p50_ms"] <= found["idle_p99_ms"]
        assert found["bound"] > 0
        near = max(found["figure"], found["yardstick"]) > 0.8 * found["generator_ceiling"]
        assert (found["ratio"] is None) is near, "a ratio that measures the generator is not to be told"


async def test_a_bench_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="speed"):
        await run_bench("speed")
    with pytest.raises(KeyError, match="moon"):
        await run_bench("place", channel="moon")


def test_the_command_knows_the_benches_and_no_others() -> None:
    told = subprocess.run([sys.executable, "-m", "daozhang", "bench", "--help"], capture_output=True, text=True, check=True).stdout
    assert all(name in told for name in NAMES)
    wrong = subprocess.run([sys.executable, "-m", "daozhang", "bench", "speed"], capture_output=True, text=True, check=False)
    assert wrong.returncode != 0
