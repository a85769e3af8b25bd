"""Files, functions and lines stay small, names say something, nothing is left unfinished, and nothing of this machine leaks out."""

import ast
import re

import pytest
from tests.house.sources import ROOT, SOURCE, calls, files, named, nothing, text, tree

FILE_LINES = 450
"""Files are to have about 400 lines; this is where the rule stops being about."""
FUNCTION_LINES = 70
COLUMNS = 132
SQL_COLUMNS = 150
"""A list of columns or parameters reads better in one line than with a last word alone in the next."""
REMARK = re.compile(r"  # (noqa|type: ignore|fmt:).*$")
"""What is said to a tool behind a line does not count, and neither does a line that is one address."""
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "managers"}

# The words are put together here, so that this file does not hold what it looks for.
UNFINISHED = re.compile(
    "|".join((r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bXX" + r"X\b", r"\bHA" + r"CK\b", "simpl" + "ified", "NotImpl" + "emented"))
)
MACHINE = re.compile("|".join(("/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/[a-z]")))
HOSTS = re.compile(
    "|".join((r"py" + r"pi\.org", "python" + "hosted", "npm" + r"js\.(org|com)", "artif" + "actory", "index" + "-url ="))
)
AUTHORS = re.compile("|".join(("cla" + "ude", "anth" + "ropic", "chat" + "gpt", "open" + "ai", "cop" + "ilot")), re.IGNORECASE)


def functions(module: ast.Module) -> list[tuple[str, int]]:
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(module)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def test_files_stay_readable_in_one_sitting() -> None:
    long = {named(path): n for path in files(".py", ".js", ".css", ".html") if (n := text(path).count("\n")) > FILE_LINES}
    nothing(long.items())


def test_functions_fit_on_a_screen() -> None:
    long = {f"{named(path)}:{name}": n for path in files(".py") for name, n in functions(tree(path)) if n > FUNCTION_LINES}
    nothing(long.items())


def test_lines_fit_side_by_side() -> None:
    wide = [
        f"{named(path)}:{number}"
        for path in files(".py", ".js", ".sql")
        for number, line in enumerate(text(path).splitlines(), 1)
        if len(REMARK.sub("", line)) > (SQL_COLUMNS if path.suffix == ".sql" else COLUMNS) and "https://" not in line
    ]
    nothing(wide)


def test_a_module_is_named_after_what_it_holds() -> None:
    empty = [named(path) for path in files(".py") if EMPTY_NAMES & {path.stem, *path.relative_to(ROOT).parts[:-1]}]
    nothing(empty)


def test_nothing_is_left_unfinished() -> None:
    found = [
        f"{named(path)}: {match.group()}"
        for path in files(".py", ".sql", ".js", ".css", ".html")
        for match in UNFINISHED.finditer(text(path))
    ]
    nothing(found)


@pytest.mark.parametrize("leak", [MACHINE, HOSTS, AUTHORS], ids=["machine", "hosts", "authors"])
def test_nothing_of_the_workshop_leaks_out(leak: re.Pattern[str]) -> None:
    found = [f"{named(path)}: {match.group()}" for path in files() for match in leak.finditer(text(path))]
    nothing(found)


def test_imports_stand_at_the_top() -> None:
    """Heavy imports may wait inside commands, and nowhere else."""
    inner = []
    for path in files(".py", below=SOURCE):
        if path.name == "__main__.py" or path.relative_to(SOURCE).parts[0] in {"cli", "cli.py"}:
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner += [
                    f"{named(path)}:{each.lineno}" for each in ast.walk(node) if isinstance(each, (ast.Import, ast.ImportFrom))
                ]
    nothing(inner)


def test_every_module_says_what_it_is() -> None:
    silent = [named(path) for path in files(".py", below=SOURCE) if text(path).strip() and not ast.get_docstring(tree(path))]
    nothing(silent)


def test_one_clock() -> None:
    """Only `clock.py` reads the machine's time, else a shifted test clock tells half the house another hour.

    The doctor examines the machine's clock itself.
    """
    own = {SOURCE / "clock.py", *files(".py", below=SOURCE / "doctor")}
    found = [
        f"{named(path)}:{call.lineno}"
        for path in files(".py", below=SOURCE)
        if path not in own
        for name, call in calls(tree(path))
        if ast.unparse(call.func)
        in {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
    ]
    nothing(found)


def test_the_rules_see_what_they_forbid() -> None:
    """The control: each rule finds its own transgression."""
    assert UNFINISHED.search("# TO" + "DO: later")
    assert MACHINE.search('open("/ro' + 'ot/x")')
    assert HOSTS.search("https://py" + "pi.org/simple")
    assert AUTHORS.search("made with Cla" + "ude")
    assert functions(ast.parse("def f():\n" + "    x = 1\n" * 80)) == [("f", 81)]
    assert [ast.unparse(call.func) for _, call in calls(ast.parse("time.time()"))] == ["time.time"]
