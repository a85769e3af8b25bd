"""Memory in huge pages: asked for where it is to be had, and nothing else changes where it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daozhang import memory

SCRIPT = """
import os, sys
from daozhang.memory import begin_in_huge_pages
begin_in_huge_pages()
print(os.getpid(), os.environ.get("PYTHONMALLOC"), os.environ.get("GLIBC_TUNABLES"), sys.argv[1:])
"""


def run(environment: dict[str, str]) -> list[str]:
    """What a program says that began so, and its number when it was started."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONMALLOC", "GLIBC_TUNABLES")}
    with subprocess.Popen(
        [sys.executable, "-X", "utf8", "-c", SCRIPT, "one", "two words"], env=kept | environment, stdout=subprocess.PIPE, text=True
    ) as process:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return [str(process.pid), *out.split(maxsplit=3)]


def test_a_program_begins_anew_with_its_arguments_and_its_number() -> None:
    started, pid, allocator, tunables, arguments = run({"GLIBC_TUNABLES": "glibc.malloc.check=0"})
    assert pid == started
    assert arguments.strip() == "['one', 'two words']"
    if not memory.why_small():
        assert (allocator, tunables) == ("malloc", f"glibc.malloc.check=0:{memory.IN_HUGE_PAGES}:{memory.ONE_HEAP}")
    else:
        assert (allocator, tunables) == ("None", "glibc.malloc.check=0")


def test_who_chose_an_allocator_keeps_it() -> None:
    assert run({"PYTHONMALLOC": "pymalloc"})[2:4] == ["pymalloc", "None"]


@pytest.mark.parametrize(
    ("library", "mode", "advisable"),
    [
        ("glibc 2.36", "always [madvise] never", True),
        ("glibc 2.35", "always [madvise] never", True),
        ("glibc 2.31", "always [madvise] never", False),
        ("glibc 2.36", "always madvise [never]", False),
        ("glibc 2.36", "[always] madvise never", False),
        ("glibc 2.36", None, False),
        ("glibc two", "always [madvise] never", False),
        ("musl 1.2", "always [madvise] never", False),
        (None, "always [madvise] never", False),
    ],
)
def test_it_is_asked_for_where_it_is_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str | None, mode: str | None, *, advisable: bool
) -> None:
    if mode is not None:
        (tmp_path / "enabled").write_text(mode + "\n", "ascii")
    monkeypatch.setattr(memory, "_MODE", tmp_path / "enabled")
    monkeypatch.setattr(os, "confstr", lambda _name: library)
    monkeypatch.delenv("PYTHONMALLOC", raising=False)
    assert (memory.why_small() == "") is advisable
    monkeypatch.setenv("PYTHONMALLOC", "pymalloc")
    assert memory.why_small() == "PYTHONMALLOC is set"


@pytest.mark.parametrize(
    ("before", "after"), [("0", "512"), ("511\n", "512"), ("512\n", "512\n"), ("4096\n", "4096\n"), ("?", "?")]
)
def test_an_allowance_is_raised_and_never_lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str) -> None:
    file = tmp_path / "nr_overcommit_hugepages"
    file.write_text(before, "ascii")
    monkeypatch.setattr(memory, "_ON_DEMAND", file)
    memory.allow_shared()
    assert file.read_text("ascii") == after


def test_a_kernel_that_knows_no_allowance_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ON_DEMAND", tmp_path / "missing" / "file")
    memory.allow_shared()
    assert list(tmp_path.iterdir()) == []
