"""Style and script: one file each, named by their content, kept for ever only under that name."""

import re
from importlib import resources

from daozhang.web import assets
from daozhang.web.assets import FOR_A_MOMENT, FOR_EVER


def test_a_name_carries_the_hash_of_its_content() -> None:
    loaded = assets.load()
    url = loaded.url("daozhang.css")
    found = loaded.find(url.removeprefix("/static/"))
    assert found is not None
    assert found[1] == FOR_EVER
    older = loaded.find("daozhang.000000000000.css")
    assert older is not None
    assert older[1] == FOR_A_MOMENT


def test_a_path_that_is_no_file_of_ours_is_nothing() -> None:
    for path in (
        "",
        "daozhang.css",
        "../pages.py",
        "x.000000000000.css",
        "daozhang.000000000000.css/..",
        "a" * 500,
        "\0",
        "德.000000000000.css",
    ):
        assert assets.load().find(path) is None, path


def test_the_style_is_layered_and_made_of_tokens() -> None:
    """A colour outside the tokens is a colour that dark mode forgets."""
    found = assets.load().find(assets.load().url("daozhang.css").removeprefix("/static/"))
    assert found is not None
    text = found[0].body.decode()
    assert text.startswith("@layer reset, tokens, base, parts, pages, print;")
    assert "http" not in text
    folder = resources.files("daozhang.web").joinpath("static", "css")
    for part in (*folder.joinpath("parts").iterdir(), *folder.joinpath("pages").iterdir(), folder.joinpath("base.css")):
        assert "#" not in part.read_text("utf-8").replace("#a-other", ""), part.name


def test_each_behaviour_is_small_and_keeps_to_itself() -> None:
    for file in resources.files("daozhang.web").joinpath("static", "js").iterdir():
        text = file.read_text("utf-8")
        assert len(text.splitlines()) <= 60, file.name
        assert '(function () {\n  "use strict";' in text, file.name
        assert "innerHTML" not in text, file.name
        assert "eval(" not in text, file.name


def test_a_class_is_dressed_by_one_file() -> None:
    """Two files that dress the same class dress each other's pages: the checks of `/why` once stood in columns one letter wide."""
    found: dict[str, set[str]] = {}
    for folder in ("parts", "pages"):
        for file in resources.files("daozhang.web").joinpath("static", "css", folder).iterdir():
            text = re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.DOTALL)
            for selectors in re.findall(r"([^{}]+)\{", text):
                for selector in selectors.split(","):
                    alone = re.fullmatch(r"\.([\w-]+)", selector.strip())
                    if alone:
                        found.setdefault(alone[1], set()).add(f"{folder}/{file.name}")
    assert {name: files for name, files in found.items() if len(files) > 1} == {}
