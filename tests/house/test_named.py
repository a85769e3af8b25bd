"""What the documents name is there: files, commands with their options, settings; and the operator is told of all of them."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from cyclopts import App
from tests.house.sources import ROOT, SOURCE, files, named, nothing, text

from daozhang.cli.frame import COMMANDS, app
from daozhang.settings import Settings

DOCUMENTS = files(".md")
PATH = re.compile(r"`([\w.-]+/[\w./-]*\w\.(?:py|sql|toml|js|css|html|md|txt|sh))`")
"""A path of a file in backquotes, as it stands below the checkout, the package or the document itself."""
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[\w-]*)?\)")
COMMAND = re.compile(r"\bdaozhang ((?:[a-z]+ ?)+)")
OPTION = re.compile(r"(--[a-z][a-z-]+)")
SETTING = re.compile(r"DAOZHANG_([A-Z_]+)")
BESIDE_SETTINGS = {"LONG", "SEED"}
"""Read by the suite and not by the program."""


def commands() -> dict[str, App]:
    for module in COMMANDS:
        import_module(module)
    found: dict[str, App] = {}

    def walk(group: App, before: str) -> None:
        for name in group:
            if not name.startswith("-"):
                found[f"{before}{name}"] = group[name]
                walk(group[name], f"{before}{name} ")

    walk(app, "")
    return found


def spoken(line: str, known: dict[str, App]) -> tuple[str, str] | None:
    """The longest command that a line begins with, and the words behind it; None when it begins with none."""
    words = line.split()
    for count in range(len(words), 0, -1):
        if " ".join(words[:count]) in known:
            return " ".join(words[:count]), " ".join(words[count:])
    return None


@pytest.mark.parametrize("page", DOCUMENTS, ids=named)
def test_files_that_a_document_names_are_there(page: Path) -> None:
    content = text(page)
    gone = [name for name in PATH.findall(content) if not any((at / name).exists() for at in (ROOT, SOURCE, page.parent))]
    gone += [name for name in LINK.findall(content) if not (page.parent / name).exists()]
    nothing(gone)


@pytest.mark.parametrize("page", DOCUMENTS, ids=named)
def test_commands_that_a_document_names_are_there(page: Path) -> None:
    known = commands()
    groups = {name for name in known if any(other.startswith(f"{name} ") for other in known)}
    strange = []
    for code in re.findall(r"`(daozhang [^`]+)`|^(daozhang .+)$", text(page), re.MULTILINE):
        line = " ".join("".join(code).split())
        for said in COMMAND.findall(line):
            meant = spoken(said, known)
            # A group may stand for itself; a word behind it has to be one of its commands.
            if meant is None or (meant[0] in groups and meant[1]):
                strange.append(line)
    nothing(strange)


@pytest.mark.parametrize("page", [ROOT / "docs" / "operate.md", ROOT / "README.md", ROOT / "README.zh.md"], ids=named)
def test_options_that_the_operator_is_told_of_are_taken(page: Path) -> None:
    known = commands()
    strange = []
    for line in re.findall(r"^(daozhang .+(?:\\\n.+)*)$", text(page), re.MULTILINE):
        for part in line.replace("\\\n", " ").split("#")[0].split("; "):
            meant = spoken(" ".join(re.findall(r"^daozhang ((?:[a-z]+ )*[a-z]+)", part)), known)
            if meant and (function := known[meant[0]].default_command):
                taken = {f"--{name.replace('_', '-')}" for name in inspect.signature(function).parameters}
                strange += [f"{meant[0]} {option}" for option in OPTION.findall(part) if option not in taken]
    nothing(strange)


@pytest.mark.parametrize("page", DOCUMENTS, ids=named)
def test_settings_that_a_document_names_are_read(page: Path) -> None:
    settings = {name.upper() for name in Settings.__struct_fields__}
    strange = [name for name in SETTING.findall(text(page)) if name.removesuffix("_FILE") not in settings and name not in settings]
    nothing(name for name in strange if name not in BESIDE_SETTINGS)


def test_every_setting_and_every_command_is_told_of() -> None:
    table, overview = text(ROOT / "docs" / "operate.md"), text(ROOT / "README.md")
    nothing(name for name in Settings.__struct_fields__ if f"`DAOZHANG_{name.upper()}`" not in table)
    nothing(name for name in commands() if " " not in name and f"`{name}`" not in overview)


def test_the_rules_see_what_they_look_for() -> None:
    """The control: each rule finds its own transgression."""
    known = commands()
    assert spoken("order unshow", known) == ("order", "unshow")
    assert spoken("nonsense", known) is None
    assert "review" in inspect.signature(known["order freeze"].default_command).parameters  # type: ignore[arg-type]
    assert PATH.findall("held by `recharge/nowhere.py`") == ["recharge/nowhere.py"]
    assert SETTING.findall("set `DAOZHANG_NOTHING`") == ["NOTHING"]
