"""Both languages hold the same keys, and each text the same facts."""

import re
import tomllib

import pytest
from tests.house.sources import SOURCE, nothing, text

I18N = SOURCE / "web" / "i18n"
FACT = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def flat(table: dict[str, object], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = str(value)
    return found


def read(locale: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted((I18N / locale).glob("*.toml")):
        more = flat(tomllib.loads(text(file)))
        nothing(sorted(found.keys() & more.keys()))
        found |= more
    return found


def test_both_languages_have_the_same_keys() -> None:
    nothing(sorted(read("zh").keys() ^ read("en").keys()))


def test_both_languages_name_the_same_facts() -> None:
    zh, en = read("zh"), read("en")
    nothing([key for key in zh.keys() & en.keys() if set(FACT.findall(zh[key])) != set(FACT.findall(en[key]))])


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_no_text_is_empty(locale: str) -> None:
    nothing([key for key, value in read(locale).items() if not value.strip()])
