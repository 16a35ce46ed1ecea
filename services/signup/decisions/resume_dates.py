"""How long somebody worked, from the dates that resumes have: `2019`, `2019-03`, `March 2019`, `Present`, or nothing."""

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
    "presente", "actual", "actualidad", "hoy", "atual", "heute", "aktuell", "aujourd'hui",
})  # fmt: skip
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BEGINS_WITH_YEAR = re.compile(r"([0-9]{4})(?:[-/.]([0-9]{1,2}))?(?:[-/.][0-9]{1,2})?(?:[t ].*)?")
_MONTH_FIRST = re.compile(r"(?:[0-9]{1,2}[-/.])?([0-9]{1,2})[-/.]([0-9]{4})")
_US_DAY = re.compile(r"([0-9]{1,2})/[0-9]{1,2}/([0-9]{4})")
_NAMED = re.compile(r"(?:[0-9]{1,2}\.? )?([a-z]{3,9})\.?,?(?: [0-9]{1,2}(?:st|nd|rd|th)?,?)? ([0-9]{4})")
_BETWEEN = re.compile(r" (?:-|to|until|till) | ?[\u2013\u2014] ?|(?<=^[0-9]{4}) ?- ?(?=[0-9]{4}$)")
"""In a text whose words are apart by one space each."""
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
    start, end = entry.at("startDate", "start", "from", "dateFrom"), entry.at("endDate", "end", "to", "dateTo")
    begins = None if start is None else _said(start, notes, now)
    ends: int | None = None if end is None else _said(end, notes, now)
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
    parts = _BETWEEN.split(" ".join(text[:_LONGEST].split()))
    if len(parts) != 2:
        return None
    begins, ends = (_month(part, now) for part in parts)
    if begins is None or ends is None:
        notes.add(
            both.pointer,
            gettext(
                "%(text)s is no time that we can read, so this job does not count as experience.", text=quoted(text)
            ),
        )
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


def _said(part: Part, notes: Notes, now: int) -> int | None:
    """The month; of an end the one after it, where a month is said at all."""
    text = part.words(notes)
    if text is None:
        return None
    found = _month(text, now)
    if found is None:
        notes.add(
            part.pointer,
            gettext(
                "%(text)s is no date that we can read, so this job does not count as experience.", text=quoted(text)
            ),
        )
        return None
    is_end = str(part.path[-1]).casefold().startswith(("end", "to", "dateto"))
    return found[1] if is_end else found[0]


def _month(text: str, now: int) -> Months | None:
    """The month that is meant, and the one after it; a year alone is its January both times, for nobody knows."""
    plain = " ".join(text[:_LONGEST].split()).casefold().strip(" .()")
    if plain in _NOW:
        return now - 1, now
    if found := _BEGINS_WITH_YEAR.fullmatch(plain):
        return _made(found[1], found[2])
    if found := _US_DAY.fullmatch(plain) or _MONTH_FIRST.fullmatch(plain):
        return _made(found[2], found[1])
    if (found := _NAMED.fullmatch(plain)) and found[1][:3] in _NAMES:
        return _made(found[2], str(_NAMES.index(found[1][:3]) + 1))
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
