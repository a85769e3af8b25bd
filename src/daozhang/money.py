r"""Money is a whole number of fen (1 yuan = 100 fen). One strict parser reads every amount a person types.

`Decimal()`, `int()` and `\d` all accept full-width and Arabic digits, underscores, blanks or a trailing newline,
so foreign text never reaches them.
"""

import re
import unicodedata
from typing import NewType

Fen = NewType("Fen", int)

_YUAN = re.compile(r"([0-9]{1,8})(?:\.([0-9]{1,2}))?", re.ASCII)
_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_UNITS = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿")


class MalformedAmount(ValueError):
    """The text is not an amount of the form 12, 12.3 or 12.34 with ASCII digits."""


def parse_yuan(text: str) -> Fen:
    """Read yuan as written by a person: at most eight digits, a point and at most two digits. Never rounds."""
    match = _YUAN.fullmatch(text)
    if match is None:
        raise MalformedAmount(text[:32])
    whole, fraction = match.group(1), match.group(2) or ""
    return Fen(int(whole) * 100 + int(fraction.ljust(2, "0")))


_MEANT = str.maketrans({"，": ",", "。": ".", "．": ".", "￥": "¥"})
_AROUND = re.compile(r"(?:¥|rmb|cny)?\s*([0-9][0-9,]*(?:\.[0-9]*)?)\s*(?:元|块|圆|yuan|rmb|cny)?(?:整)?", re.ASCII | re.IGNORECASE)


def guess_yuan(text: str) -> Fen | None:
    """What a person may have meant by a text that is no amount: `５０`, `50元`, `¥ 1,000`. Only ever to be asked back.

    None when nothing can be guessed, or when the text is an amount as it stands.
    """
    if len(text) > 32 or _YUAN.fullmatch(text):
        return None
    match = _AROUND.fullmatch(unicodedata.normalize("NFKC", text.translate(_MEANT)).strip())
    if match is None:
        return None
    try:
        return parse_yuan(match.group(1).replace(",", "").rstrip("."))
    except MalformedAmount:
        return None


def yuan(amount_fen: int, *, grouped: bool = True) -> str:
    """Write fen as yuan with two decimals: 123456 -> `1,234.56`."""
    sign = "-" if amount_fen < 0 else ""
    whole, fraction = divmod(abs(amount_fen), 100)
    return f"{sign}{whole:,}.{fraction:02d}" if grouped else f"{sign}{whole}.{fraction:02d}"


def capitals(amount_fen: int) -> str:
    """Write an amount in the Chinese capitals of cheques: 5000 -> `伍拾元整`. Takes 0 to 999,999,999,999 fen."""
    assert 0 <= amount_fen < 10**12, amount_fen
    whole, fraction = divmod(amount_fen, 100)
    jiao, fen = divmod(fraction, 10)
    words = f"{_whole_capitals(whole)}元" if whole or not fraction else ""
    if not fraction:
        return words + "整"
    if jiao:
        words += f"{_DIGITS[jiao]}角"
    elif whole:
        words += "零"
    return words + (f"{_DIGITS[fen]}分" if fen else "整")


def _whole_capitals(whole: int) -> str:
    if whole == 0:
        return _DIGITS[0]
    words, gap, group = "", False, 0
    while whole:
        whole, four = divmod(whole, 10_000)
        if four:
            part = _four_capitals(four) + _GROUPS[group]
            words = part + ("零" if gap and words else "") + words
            gap = four < 1_000
        elif words:
            gap = True
        group += 1
    return words


def _four_capitals(four: int) -> str:
    words, gap = "", False
    for place in (3, 2, 1, 0):
        digit = four // 10**place % 10
        if digit:
            words += ("零" if gap and words else "") + _DIGITS[digit] + _UNITS[place]
            gap = False
        else:
            gap = True
    return words
