"""A room imports only from floors below it, pure files touch nothing, simulators are strangers (see pyproject.toml)."""

from importlinter.cli import lint_imports
from tests.house.sources import ROOT


def test_the_floors_hold(monkeypatch: object, capsys: object) -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0
