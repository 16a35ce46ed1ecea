"""Where somebody is, read at best from an address that was typed as free text or picked from a map."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.signup.decisions.place_names import (
    CODES,
    COUNTRY,
    SHORT,
    TERRITORIES,
    TERRITORY_WORDS,
    WORDS,
    sizes_by_last_word,
    state_of_zip,
)
from services.signup.decisions.places_abroad import COUNTRY_CODES, is_known_abroad
from services.signup.decisions.places_numbers import is_five, is_number_before_town, strange_number
from services.signup.decisions.places_said import may_say_where_not, says_where_not

LONGEST = 1000
"""Characters of an address that are read; a longer text is none."""
_MOST_WORDS = 6
_FOLDED = str.maketrans(dict.fromkeys(",;|/()[]\n\r\u2022\u00b7", "\n") | {":": " "} | dict.fromkeys(".'\u2019`", ""))
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_BESIDE = frozenset({("REMOTE",), ("HYBRID",), ("ONSITE",), ("ON", "SITE"), ("HOME",), ("WORK",)})
"""What is no part of an address and stands after it."""
_NO_CITY_BEFORE = frozenset(
    {"AND", "BAJA", "BUT", "DE", "DEL", "EL", "FORT", "FROM", "GULF", "LA", "LAKE", "MOUNT", "NEAR", "NEW", "NOT", "OF", "OLD", "PORT", "SIERRA"}
)  # fmt: skip
"""Before the name of a state these make another place of it: Lake Michigan, Port Washington, University of Colorado."""
_ELSEWHERE_TOO = frozenset({"WA", "GA"})
"""Washington is a city, and Georgia a country: the word alone says nothing."""
_NEVER_BARE = frozenset({"CT", "LA"})
"""A court in a street's name, and Los Angeles: without a comma or a ZIP code nobody can tell."""
_OTHER_WORDS = frozenset(
    {
        "AL", "AR", "AS", "CA", "CO", "DE", "FM", "GU", "HI", "ID", "IN", "MA", "MD", "ME", "MH", "MI", "MP", "MS", "MT", "ND",
        "NE", "OH", "OK", "OR", "PA", "PW", "SC", "SD", "UM", "VA", "VI",
    }
)  # fmt: skip
"""What is a word, a title or another abbreviation when the case of the letters does not tell: Acme Co, John Smith MD."""
_OR = " or "
_ENDS_OF_PARTS = re.compile(r"[,;|/()\[\]\n\r\u2022\u00b7]| - | or ")

Place = tuple[str | None, str | None]
"""A state's code and a ZIP code of five digits."""
NOWHERE: Place = (None, None)


_KINDS = (TERRITORY_WORDS, WORDS, SHORT, CODES)
_STATE_SIZES = sizes_by_last_word(name for kind in _KINDS for name in kind)
_COUNTRY_SIZES = sizes_by_last_word(COUNTRY)


@dataclass(frozen=True, slots=True)
class _Found:
    """A state at the end of an address."""

    code: str
    size: int
    kind: Mapping[tuple[str, ...], str]


def state_and_zip(addresses: Iterable[str]) -> Place:
    """State and ZIP code of the first address that is clearly one of the United States; a territory has a code too.

    What is unclear gives nothing: a country that has a state's name or code, two places, digits that are no ZIP code of
    the state, wherever they stand. Five of them are of a house only with a street, and a ZIP code or the country behind.
    From the first part on that says where somebody is not, or would be, nothing is read: `Remote, except CO`.
    """
    return next((place for place in map(_read, addresses) if place != NOWHERE), NOWHERE)


def state_code(text: str) -> str | None:
    """The code of a state or territory that a field for nothing else holds: `CO`, `co`, `Colorado`, `Colo.`, `US-CO`."""
    key = _folded([word for part in _lines(text) for word in part]) if len(text) <= LONGEST else ()
    found = _named(key)
    return _named(key[1:]) if found is None and key[:1] in COUNTRY else found


def _named(key: tuple[str, ...]) -> str | None:
    return CODES.get(key) or WORDS.get(key) or TERRITORY_WORDS.get(key) or SHORT.get(key)


def settled(state: str | None, postal_code: str | None) -> Place:
    """What a state and a ZIP code say together: one gives the other, and two that differ say nothing.

    One of them in a territory is enough to be there: who may live in another day than the states is not taken for one
    who lives in them.
    """
    there = state_of_zip(postal_code) if postal_code else None
    if there is None:
        return state, None
    if state is None or state == there:
        return there, postal_code
    outside = next((code for code in (there, state) if code in TERRITORIES), None)
    return (outside, None) if outside else NOWHERE


def is_outside_the_states(state: str | None, postal_code: str | None) -> bool:
    """Whether the place is in a territory: the network serves the 50 states and the District of Columbia."""
    return settled(state, postal_code[:5] if postal_code else None)[0] in TERRITORIES


def _read(address: str) -> Place:
    if len(address) > LONGEST:
        return NOWHERE
    lines = _lines(address)
    if may_say_where_not(word.upper() for line in lines for word in line):
        address = _until_it_says_where_not(address)
        lines = _lines(address)
    whole = _one(address, lines)
    pieces = [piece for part in address.replace("|", ";").replace("/", ";").split(";") for piece in part.split(_OR)]
    if len(pieces) == 1:
        return whole
    places = {place for place in (_one(piece, _lines(piece)) for piece in pieces) if place[0] is not None}
    states = {state for state, _ in places} | ({whole[0]} if whole[0] else set())
    if len(states) > 1:
        return NOWHERE
    if whole != NOWHERE or len(places) != 1:
        return whole
    state, postal_code = next(iter(places))
    return (state, postal_code) if state in TERRITORIES or not strange_number(state, _lines(address)) else NOWHERE


def _until_it_says_where_not(address: str) -> str:
    begins = 0
    ends = [found.span() for found in _ENDS_OF_PARTS.finditer(address.translate(_DASHES))]
    for end, next_begins in [*ends, (len(address), len(address))]:
        if says_where_not(_folded([word for line in _lines(address[begins:end]) for word in line])):
            return address[:begins]
        begins = next_begins
    return address


def _lines(text: str) -> list[list[str]]:
    """The words of each part that a comma, a line or a bracket ends, white space and points folded."""
    if not text.isascii():
        text = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
        text = text.translate(_DASHES)
    plain = text.replace(" - ", "\n").translate(_FOLDED)
    parts = (part.replace("-", " ").split() for part in plain.split("\n"))
    return [part for part in parts if part]


def _folded(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.upper() for word in words)


def _one(address: str, parts: list[list[str]]) -> Place:
    while len(parts) > 1 and _folded(parts[-1]) in _BESIDE:
        parts.pop()
    says_country = _take_country(parts)
    postal_code, is_odd = _take_zip(parts)
    if is_odd:
        return NOWHERE
    found = _state_at_end(parts)
    if found is None:
        return _without_a_state(parts, postal_code, says_country=says_country)
    written, before = parts[-1][-1], parts[-1][: len(parts[-1]) - found.size]
    parts = [*parts[:-1], before] if before else parts[:-1]
    place = settled(found.code, postal_code)
    if postal_code is not None and place[1] is None and place[0] not in TERRITORIES:
        return NOWHERE
    is_city = found.code == "LA" and not parts  # LA, USA
    confirmed = (says_country and not is_city) or (postal_code is not None and place[1] == postal_code)
    if found.code not in TERRITORIES and (strange := strange_number(found.code, parts, has_houses=confirmed)):
        outside = settled(found.code, strange)
        return outside if outside[0] in TERRITORIES else NOWHERE
    if not confirmed and (_has_accents(address, found) or not _is_clear(found, parts, before, written)):
        return NOWHERE
    return place if postal_code else _with_zip_before(found.code, parts)


def _take_country(parts: list[list[str]]) -> bool:
    if not parts:
        return False
    for size in _COUNTRY_SIZES.get(parts[-1][-1].upper(), ()):
        if _folded(parts[-1][-size:]) in COUNTRY and _folded(parts[-1]) not in TERRITORY_WORDS:
            del parts[-1][-size:]
            _drop_empty(parts)
            return True
    return False


def _take_zip(parts: list[list[str]]) -> tuple[str | None, bool]:
    """The ZIP code at the end, taken away; and whether there is a number that is none, as other countries have."""
    if not parts or not (last := parts[-1][-1]).isascii() or not any(map(str.isdigit, last)):
        return None, False
    words = parts[-1]
    if last.isdigit() and len(last) == 4 and len(words) > 1 and is_five(words[-2]):
        code, size = words[-2], 2
    elif is_five(last) or (last.isdigit() and len(last) == 9):
        code, size = last[:5], 1
    elif last.isdigit() and len(last) == 4 and (found := _state_at_end([words[:-1]] if words[:-1] else parts[:-1])):
        # A spreadsheet takes the nought before 02139.
        if state_of_zip("0" + last) != found.code:
            return None, True
        code, size = "0" + last, 1
    else:
        return None, True
    del words[-size:]
    while words and words[-1].upper() in ("ZIP", "CODE", "ZIPCODE"):
        words.pop()
    _drop_empty(parts)
    return code, False


def _drop_empty(parts: list[list[str]]) -> None:
    while parts and not parts[-1]:
        parts.pop()


def _state_at_end(parts: Sequence[Sequence[str]]) -> _Found | None:
    if not parts:
        return None
    words = _folded(parts[-1])
    for size in (size for size in _STATE_SIZES.get(words[-1], ()) if size <= len(words)):
        for kind in _KINDS:
            if (code := kind.get(words[-size:])) is not None:
                return None if words[-size - 1 : -size] == ("BRITISH",) else _Found(code, size, kind)
    return None


def _is_clear(found: _Found, parts: Sequence[Sequence[str]], before: Sequence[str], written: str) -> bool:
    """Whether a state stands there, though neither a ZIP code nor the country confirms it."""
    if found.kind is TERRITORY_WORDS:
        return True
    if _is_abroad(found, parts):
        return False
    is_own_name = found.kind is WORDS and found.code not in _ELSEWHERE_TOO
    if not parts:
        is_own_code = found.kind is CODES and written.isupper() and found.code not in _OTHER_WORDS - TERRITORIES
        return is_own_name or found.code == "DC" or (is_own_code and found.code not in _NEVER_BARE)
    if not before:
        return True
    if found.kind is CODES:
        stands_out = written.isupper() and any(not word.isupper() for word in before)
        return found.code not in _NEVER_BARE and (stands_out or found.code not in _OTHER_WORDS)
    is_city_before = any(word.isalpha() and len(word) > 2 for word in before)
    return is_own_name and is_city_before and before[-1].upper() not in _NO_CITY_BEFORE


def _has_accents(address: str, found: _Found) -> bool:
    """Whether a letter is none of English, where the code after it is a country's, too: `C\u00f3rdoba, AR`."""
    if address.isascii():
        return False
    letters = unicodedata.normalize("NFKD", address)
    strange = any(unicodedata.combining(mark) or (mark.isalpha() and not mark.isascii()) for mark in letters)
    return strange and found.kind is CODES and found.code in COUNTRY_CODES


def _is_abroad(found: _Found, parts: Sequence[Sequence[str]]) -> bool:
    names = [" ".join(_folded(part)) for part in parts]
    if parts and is_number_before_town(found.code, parts):
        return True
    is_named = found.kind is WORDS and found.code not in _ELSEWHERE_TOO
    if not is_named and is_known_abroad(found.code, [_folded(part) for part in parts]):
        return True
    is_third = len(parts) > 1 and found.kind is CODES
    return is_third and len(names[-1]) == 2 and parts[-1][0].isupper() and names[-1] != found.code


def _with_zip_before(state: str, parts: Sequence[Sequence[str]]) -> Place:
    """`Denver 80202, CO`: a number before the state is its ZIP code only if it is one there."""
    last = parts[-1][-1] if parts else ""
    is_zip = is_five(last) and (len(parts[-1]) > 1 or len(parts) > 1) and state_of_zip(last) == state
    return state, last if is_zip else None


def _without_a_state(parts: Sequence[Sequence[str]], postal_code: str | None, *, says_country: bool) -> Place:
    if postal_code is not None:
        there = state_of_zip(postal_code)
        fits = not strange_number(there, parts, has_houses=True)
        clear = not parts or (says_country and fits) or there in TERRITORIES
        return (there, postal_code) if there and clear else NOWHERE
    return _after_the_country(parts) if parts else NOWHERE


def _after_the_country(parts: Sequence[Sequence[str]]) -> Place:
    """`US-CO-Denver`, `USA, Colorado, Denver`: as some systems list places."""
    words = [word for part in parts for word in part]
    for size in range(4, 0, -1):
        if _folded(words[:size]) in COUNTRY:
            rest = words[size:]
            for length in range(min(_MOST_WORDS, len(rest)), 0, -1):
                key = _folded(rest[:length])
                if code := WORDS.get(key) or TERRITORY_WORDS.get(key) or CODES.get(key):
                    return (code, None) if code in TERRITORIES or not strange_number(code, parts) else NOWHERE
            return NOWHERE
    return NOWHERE
