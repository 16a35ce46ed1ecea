"""Reads the classification of occupations."""

import csv
from pathlib import Path
from typing import get_args

from services.pool_matching.model import Level, Occupation, Occupations
from shared.contracts.codes import OCCUPATIONS

_LEVELS: tuple[Level, ...] = get_args(Level)


def load(file: Path = OCCUPATIONS) -> Occupations:
    """The 2018 SOC.

    Who lies in whom is read from the order of the file, in which each group stands before what it takes in. Digits do
    not tell: 15-1200 is a minor group, and the broad group 29-1210 takes in 29-1221.
    """
    found: dict[str, Occupation] = {}
    above: list[str] = []
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            depth = next(depth for depth, level in enumerate(_LEVELS) if level == row["level"])
            above = [*above[:depth], row["code"]]
            found[row["code"]] = Occupation(row["code"], _LEVELS[depth], row["title"], frozenset(above))
    return Occupations(found)
