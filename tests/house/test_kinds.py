"""A kind of channel is known in its folder and by its line in the catalogue, and nowhere else in the program."""

import ast

import pytest
from tests.house.sources import SOURCE, files, named, nothing, tree

from daozhang.channels.catalogue import KINDS
from daozhang.reasons.names import kind_names

OWN = ("channels/kinds/", "simulators/", "bench/")
"""Its folder; the simulators, which are others; and benches, which measure one kind."""
HEADERS = ("events/redact.py", "recharge/inbox.py")
"""Names of headers that are kept or blackened."""


def mentions(module: ast.Module, kind: str) -> list[int]:
    """Lines where a string of the program (no comment, no docstring) is just the kind's name."""
    return [node.lineno for node in ast.walk(module) if isinstance(node, ast.Constant) and node.value == kind]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_outside_its_folder_knows_a_kind(kind: str) -> None:
    found = []
    for path in files(".py", below=SOURCE):
        inside = path.relative_to(SOURCE).as_posix()
        if not inside.startswith(OWN) and inside not in HEADERS:
            found += [f"{named(path)}:{line}" for line in mentions(tree(path), kind)]
    nothing(found)


def test_every_kind_has_a_folder_with_its_name_for_people() -> None:
    assert set(KINDS) == set(kind_names())
    for languages in kind_names().values():
        assert languages.keys() == {"zh", "en"}
        assert all(name.name and len(name.mark) == 1 for name in languages.values())


def test_the_rule_sees_what_it_forbids() -> None:
    assert mentions(ast.parse('x = {"alipay": 1}\n"""alipay is meant here"""'), "alipay") == [1]
