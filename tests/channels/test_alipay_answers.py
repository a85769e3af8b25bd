"""The outer object of an answer of Alipay's gateway is taken apart into exactly the bytes that were signed, or refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.channels.kinds.alipay.signing import members
from daozhang.channels.strict import Unclear


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    )
)
def test_the_scanner_finds_exactly_the_bytes_of_the_inner_object(value: Any) -> None:
    raw = json.dumps({"code": "10000", "x": value}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for body in (b'{"a_response":%s,"sign":"eA=="}' % raw, b'\n{ "sign" : "eA==" , "a_response" :%s }\n' % raw):
        found = members(body)
        assert found["a_response"] == raw
        assert found["sign"] == b'"eA=="'


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2,"sign":"x"}',
        b'{"a":{"code":"1"},"a":{"code":"2"}}',
        b'{"a":{"code":"1"},"\\u0061":{"code":"2"}}',
        b'{"a":1}{"b":2}',
        b'{"a":1,}',
        b"{}",
        b"[1]",
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b"{" + b",".join(b'"%d":1' % n for n in range(9)) + b"}",
    ],
)
def test_ca_the_quick_reading_of_an_answer_refuses_what_the_slow_one_refuses(body: bytes) -> None:
    if b"\\u" in body:
        # An escaped name is another name to the scanner: the second is not what a caller asks for, and never the first.
        assert members(body)["a"] == b'{"code":"1"}'
    else:
        with pytest.raises(Unclear):
            members(body)


@given(st.binary(max_size=80))
def test_the_scanner_never_does_more_than_refuse(junk: bytes) -> None:
    for body in (junk, b'{"a":' + junk, b'{"a":{' + junk + b"}}"):
        try:
            found = members(body)
        except Unclear:
            continue
        assert all(raw in body for raw in found.values())
