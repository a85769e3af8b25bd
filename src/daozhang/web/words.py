"""Amounts in English words, as on a cheque. The Chinese capitals are `money.capitals`."""

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GROUPS = ((1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"))


def english(amount_fen: int) -> str:
    """5000 -> `Fifty yuan`, 1234 -> `Twelve yuan and thirty-four fen`. Takes 0 to 999,999,999,999 fen; 1 yuan is 100 fen."""
    assert 0 <= amount_fen < 10**12, amount_fen
    whole, fen = divmod(amount_fen, 100)
    if not fen:
        said = f"{_number(whole)} yuan"
    elif not whole:
        said = f"{_number(fen)} fen"
    else:
        said = f"{_number(whole)} yuan and {_number(fen)} fen"
    return said[0].upper() + said[1:]


def _number(number: int) -> str:
    for size, name in _GROUPS:
        if number >= size:
            many, rest = divmod(number, size)
            return f"{_number(many)} {name}" + (f"{' and' if rest < 100 else ''} {_number(rest)}" if rest else "")
    if number >= 100:
        many, rest = divmod(number, 100)
        return f"{_ONES[many]} hundred" + (f" and {_number(rest)}" if rest else "")
    if number >= 20:
        many, rest = divmod(number, 10)
        return _TENS[many] + (f"-{_ONES[rest]}" if rest else "")
    return _ONES[number]
