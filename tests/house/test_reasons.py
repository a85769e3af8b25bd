"""Every reason that is given is in the catalogue with its facts, and every reason in the catalogue is given by something."""

import ast
import re
import tomllib

from tests.house.sources import ROOT, SOURCE, calls, files, named, nothing, text, tree

from daozhang.diagnosis.phone import picks
from daozhang.policy.book import defaults
from daozhang.policy.checks import CHECKS
from daozhang.reasons import catalogue
from daozhang.reasons.reference import page

CODE = re.compile(r"(account|channel|operation|limits|risk|regulation|platform|refund|anomaly)\.[a-z_.]+$", re.ASCII)
GIVERS = {"Refusal": 0, "Hit": 1}
"""What gives a reason, and at which place its code stands."""


def given(module: ast.Module) -> list[tuple[int, str, frozenset[str] | None]]:
    """At which line, which code, and with which facts (None = not to be seen from here) a reason is given."""
    found = []
    for name, call in calls(module):
        place = GIVERS.get(name)
        if place is None or len(call.args) <= place:
            continue
        facts = _hit_facts(call) if name == "Hit" else _refusal_facts(call)
        found += [
            (call.lineno, each.value, facts)
            for each in ast.walk(call.args[place])
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and "." in each.value
        ]
    return found


def fallbacks(module: ast.Module) -> list[tuple[int, str]]:
    """Reasons that are given when nobody named one: `answer.reason or "refund.failed"`."""
    chosen = [node.values[-1] for node in ast.walk(module) if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or)]
    return [
        (last.lineno, last.value)
        for last in chosen
        if isinstance(last, ast.Constant) and isinstance(last.value, str) and CODE.match(last.value)
    ]


def _refusal_facts(call: ast.Call) -> frozenset[str] | None:
    names = [keyword.arg for keyword in call.keywords]
    return None if None in names else frozenset(name for name in names if name)


def _hit_facts(call: ast.Call) -> frozenset[str] | None:
    told = call.args[2] if len(call.args) > 2 else None
    return frozenset(key.value for key in told.keys if isinstance(key, ast.Constant)) if isinstance(told, ast.Dict) else None


def stems(module: ast.Module) -> set[str]:
    """Beginnings of codes whose last word is put in later, such as `anomaly.{kind}`."""
    joined = [node.values for node in ast.walk(module) if isinstance(node, ast.JoinedStr) and len(node.values) == 2]
    return {str(first.value) for first, _ in joined if isinstance(first, ast.Constant) and str(first.value).endswith(".")}


def given_everywhere() -> list[tuple[str, str, frozenset[str] | None]]:
    return [
        (f"{named(path)}:{line}", code, facts) for path in files(".py", below=SOURCE) for line, code, facts in given(tree(path))
    ]


def short(code: str, facts: frozenset[str] | None) -> set[str]:
    """The facts that a reason needs and is not given."""
    return set(catalogue().get(code).facts) - facts if facts is not None and code in catalogue() else set()


def native_codes() -> list[tuple[str, str]]:
    found = []
    for path in files(".toml", below=SOURCE):
        if path.name == "errors.toml":
            rows = tomllib.loads(text(path)).get("code", [])
            found += [(f"{named(path)}: {row.get('name')}", row["reason"]) for row in rows if row.get("reason")]
    return found


def test_every_reason_given_is_written() -> None:
    places = [(where, code) for where, code, _ in given_everywhere()] + native_codes()
    places += [(f"{named(path)}:{line}", code) for path in files(".py", below=SOURCE) for line, code in fallbacks(tree(path))]
    nothing([f"{where}: {code}" for where, code in places if code not in catalogue()])


def test_every_reason_is_given_with_its_facts() -> None:
    lacking = [
        f"{where}: {code} lacks {sorted(short(code, facts))}" for where, code, facts in given_everywhere() if short(code, facts)
    ]
    nothing(lacking)


def test_a_native_code_needs_no_facts() -> None:
    """What a channel answers comes without facts of ours, so its reason must read well without any."""
    nothing([f"{where}: {code}" for where, code in native_codes() if code in catalogue() and catalogue().get(code).facts])


def test_every_reason_in_the_catalogue_is_given_by_something() -> None:
    constants = {
        node.value
        for path in files(".py", below=SOURCE)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    made = {f"{stem}{word}" for path in files(".py", below=SOURCE) for stem in stems(tree(path)) for word in constants}
    ruled = {rule.reason for rule in defaults().rules} | {pick.reason for pick in picks()}
    given_by_something = constants | made | {code for _, code in native_codes()} | ruled
    nothing([code for code in catalogue().codes() if code not in given_by_something])


def test_checks_are_named_once_and_in_the_order_of_the_layers() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    layers = [list(type(check.layer)).index(check.layer) for check in CHECKS]
    assert layers == sorted(layers)


def test_the_reference_page_is_current() -> None:
    assert text(ROOT / "docs" / "reference" / "reasons.md") == page(catalogue()), "run python -m daozhang.reasons.reference"


def test_the_rules_see_what_they_forbid() -> None:
    """The control: a code nobody wrote and a reason without its fact are found."""
    sample = ast.parse(
        'Refusal("no.such")\nRefusal("account.locked", left=1)\nHit(REFUSE, "limits.day", {"left_fen": 1})\nRefusal(x, **y)'
    )
    found = given(sample)
    assert [(line, code) for line, code, _ in found] == [(1, "no.such"), (2, "account.locked"), (3, "limits.day")]
    assert "no.such" not in catalogue()
    assert fallbacks(ast.parse('x = y or "refund.nowhere"\nz = y or "held"')) == [(1, "refund.nowhere")]
    assert short("account.locked", found[1][2]) == {"wait_s"}
    assert short("limits.day", found[2][2]) == {"limit_fen", "until_at"}
