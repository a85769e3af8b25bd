"""Chinese mobile numbers, and nothing that merely looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.identity import mask_phone, read_phone
from daozhang.reasons.refusal import Refusal


@pytest.mark.parametrize("text", ["13800138000", " 138 0013 8000 ", "138-0013-8000", "+8613800138000", "+86 138 0013 8000"])
def test_a_number_is_read_as_people_write_it(text: str) -> None:
    assert read_phone(text) == "13800138000"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, "account.phone_malformed") for text in ("", "1380013800", "138001380000", "12800138000", "23800138000")),
        *((text, "account.phone_malformed") for text in ("13800138000\n", "13800138000\0", "1380013800a", "+1 13800138000")),
        *(
            (text, "account.phone_malformed")
            for text in ("'; drop table users; --", "8613800138000", "1" * 5_000, "13800138000" + " " * 99)
        ),
        *((text, "account.phone_fullwidth") for text in ("１３８００１３８０００", "138001380０0", "١٣٨٠٠١٣٨٠٠٠")),
    ],
)
def test_am_01_anything_else_is_refused_with_its_reason(text: str, expected: str) -> None:
    with pytest.raises(Refusal, match=expected):
        read_phone(text)


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    try:
        number = read_phone(text)
    except Refusal as refusal:
        number = refusal.reason
    assert number in {"account.phone_malformed", "account.phone_fullwidth"} or (number.isascii() and len(number) == 11)


def test_pages_show_the_ends_only() -> None:
    assert mask_phone("13800138000") == "138****8000"
