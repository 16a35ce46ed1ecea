"""Where somebody is, read at best from an address that was typed as free text."""

import re
from collections.abc import Iterable

from shared.contracts.codes import STATES

_TERRITORIES = frozenset({"AS", "GU", "MP", "PR", "VI"})
_THEIR_ZIP = re.compile(r"00[6-9]|969|96799")
_CODES = _TERRITORIES.union(STATES)
_PLACE = re.compile(r"\b([A-Z]{2})\.?,?\s+([0-9]{5})(?:-[0-9]{4})?\b")
_STATE_AT_END = re.compile(r",\s*([A-Z]{2})\.?\s*(?:,?\s*(?:USA?|United States))?\s*$")


def state_and_zip(addresses: Iterable[str]) -> tuple[str | None, str | None]:
    """State and ZIP code of the first address that ends like one of the United States (`Denver, CO 80202`)."""
    for address in addresses:
        for found in reversed(list(_PLACE.finditer(address))):
            if found[1] in _CODES:
                return found[1], found[2]
        at_end = _STATE_AT_END.search(address)
        if at_end and at_end[1] in _CODES:
            return at_end[1], None
    return None, None


def is_outside_the_states(state: str | None, postal_code: str | None) -> bool:
    """Whether the place is in a territory: the network serves the 50 states and the District of Columbia."""
    return state in _TERRITORIES or (postal_code is not None and _THEIR_ZIP.match(postal_code) is not None)
