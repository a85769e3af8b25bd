"""Identity numbers of China, GB 11643-1999: region, date of birth, sequence, check digit (ISO 7064 mod 11-2)."""

import re
from datetime import date
from typing import NamedTuple

_SHAPE = re.compile(r"([1-9][0-9])[0-9]{4}((?:19|20)[0-9]{2})([0-9]{2})([0-9]{2})[0-9]{3}[0-9X]", re.ASCII)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
_PROVINCES = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
        "83",
    ]
)
"""First two digits of GB/T 2260; 83 stands in residence permits of Taiwan, 81 and 82 in those of Hong Kong and Macao."""
ADULT_YEARS = 18


class IdentityNumber(NamedTuple):
    """A number whose form and check digit hold. Whether it is anybody's only the register knows."""

    text: str
    born: date

    def adult_on(self) -> date:
        """The day on which its holder comes of age; somebody born on 29 February does on 1 March."""
        try:
            return self.born.replace(year=self.born.year + ADULT_YEARS)
        except ValueError:
            return date(self.born.year + ADULT_YEARS, 3, 1)


def read_identity_number(text: str, today: date) -> IdentityNumber | None:
    """Read 18 characters; None for anything else. Blanks around and a small x are forgiven, full-width digits are not."""
    plain = text.strip().upper()
    match = _SHAPE.fullmatch(plain)
    if match is None or match.group(1) not in _PROVINCES:
        return None
    try:
        born = date(int(match.group(2)), int(match.group(3)), int(match.group(4)))
    except ValueError:
        return None
    if not date(1900, 1, 1) <= born <= today:
        return None
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, plain[:17], strict=True))
    return IdentityNumber(plain, born) if _CHECK[total % 11] == plain[17] else None
