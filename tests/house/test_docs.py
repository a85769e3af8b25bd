"""Decisions are one page each with one line to quote, numbered once; and what a channel offers has a name in both languages."""

import re

import pytest
from tests.house.sources import ROOT, text

from daozhang.channels.catalogue import KINDS
from daozhang.reasons import catalogue

PAGES = sorted(path for path in (ROOT / "docs" / "decisions").glob("*.md") if path.name != "template.md")
LONGEST_PAGE = 90


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_is_one_page_with_one_line_to_quote(page: object) -> None:
    content = text(page)  # type: ignore[arg-type]
    lines = content.splitlines()
    number = page.name[:4]  # type: ignore[attr-defined]
    assert re.fullmatch(rf"# {number} \S.+", lines[0]), lines[0]
    assert sum(line.startswith("> ") for line in lines) >= 1
    assert len(lines) <= LONGEST_PAGE


def test_decisions_are_numbered_once_each() -> None:
    numbers = [page.name[:4] for page in PAGES]
    assert len(set(numbers)) == len(numbers), sorted(numbers)
    assert all(number.isdigit() for number in numbers)


def test_every_kind_and_method_has_a_name_for_people() -> None:
    words = catalogue().words
    assert set(KINDS) <= set(words["kind"])
    assert {method for kind in KINDS.values() for method in kind.methods} <= set(words["method"])


def test_every_word_is_there_in_both_languages_and_every_list_has_a_last_resort() -> None:
    for name, entries in catalogue().words.items():
        assert "other" in entries, name
        assert all(entry.keys() == {"zh", "en"} and all(entry.values()) for entry in entries.values()), name
