"""Job titles that people really write, with their SOC 2018 codes."""

from collections.abc import Iterable

from services.signup.adapters.titles.reading import Codes, several
from services.signup.adapters.titles.table import shipped, usual

__all__ = ["Codes", "occupation_of", "occupations_of", "suggestions", "titles"]


def titles() -> Iterable[str]:
    """The titles of the table as they are shown, in the order of the alphabet."""
    return shipped().keys()


def suggestions() -> Iterable[str]:
    """What the join page lists: the most usual titles of each occupation. All would be half a megabyte."""
    return usual()


def occupations_of(title: str) -> Codes:
    """The title's codes, whatever its spelling, level, shift, place or team; none when it is not in the table.

    More than one where people mean several things by it (`Driver`), or where it says two (`Server/Bartender`): the
    person chooses. No guess is made: what is cut off a title must be known to say nothing of the trade.
    """
    return several(title, {})


def occupation_of(title: str) -> str | None:
    """The title's code, if it has exactly one."""
    codes = occupations_of(title)
    return codes[0] if len(codes) == 1 else None
