"""A macro that speaks is imported with what it speaks with: else its page is a fault, and only whoever opens it learns that."""

import re
from pathlib import Path

TEMPLATES = Path(__file__).parents[2] / "src/daozhang/web/templates"
MACRO = re.compile(r"{%-?\s*macro (\w+)\(.*?\)\s*-?%}(.*?){%-?\s*endmacro", re.DOTALL)
IMPORT = re.compile(r'{%-?\s*from "([^"]+)" import ([^%]+?)-?%}')
SPEAKS = re.compile(r"\b(?:t|locale|csrf_field|asset|allowed|who)\s*[(.]")


def test_what_speaks_is_imported_with_its_context() -> None:
    texts = {path.relative_to(TEMPLATES).as_posix(): path.read_text("utf-8") for path in TEMPLATES.rglob("*.html")}
    speaking = {(name, macro) for name, text in texts.items() for macro, body in MACRO.findall(text) if SPEAKS.search(body)}
    assert speaking, "the rule sees something"
    mute = [
        (name, source, macro)
        for name, text in texts.items()
        for source, names in IMPORT.findall(text)
        if "with context" not in names
        for macro in (each.split(" as ")[0].strip() for each in names.split(","))
        if (source, macro) in speaking
    ]
    assert mute == []
