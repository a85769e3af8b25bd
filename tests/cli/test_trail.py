"""What is changed at the command line is on the trail; what only tells is not, and no text of a command gets in."""

import pytest

from daozhang.cli.trail import ROLES, deed_of
from daozhang.identity import roles

RC = "RC-01M8G48XBHEZBV27W0DHR0H0KP"


@pytest.mark.parametrize(
    ("words", "deed"),
    [
        (["order", "refund", RC, "12.50", "asked for by 王小明", "--actor", "lin"], ("order.refund", RC, "actor lin")),
        (["payout", "account", "01a21f4c-7a29-7622-9b52-a052da205c0c", "--actor", "rui"],
         ("payout.account", "01a21f4c-7a29-7622-9b52-a052da205c0c", "actor rui")),
        (["channel", "maintenance", "add", "1", "now", "90m"], ("channel.maintenance_add", "1", "")),
        (["channel", "rotate", "1", "/tmp/keys.toml"], ("channel.rotate", "1", "")),
        (["policy", "propose", "book.json", "tighter", "--author", "rui"], ("policy.propose", "", "author rui")),
        (["staff", "add", "lin", "--role", "support", "--role", "risk"], ("staff.add", "staff:lin", "support risk")),
        (["staff", "disable", "lin", "--json"], ("staff.disable", "staff:lin", "")),
        (["order", "show", RC], None), (["policy", "backtest", "book.json"], None), (["staff", "list"], None),
        (["prove"], None), (["doctor", "--json"], None), ([], None),
    ],
)  # fmt: skip
def test_a_command_line_becomes_a_line_or_none(words: list[str], deed: tuple[str, str, str] | None) -> None:
    assert deed_of(words) == deed


def test_the_roles_are_those_of_the_table() -> None:
    assert set(roles.ROLES) == ROLES
