"""Inlines the styles of a page for a browser that comes from elsewhere and has no stylesheet of ours yet.

A linked stylesheet costs a slow phone one more round trip before anything is painted. So the first page carries the rules that it
needs in a `<style>` that is allowed by its hash (CSP level 3, `style-src`), and links the whole sheet only at its end, for the
pages after it. Those link the sheet as usual: the browser has it.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from jinja2 import Environment, meta

from daozhang.web import assets
from daozhang.web.guard import POLICY

_WORD = re.compile(r"[a-zA-Z][\w-]*", re.ASCII)
_WORN = re.compile(r'class="((?:\{\{.*?\}\}|\{%.*?%\}|[^"])*)"|\{% block (?:body_class|layout) %\}(.*?)\{% endblock %\}', re.DOTALL)
_DRESSES = re.compile(r"\.([a-zA-Z][\w-]*)", re.ASCII)
_RULES = re.compile(r"\{[^{}]*\}")
_FRAME, _BY_PAGE = "base.html", "pages/"


class Dress(NamedTuple):
    """A style inside a page: its text, and the policy that lets this text and no other in."""

    text: str
    policy: str


def comes_from_elsewhere(site: str | None) -> bool:
    """Whether a browser tells (`Sec-Fetch-Site`) that it comes from no page of ours; one that tells nothing asks for the sheet."""
    return site in ("none", "cross-site", "same-site")


@cache
def dress(environment: Environment, template: str) -> Dress | None:
    """What this page wears: what every page wears, and the pieces made for pages that dress a word of its templates.

    None for a page that does not stand in the frame of the shop's pages.
    """
    made_of = _made_of(environment, template)
    return _woven(_pieces(made_of)) if _FRAME in made_of else None


def _pieces(made_of: Mapping[str, str]) -> tuple[str, ...]:
    words = {word for source in made_of.values() for found in _WORN.findall(source) for word in _WORD.findall(" ".join(found))}
    return tuple(name for name in assets.load().sheets if not name.startswith(_BY_PAGE) or _classes()[name] & words)


@cache
def _woven(pieces: tuple[str, ...]) -> Dress:
    text = "\n".join(assets.load().sheets[name] for name in pieces)
    digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Dress(text, POLICY.replace("style-src 'self'", f"style-src 'self' 'sha256-{digest}'"))


@cache
def _classes() -> dict[str, frozenset[str]]:
    """The classes that each piece dresses and that no piece for all pages does."""
    found = {name: frozenset(_DRESSES.findall(_RULES.sub(" ", text))) for name, text in assets.load().sheets.items()}
    everywhere = frozenset[str]().union(*(classes for name, classes in found.items() if not name.startswith(_BY_PAGE)))
    return {name: classes - everywhere for name, classes in found.items()}


def _made_of(environment: Environment, template: str) -> dict[str, str]:
    """The sources of a template and of all that it extends, imports and includes, by name."""
    assert environment.loader is not None
    sources, open_ = dict[str, str](), [template]
    while open_:
        name = open_.pop()
        if name not in sources:
            sources[name] = environment.loader.get_source(environment, name)[0]
            open_ += [each for each in meta.find_referenced_templates(environment.parse(sources[name])) if each]
    return sources
