"""How long somebody worked, from the dates that resumes have: `2019`, `2019-03`, `March 2019`, `marzo de 2019`, `Present`, or nothing."""

import re
from collections.abc import Iterable
from datetime import date

from services.signup.decisions.resume_parts import Notes, Part, quoted
from shared.i18n import gettext

Path = tuple[str | int, ...]
Months = tuple[int, int]
"""From a month, up to and without another, as months since the year 0."""

_NOW = frozenset({
    "present", "current", "currently", "now", "today", "ongoing", "to date", "till date", "until now", "to present", "still here",
    "present position", "current position", "present day", "presente", "el presente", "al presente", "actual", "actualmente",
    "actualidad", "la actualidad", "en la actualidad", "la fecha", "a la fecha", "hoy", "hoy en día", "vigente", "en curso",
    "puesto actual", "trabajo actual", "atual", "heute", "aktuell", "aujourd'hui",
})  # fmt: skip
_NAMES = (
    ("january", "enero"), ("february", "febrero"), ("march", "marzo"), ("april", "abril"), ("may", "mayo"), ("june", "junio"),
    ("july", "julio"), ("august", "agosto"), ("september", "sept", "septiembre", "setiembre"), ("october", "octubre"),
    ("november", "noviembre"), ("december", "diciembre"),
)  # fmt: skip
"""Of months in English and Spanish; each also cut to three letters or more."""
_MONTHS = {name[:size]: month for month, names in enumerate(_NAMES, 1) for name in names for size in range(3, len(name) + 1)}  # fmt: skip
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_SINCE = re.compile(r"^(?:desde|since|from)(?: el)? ", re.IGNORECASE)
_UNTIL = re.compile(r"^(?:hasta|until|till|to) ")
_BEGINS_WITH_YEAR = re.compile(r"([0-9]{4})(?:[-/.]([0-9]{1,2}))?(?:[-/.][0-9]{1,2})?(?:[t ].*)?")
_MONTH_FIRST = re.compile(r"(?:[0-9]{1,2}[-/.])?([0-9]{1,2})[-/.]([0-9]{4})")
_WITH_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_NAMED = re.compile(
    r"(?:[0-9]{1,2}\.? (?:de )?)?([a-z]{3,10})\.?,?(?: [0-9]{1,2}(?:st|nd|rd|th)?,?)?(?: del? | ?[-/] ?| )([0-9]{4})"
)
_BETWEEN = re.compile(
    r" (?:-|to|until|till|al?|hasta) | ?[\u2013\u2014] ?|(?<=^[0-9]{4}) ?- ?(?=[0-9]{4}$)", re.IGNORECASE
)
"""In a text whose words are apart by one space each."""
_START = ("startDate", "start", "from", "dateFrom", "fechaInicio", "fechaDeInicio", "inicio", "desde")
_END = ("endDate", "end", "to", "dateTo", "fechaFin", "fechaDeFin", "fin", "hasta")
_LONGEST = 60
_EARLIEST = 1940


def worked(entries: Iterable[Part], notes: Notes, *, today: date) -> tuple[int | None, dict[Path, int]]:
    """Whole years of work, each month once however many jobs it had; None where no entry says when.

    And the last month of each entry that says so, by which they can be put in order. An end that is left out is today, as
    JSON Resume has it; a year alone counts from its January.
    """
    now = today.year * 12 + today.month
    spans: list[Months] = []
    ends: dict[Path, int] = {}
    for entry in entries:
        if (span := _span(entry, notes, now)) is not None:
            spans.append(span)
            ends[entry.path] = span[1]
    return (_total(spans) // 12 if spans else None), ends


def _span(entry: Part, notes: Notes, now: int) -> Months | None:
    start, end = entry.at(*_START), entry.at(*_END)
    begins = None if start is None else _said(start, notes, now, is_end=False)
    ends: int | None = None if end is None else _said(end, notes, now, is_end=True)
    if start is None and end is None:
        return _of_range(entry, notes, now)
    if start is None or begins is None or (end is not None and ends is None):
        if start is None and end is not None:
            notes.add(
                end.pointer, gettext("Only the end of this job is said, so it does not count as years of experience.")
            )
        return None
    is_going_on = end is None or _is_true(entry.at("current", "isCurrent", "currentlyWorking"))
    return _checked(start, begins, now if is_going_on or ends is None else ends, notes, now)


def _of_range(entry: Part, notes: Notes, now: int) -> Months | None:
    """`March 2019 - Present`, as some builders write it in one field."""
    both = entry.at("date", "dates", "period", "duration", "years")
    if both is None or (text := both.words(notes)) is None:
        return None
    parts = _BETWEEN.split(_SINCE.sub("", " ".join(text[:_LONGEST].split())))
    begins, ends = (_month(part, now) for part in parts) if len(parts) == 2 else (None, None)
    if begins is None or ends is None:
        sentence = gettext(
            "%(text)s is no time that we can read, so this job does not count as experience.", text=quoted(text)
        )
        notes.add(both.pointer, sentence)
        return None
    return _checked(both, begins[0], ends[1], notes, now)


def _checked(where: Part, begins: int, ends: int, notes: Notes, now: int) -> Months | None:
    if begins >= now:
        notes.add(where.pointer, gettext("This job begins in the future, so it does not count as experience."))
        return None
    if begins > ends:
        notes.add(where.pointer, gettext("This job ends before it begins, so it does not count as experience."))
        return None
    return begins, min(ends, now)


def _said(part: Part, notes: Notes, now: int, *, is_end: bool) -> int | None:
    """The month; of an end the one after it, where a month is said at all."""
    text = part.words(notes)
    if text is None:
        return None
    found = _month(text, now)
    if found is None:
        sentence = gettext(
            "%(text)s is no date that we can read, so this job does not count as experience.", text=quoted(text)
        )
        notes.add(part.pointer, sentence)
        return None
    return found[1] if is_end else found[0]


def _month(text: str, now: int) -> Months | None:
    """The month that is meant, and the one after it; a year alone is its January both times, for nobody knows."""
    plain = " ".join(text[:_LONGEST].translate(_DASHES).split()).casefold().strip(" .()")
    plain = _UNTIL.sub("", _SINCE.sub("", plain)) if plain not in _NOW else plain
    if plain in _NOW:
        return now - 1, now
    if found := _BEGINS_WITH_YEAR.fullmatch(plain):
        return _made(found[1], found[2])
    if found := _WITH_DAY.fullmatch(
        plain
    ):  # the month first, as here, unless that is none: then as in most of the world
        return _made(found[3], found[1] if int(found[1]) <= 12 else found[2])
    if found := _MONTH_FIRST.fullmatch(plain):
        return _made(found[2], found[1])
    if (found := _NAMED.fullmatch(plain)) and (month := _MONTHS.get(found[1])):
        return _made(found[2], str(month))
    return None


def _made(year: str, month: str | None) -> Months | None:
    if int(year) < _EARLIEST or (month is not None and not 1 <= int(month) <= 12):
        return None
    first = int(year) * 12 + (int(month) - 1 if month else 0)
    return first, first + (1 if month else 0)


def _is_true(part: Part | None) -> bool:
    return part is not None and part.value is True


def _total(spans: Iterable[Months]) -> int:
    """Months that at least one of the spans has."""
    total, until = 0, 0
    for begins, ends in sorted(spans):
        total += max(ends - max(begins, until), 0)
        until = max(until, ends)
    return total
