"""Where somebody is, read at best from an address that was typed as free text."""

import re
from collections.abc import Iterable

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
    "AS": "American Samoa", "GU": "Guam", "MP": "Northern Mariana Islands", "PR": "Puerto Rico",
    "VI": "U.S. Virgin Islands",
}  # fmt: skip
"""USPS codes: the 50 states, the District and five territories."""

_PLACE = re.compile(r"\b([A-Z]{2})\.?,?\s+(\d{5})(?:-\d{4})?\b")
_STATE_AT_END = re.compile(r",\s*([A-Z]{2})\.?\s*(?:,?\s*(?:USA?|United States))?\s*$")


def state_and_zip(addresses: Iterable[str]) -> tuple[str | None, str | None]:
    """State and ZIP code of the first address that ends like one of the United States (`Denver, CO 80202`)."""
    for address in addresses:
        for found in reversed(list(_PLACE.finditer(address))):
            if found[1] in STATES:
                return found[1], found[2]
        at_end = _STATE_AT_END.search(address)
        if at_end and at_end[1] in STATES:
            return at_end[1], None
    return None, None
