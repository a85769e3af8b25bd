"""Our quick hand at forms writes and reads what the standard library does."""

from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.outbound import forms

PAIRS = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=8)
FORMS = st.text(alphabet="aZ09%+ =&~*_中\ud83d/", max_size=60)


@given(PAIRS)
def test_writing_is_that_of_the_library(pairs: list[tuple[str, str]]) -> None:
    pairs = [(name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode()) for name, value in pairs]
    assert forms.encode(pairs) == urlencode(pairs)
    assert forms.encode(pairs, "*") == urlencode(pairs, safe="*")
    assert all(forms.quoted(value) == quote_plus(value) for _, value in pairs)


@given(FORMS)
def test_reading_is_that_of_the_library(encoded: str) -> None:
    try:
        expected = parse_qsl(encoded, keep_blank_values=True, strict_parsing=True, max_num_fields=6)
    except ValueError:
        with pytest.raises(ValueError, match=r"fields|without"):
            forms.split(encoded, 6)
        return
    if encoded:
        assert [(forms.unquoted(name), forms.unquoted(value)) for name, value in forms.split(encoded, 6)] == expected
