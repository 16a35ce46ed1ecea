"""Job titles that people really write, with their SOC 2018 code."""

import csv
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).parent / "titles.csv"
_LEVEL = re.compile(r"^(?:senior|sr|junior|jr|lead|staff|entry level)\s+(?=\w)")
_TAIL = re.compile(r"\s+(?:i{1,3}|iv|[1-4])$")


@cache
def titles() -> Mapping[str, str]:
    """The table: titles as they are shown, to codes."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {row["title"]: row["soc"] for row in csv.DictReader(file)}


def occupation_of(title: str) -> str | None:
    """The title's code, whatever its case, level or place; None when it is not in the table: no guess is made."""
    for attempt in _readings(title):
        if attempt in _folded():
            return _folded()[attempt]
    return None


@cache
def _folded() -> Mapping[str, str]:
    return {_fold(title): code for title, code in titles().items()}


def _readings(title: str) -> list[str]:
    whole = _fold(title)
    before = _fold(re.split(r"[,(|@/–—]| - | at ", title, maxsplit=1)[0])
    plain = [_TAIL.sub("", _LEVEL.sub("", text)) for text in (whole, before)]
    return [whole, before, *plain]


def _fold(text: str) -> str:
    return " ".join(re.sub(r"[^\w+#&]+", " ", text.lower()).split())
