"""A room imports only from floors below it, pure files touch nothing, simulators are strangers (see pyproject.toml)."""

import subprocess
import sys
from pathlib import Path

from tests.house.sources import ROOT


def test_the_floors_hold() -> None:
    """In a process of its own: import-linter's logging set-up silences every logger that is there already."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
