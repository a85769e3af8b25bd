"""Foreign JSON has one meaning or none."""

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.channels.strict import Unclear, _read_slowly, read_object, text_of, whole_of

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))), VALUES, max_size=5), st.booleans()
)
def test_every_clear_object_is_read_as_it_is(value: dict[str, object], escaped: bool) -> None:  # noqa: FBT001
    assert read_object(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary(max_size=300))
def test_any_bytes_are_an_object_or_unclear(body: bytes) -> None:
    with contextlib.suppress(Unclear):
        assert type(read_object(body)) is dict


@pytest.mark.parametrize("value", [1.0, 1e3, "1", True, False, None, -1, [1], {}, 10**13, float("1e20")])
def test_a_whole_number_is_written_as_one(value: object) -> None:
    with pytest.raises(Unclear):
        whole_of({"total": value}, "total")


@pytest.mark.parametrize(("text", "whole"), [("1", 1), ("0", 0), ("1000000000000", 10**12)])
def test_whole_numbers(text: str, whole: int) -> None:
    assert whole_of(read_object(f'{{"total":{text}}}'.encode()), "total") == whole


@pytest.mark.parametrize("text", ["01", "1.0", "1e3", "+1", "1_0", "１", "0x1", ".5"])
def test_numbers_written_otherwise(text: str) -> None:
    with pytest.raises(Unclear):
        whole_of(read_object(f'{{"total":{text}}}'.encode()), "total")


def test_texts_have_a_length() -> None:
    assert text_of({"a": "x" * 32}, "a", 32) == "x" * 32
    assert text_of({}, "a", 32, optional=True) == ""
    for value in ("", "x" * 33, None, 5, ["x"]):
        with pytest.raises(Unclear):
            text_of({"a": value}, "a", 32)
    with pytest.raises(Unclear):
        text_of({"a": 5}, "a", 32, optional=True)


def test_cb_24_hostile_bodies_cost_little() -> None:
    started = time.process_time()
    for body in (
        b"[" * 65_536,
        b'{"a":' * 13_000,
        b'"' * 65_536,
        b"9" * 65_536,
        b'{"' + b"\\u0061" * 10_000 + b'":1}',
        b" " * 65_536,
    ):
        with contextlib.suppress(Unclear):
            read_object(body)
    with pytest.raises(Unclear):
        read_object(b" " * 65_537)
    assert time.process_time() - started < 1.0


JSON_PARTS = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        '"a"',
        '"b"',
        '"支"',
        '"\\u0061"',
        "1",
        "1.0",
        "1e3",
        "-0",
        "01",
        "NaN",
        "true",
        "null",
        " ",
        '"\\ud800"',
        "9" * 30,
    ]
)


@given(
    st.lists(JSON_PARTS, max_size=14).map("".join)
    | st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=4).map(
        lambda pairs: "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"
    )
)
def test_the_quick_reader_takes_nothing_that_the_slow_one_refuses(text: str) -> None:
    def result(read) -> object:
        try:
            return repr(read(text.encode()))
        except Unclear:
            return None

    assert result(read_object) == result(_read_slowly)
