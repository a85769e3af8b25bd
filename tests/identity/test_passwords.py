"""New passwords: length, the obvious ones, the number's own digits; and nothing else is forbidden."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.identity.passwords import check_new_password, is_obvious, obvious_words
from daozhang.reasons.refusal import Refusal

PHONE = "13800138000"


def reason(password: str) -> str | None:
    try:
        check_new_password(password, PHONE)
    except Refusal as refusal:
        return refusal.reason
    return None


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("", "account.password_too_short"),
        ("1234567", "account.password_too_short"),
        ("x" * 129, "account.password_too_long"),
        ("my13800138000", "account.password_has_phone"),
        ("00138000!", "account.password_has_phone"),
        *(
            (word, "account.password_obvious")
            for word in ("password", "Password1", "P@ssw0rd!", "p4ssw0rd2024", "woaini1314", "WOAINI520")
        ),
        *(
            (word, "account.password_obvious")
            for word in ("12345678", "87654321", "123456789a", "abcdefgh", "qwertyuiop", "1qaz2wsx")
        ),
        *(
            (word, "account.password_obvious")
            for word in ("88888888", "abababab", "abcabcabc", "19900101", "20010203", "daozhang2026")
        ),
        *(
            (word, "account.password_obvious")
            for word in ("a12345678", "qq123456", "5201314520", "11223344", "asdfghjkl", "admin888")
        ),
        ("tea at four by the river", None),
        ("三更灯火五更鸡啊", None),
        ("xK3#vm!9qLw2", None),
        ("        spaces too", None),
        ("🎋🎋🐼🐼🎐🎐🍵🍵!", None),
        ("x7" * 2 + "k2mPqr9z" + "y" * 100, None),
    ],
)
def test_az_11_what_a_new_password_must_be(password: str, expected: str | None) -> None:
    assert reason(password) == expected


def test_the_list_is_lower_case_and_without_doubles() -> None:
    words = obvious_words()
    assert len(words) > 150
    assert all(word == word.casefold().strip() for word in words)


@given(st.text(min_size=8, max_size=128))
def test_any_text_is_judged(password: str) -> None:
    assert reason(password) in {None, "account.password_obvious", "account.password_has_phone"}


def test_in_10_judging_takes_no_longer_for_hostile_texts() -> None:
    began = time.process_time()
    for text in ("a" * 128, "ab" * 64, "0123456789" * 12, "!@#$%^&*" * 16):
        is_obvious(text)
    assert time.process_time() - began < 0.5
