"""The codes of the second factor are those of the standard, and open around their moment only."""

import base64

import pytest

from daozhang.identity import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("moment_s", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_published_vectors(moment_s: int, code: str) -> None:
    """RFC 6238, appendix B, SHA-1, the last six of its eight digits."""
    assert totp.code_of(SECRET, totp.step_at(moment_s)) == code
    assert totp.taken_step(SECRET, code, moment_s) == totp.step_at(moment_s)


def test_a_code_holds_a_step_before_and_after_and_no_longer() -> None:
    now = 1_700_000_010.0
    code = totp.code_of(SECRET, totp.step_at(now))
    assert [totp.taken_step(SECRET, code, now + away) is not None for away in (-90, -30, 0, 30, 90)] == [
        False,
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "１２３４５６", "12345a", "-12345", "0x1234"])
def test_what_is_no_code_is_none(code: str) -> None:
    assert totp.taken_step(SECRET, code, 59) is None


def test_secrets_are_new_and_read_by_authenticators() -> None:
    made = {totp.new_secret() for _ in range(50)}
    assert len(made) == 50
    assert {len(base64.b32decode(each)) for each in made} == {20}
    assert totp.enrolment(SECRET, "到账", "lin").startswith("otpauth://totp/%E5%88%B0%E8%B4%A6:lin?secret=" + SECRET)
    with pytest.raises(ValueError, match="base 32"):
        totp.code_of("no secret!", 1)
