"""The digits in an address besides the ZIP code at its end: of a house, of another state, or of another country."""

import re
from collections.abc import Sequence

from services.signup.decisions.place_names import state_of_zip

_DIGITS = re.compile(r"\d+")
_STREET = frozenset(
    {
        "ALLEY", "AVE", "AVENUE", "BLVD", "BOULEVARD", "BROADWAY", "CIR", "CIRCLE", "COURT", "CT", "DR", "DRIVE", "HIGHWAY", "HWY",
        "LANE", "LN", "LOOP", "PARKWAY", "PIKE", "PKWY", "PL", "PLACE", "PLAZA", "RD", "ROAD", "ROUTE", "RT", "RTE", "SQ", "SQUARE",
        "ST", "STREET", "TER", "TERRACE", "TRAIL", "TRL", "TURNPIKE", "WAY", "APT", "APARTMENT", "BOX", "BLDG", "FLOOR", "LOT",
        "ROOM", "STE", "SUITE", "UNIT",
    }
)  # fmt: skip
"""With one of these in it, a part's number is of a house, a road or a box."""


def is_five(word: str) -> bool:
    """Whether a word has the form of a ZIP code."""
    return len(word) == 5 and word.isascii() and word.isdigit()


def strange_number(code: str | None, parts: Sequence[Sequence[str]], *, has_houses: bool = False) -> str | None:
    """The first five digits that are no ZIP code of the state; with `has_houses`, none of a house either.

    A house's number begins a part that stands before the town's, or is in a part with a street.
    """
    for place, part in enumerate(parts):
        is_before = place < len(parts) - 1 and (len(part) > 1 or place < len(parts) - 2)
        is_street = has_street(part)
        for at, word in enumerate(part):
            is_house = has_houses and ((is_before and at == 0) or is_street)
            for digits in _DIGITS.findall(word):
                if len(digits) == 5 and state_of_zip(digits) != code and not is_house:
                    return str(digits)
    return None


def is_number_before_town(code: str, parts: Sequence[Sequence[str]]) -> bool:
    """Whether digits stand where other countries write the postal code: `1001 Tirana`, `C1425 Buenos Aires`."""
    town = parts[-1]
    numbers = [at for at, word in enumerate(town) if any(map(str.isdigit, word)) and not _is_zip_of(code, word)]
    if numbers and not has_street(town) and any(word.isalpha() for word in town[numbers[0] + 1 :]):
        return True
    return len(parts) > 1 and all(word.isdigit() and not _is_zip_of(code, word) for word in parts[-2])


def _is_zip_of(code: str, word: str) -> bool:
    return is_five(word) and state_of_zip(word) == code


def has_street(part: Sequence[str]) -> bool:
    """Whether a part of an address has a street, a flat or a box in it."""
    return any(word.upper() in _STREET for word in part)
