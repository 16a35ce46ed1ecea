"""What a JSON Resume that somebody else's program wrote says of a person's work, as far as it is clear."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from services.signup.decisions.coarsening import MOST_SKILLS, YEARS
from services.signup.decisions.keeping import OccupationsOf
from services.signup.decisions.place_names import COUNTRY, TERRITORIES, state_of_zip
from services.signup.decisions.places import NOWHERE, Place, settled, state_and_zip, state_code
from services.signup.decisions.resume_dates import worked
from services.signup.decisions.resume_parts import Notes, Part, first_of, listed, quoted
from services.signup.decisions.skills import folded, known_skills
from shared.i18n import gettext, marked

MOST_OCCUPATIONS = 3
"""That the form takes over from a list of jobs: the newest ones."""
_POSITION = ("position", "title", "jobTitle", "role")
_ZIP = re.compile(r"[0-9]{5}(?:-[0-9]{4})?")
_OUTSIDE = marked(
    "Fairpool takes people of the 50 states and the District of Columbia, so this place was not filled in."
)


def work_of(
    root: Part, basics: Part | None, occupations_of: OccupationsOf, notes: Notes, *, today: date
) -> dict[str, Any]:
    """Occupations from titles, or the first title in its own words; and years of experience."""
    entries = [one for one in _listed(root, "work", "experience", notes) if _is_object(one, notes)]
    years, ends = worked(entries, notes, today=today)
    newest = sorted(entries, key=lambda entry: -ends.get(entry.path, 0)) if ends else entries
    label = basics.at("label", "headline", "title") if basics else None
    titled = [part for part in (*(entry.at(*_POSITION) for entry in newest), label) if part is not None]
    found = _occupations(titled, occupations_of, notes)
    return found | ({} if years is None else {"years": max(step for step in YEARS if step <= years)})


def _occupations(titled: Sequence[Part], occupations_of: OccupationsOf, notes: Notes) -> dict[str, Any]:
    codes: dict[str, str] = {}
    unclear: list[tuple[Part, str, bool]] = []
    for part in titled:
        if (title := part.text(notes)) is None:
            continue
        match list(occupations_of(title)):
            case [code]:
                codes.setdefault(code, title)
            case several:
                unclear.append((part, title, bool(several)))
    if left := list(codes.values())[MOST_OCCUPATIONS:]:
        notes.add(
            "#/work",
            gettext(
                "Filled in are your %(most)s newest kinds of work, without %(left)s.",
                most=MOST_OCCUPATIONS,
                left=listed(left),
            ),
        )
    work = None
    for part, title, is_known in unclear:
        if work is None and not codes and len(title) <= 100:
            work = title  # as they would type it: their page asks what is meant
        elif title == work:
            continue
        elif is_known:
            notes.add(
                part.pointer,
                gettext("%(title)s may mean several occupations, so none was filled in for it.", title=quoted(title)),
            )
        else:
            notes.add(part.pointer, gettext("%(title)s is no job title that we know.", title=quoted(title)))
    found: dict[str, Any] = {"occupations": list(codes)[:MOST_OCCUPATIONS]} if codes else {}
    return found | ({"work": work} if work else {})


def skills_of(root: Part, notes: Notes) -> list[str]:
    """Those that are on the list of skills, of names and keywords alike."""
    said: list[str] = []
    headings: set[str] = set()
    for entry in _listed(root, "skills", "skills", notes):
        words = entry.at("keywords", "skills", "items")
        name = entry.at("name", "skill", "title") if isinstance(entry.value, dict) else entry
        parts = [*([name] if name else []), *(words.entries(notes) if words else [])]
        for part in parts:
            found = _words(part.text(notes) or "")
            said += found
            headings.update(found if words and part is name else ())
    known = [word for word in dict.fromkeys(map(folded, said)) if word in known_skills()]
    if unknown := [word for word in said if folded(word) not in known_skills() and word not in headings]:
        notes.add("#/skills", gettext("Not on our list of skills: %(skills)s.", skills=listed(unknown)))
    if len(known) > MOST_SKILLS:
        notes.add("#/skills", gettext("Filled in are the first %(most)s skills.", most=MOST_SKILLS))
    return known[:MOST_SKILLS]


def _words(text: str) -> list[str]:
    """The skill, or several in one text: what is on the list as a whole is not taken apart."""
    if folded(text) in known_skills():
        return [text]
    return [word.strip() for word in re.split(r"[,;|\u2022]", text) if word.strip()]


def place_of(basics: Part, notes: Notes) -> dict[str, Any]:
    """State and ZIP code."""
    location = first_of((basics.at("location", "address"), basics))
    if location is None:
        return {}
    if isinstance(location.value, str):
        text = location.text(notes)
        return _place(location, state_and_zip([text]) if text else NOWHERE, notes)
    if isinstance(location.value, list):
        location = next(iter(location.entries(notes)), location)
    if not isinstance(location.value, dict):
        notes.add(location.pointer, gettext("This is no place that we can read."))
        return {}
    country = location.at("countryCode", "country")
    named = country.text(notes) if country is not None else None
    if country is not None and named is not None and not _is_us(named):
        notes.add(country.pointer, gettext(_OUTSIDE))
        return {}
    return _in_the_us(location, notes, is_said=named is not None)


def _in_the_us(location: Part, notes: Notes, *, is_said: bool) -> dict[str, Any]:
    region, zipped = location.at("region", "state", "province"), location.at("postalCode", "zip", "zipCode", "postcode")
    city, address = location.at("city", "locality", "town"), location.at("address", "street")
    named = region.text(notes) if region is not None else None
    state = state_code(named) if named else None
    code = _zip(zipped, state, notes, is_said=is_said or state is not None)
    if region is not None and named and state is None:
        notes.add(
            region.pointer, gettext("%(name)s is no state of the United States that we know.", name=quoted(named))
        )
    if state is None and code is None:
        if zipped is not None or (region is not None and named):
            return {}
        texts = [text for part in (address, city) if part is not None and (text := part.text(notes))]
        return _place(location, state_and_zip(texts), notes) if texts else {}
    settled_place = settled(state, code)
    if settled_place == NOWHERE or (code is not None and settled_place[1] is None and state is not None):
        notes.add(location.pointer, gettext("The ZIP code is not in the state, so neither was filled in."))
        return {}
    return _place(location, settled_place, notes)


def _zip(part: Part | None, state: str | None, notes: Notes, *, is_said: bool) -> str | None:
    """Five digits; a ZIP code that a spreadsheet took the noughts from gets them back where the state agrees."""
    if part is None or (text := part.words(notes)) is None:
        return None
    if text.isascii() and text.isdigit() and len(text) in (3, 4) and state and state_of_zip(text.zfill(5)) == state:
        return text.zfill(5)
    if is_said and _ZIP.fullmatch(text) and state_of_zip(text[:5]) is not None:
        return text[:5]
    notes.add(part.pointer, gettext("This is no ZIP code of the United States that we can be sure of."))
    return None


def _place(location: Part, place: Place, notes: Notes) -> dict[str, Any]:
    state, code = place
    if state in TERRITORIES:
        notes.add(location.pointer, gettext(_OUTSIDE))
        return {}
    if state is None:
        notes.add(location.pointer, gettext("This is no place in the United States that we can be sure of."))
        return {}
    return {"state": state} | ({"postal_code": code} if code else {})


def _is_us(country: str) -> bool:
    return tuple(country.upper().replace(".", " ").split()) in COUNTRY


def _listed(root: Part, name: str, section: str, notes: Notes) -> list[Part]:
    """A list of a JSON Resume, or the section that one popular builder has in its place."""
    part = root.at(name)
    if part is None and (sections := root.at("sections")) and (found := sections.at(section)):
        part = found.at("items")
    return part.entries(notes) if part is not None else []


def _is_object(part: Part, notes: Notes) -> bool:
    if isinstance(part.value, dict):
        return True
    notes.add(part.pointer, gettext("This is no job that we can read."))
    return False
