"""The codes that events speak in: states, and occupations."""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia", "FL": "Florida", "GA": "Georgia",
    "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky",
    "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire",
    "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont",
    "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
}  # fmt: skip
"""USPS codes: the 50 states and the District.

Not the territories: whoever tells no zone is written to when it is day in all of the 50 states, and in Guam it is night.
"""

OCCUPATIONS = Path(__file__).with_name("occupations.csv")
"""The 2018 SOC; where it comes from is told in occupations.md."""


@cache
def occupation_codes() -> frozenset[str]:
    """Every code of the 2018 SOC, of any level, written in full."""
    return frozenset(occupation_titles())


@cache
def occupation_titles() -> Mapping[str, str]:
    """What the 2018 SOC calls each of its codes, of any level."""
    with OCCUPATIONS.open(encoding="utf-8", newline="") as lines:
        return MappingProxyType({row["code"]: row["title"] for row in csv.DictReader(lines)})
