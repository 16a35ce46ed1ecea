"""What a JSON Resume that somebody else's program wrote says of a person's work, as far as it is clear."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from services.signup.decisions.coarsening import MOST_SKILLS, YEARS
from services.signup.decisions.keeping import OccupationsOf
from services.signup.decisions.place_names import COUNTRY, TERRITORIES, state_of_zip
from services.signup.decisions.places import NOWHERE, Place, settled, state_and_zip, state_code
from services.signup.decisions.places_abroad import COUNTRY_CODES
from services.signup.decisions.resume_dates import worked
from services.signup.decisions.resume_parts import Notes, Part, first_of, listed, quoted
from services.signup.decisions.skills import folded, known_skills
from shared.i18n import gettext, marked

MOST_OCCUPATIONS = 3
"""That the form takes over from a list of jobs: the newest ones."""
WORK = (
    "work", "experience", "experiences", "workExperience", "workExperiences", "professionalExperience", "workHistory", "employment",
    "employmentHistory", "jobs", "positions", "experiencia", "experienciaLaboral", "experienciaProfesional",
)  # fmt: skip
SKILLS = (
    "skills", "technicalSkills", "professionalSkills", "softSkills", "hardSkills", "coreSkills", "skillset", "skillList",
    "technologies", "programmingLanguages", "habilidades", "aptitudes", "competencias",
)  # fmt: skip
"""The names of lists, of which each that is there is read. `Work Experience` and `work_experience` are `workExperience`."""
LABEL = ("label", "headline", "title")
_REGION, _ZIP_CODE = ("region", "state", "province"), ("postalCode", "zip", "zipCode", "postcode")
_CITY, _STREET, _COUNTRY = ("city", "locality", "town"), ("address", "street"), ("countryCode", "country")
PLACE = ("location", *_REGION, *_ZIP_CODE, *_CITY, *_STREET, *_COUNTRY)
_POSITION = (
    "position",
    "title",
    "jobTitle",
    "role",
    "positionTitle",
    "jobRole",
    "designation",
    "occupation",
    "puesto",
    "cargo",
)
_KEYWORDS, _SKILL = ("keywords", "skills", "items", "list"), ("name", "skill", "title", "skillName")
_DEEPEST = 5
"""Lists in lists of skills."""
_ZIP = re.compile(r"[0-9]{5}(?:-[0-9]{4})?")
_WITH_STATE = re.compile(r"([^0-9]{2,24})([0-9]{5}(?:-[0-9]{4})?)")
"""`CO 80202`, as the sample has it that comes with the schema."""
_BESIDE = re.compile(r"([^()]+)\(([^()]+)\)")
_CUTS = re.compile(r"\([^()]*\)|[,;|\u2022]| / ")
_OUTSIDE = marked(
    "Fairpool takes people of the 50 states and the District of Columbia, so this place was not filled in."
)


def work_of(
    root: Part, basics: Part | None, occupations_of: OccupationsOf, notes: Notes, *, today: date
) -> dict[str, Any]:
    """Occupations from titles, or the first title in its own words; and years of experience."""
    entries = [one for one in _listed(root, WORK, "experience", notes) if _is_object(one, notes)]
    years, ends = worked(entries, notes, today=today)
    newest = sorted(entries, key=lambda entry: -ends.get(entry.path, 0)) if ends else entries
    for entry in entries:
        if entry.at(*_POSITION) is None:
            notes.add(entry.pointer, gettext("This job has no title that we can find."))
    label = basics.at(*LABEL) if basics else None
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
        sentence = gettext(
            "Filled in are your %(most)s newest kinds of work, without %(others)s.",
            most=MOST_OCCUPATIONS,
            others=listed(left),
        )
        notes.add("#/work", sentence)
    work = None
    for part, title, is_known in unclear:
        if work is None and not codes and len(title) <= 100:
            work = title  # as they would type it: their page asks what is meant
        elif title == work:
            continue
        elif is_known:
            sentence = marked("%(title)s may mean several occupations, so none was filled in for it.")
            notes.add(part.pointer, gettext(sentence, title=quoted(title)))
        else:
            notes.add(part.pointer, gettext("%(title)s is no job title that we know.", title=quoted(title)))
    found: dict[str, Any] = {"occupations": list(codes)[:MOST_OCCUPATIONS]} if codes else {}
    return found | ({"work": work} if work else {})


def skills_of(root: Part, notes: Notes) -> list[str]:
    """Those that are on the list of skills, of names and keywords alike."""
    said: list[str] = []
    for entry in _listed(root, SKILLS, "skills", notes):
        said += _skills_in(entry, notes, _DEEPEST)
    known = [word for word in dict.fromkeys(map(folded, said)) if word in known_skills()]
    if unknown := [word for word in said if folded(word) not in known_skills()]:
        notes.add("#/skills", gettext("Not on our list of skills: %(words)s.", words=listed(unknown)))
    if len(known) > MOST_SKILLS:
        notes.add("#/skills", gettext("Filled in are the first %(most)s skills.", most=MOST_SKILLS))
    return known[:MOST_SKILLS]


def _skills_in(entry: Part, notes: Notes, depth: int) -> list[str]:
    """The words of an entry: a text, `{"name": …, "keywords": […]}`, or lists by headings: `{"languages": ["Python"]}`.

    A heading counts where it is a skill, and is nobody's word where it is none.
    """
    if not isinstance(entry.value, dict | list):
        return _words(entry.text(notes) or "")
    if depth == 0:
        notes.add(entry.pointer, gettext("These are no skills that we can read."))
        return []
    if isinstance(entry.value, list):
        return [word for part in entry.entries(notes) for word in _skills_in(part, notes, depth - 1)]
    name, words = entry.at(*_SKILL), entry.at(*_KEYWORDS)
    if words is not None:
        heading = _words(name.text(notes) or "") if name else []
        return [*_known(heading), *_skills_in(words, notes, depth - 1)]
    if name is not None:
        return _words(name.text(notes) or "")
    found: list[str] = []
    for part in entry.values(notes):
        heading = _known([str(part.path[-1])])
        is_level = isinstance(part.value, int | float) and bool(heading)
        found += heading if is_level else [*heading, *_skills_in(part, notes, depth - 1)]
    return found


def _known(words: Iterable[str]) -> list[str]:
    return [word for word in words if folded(word) in known_skills()]


def _words(text: str) -> list[str]:
    """The skill, or several in one text: what is on the list as a whole is not taken apart, and nothing is within brackets."""
    if folded(text) in known_skills():
        return [text]
    begins, parts = 0, []
    for cut in _CUTS.finditer(text):
        if not cut[0].startswith("("):
            parts.append(text[begins : cut.start()])
            begins = cut.end()
    return [word for part in (*parts, text[begins:]) if part.strip() for word in _one_or_its_names(part.strip())]


def _one_or_its_names(word: str) -> list[str]:
    """`Python (Programming Language)` and `Basic Life Support (BLS)` are skills by what is before the bracket, or in it;
    `Python/SQL` by both, where both are some.
    """
    if folded(word) in known_skills():
        return [word]
    if (two := _BESIDE.fullmatch(word)) and (known := _known([two[1], *re.split(r"[,;/]", two[2])])):
        return [one.strip() for one in known]
    several = word.split("/")
    return [one.strip() for one in several] if len(_known(several)) == len(several) else [word]


def place_of(basics: Part, notes: Notes) -> dict[str, Any]:
    """State and ZIP code."""
    beside = basics if basics.at(*_REGION, *_ZIP_CODE, *_CITY) is not None else None
    location = first_of((basics.at("location"), beside, basics.at("address"), basics))
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
    country = location.at(*_COUNTRY)
    named = country.text(notes) if country is not None else None
    if country is not None and named is not None and not _is_us(named):
        notes.add(country.pointer, gettext(_OUTSIDE))
        return {}
    return _in_the_us(location, notes, is_said=named is not None)


def _in_the_us(location: Part, notes: Notes, *, is_said: bool) -> dict[str, Any]:
    region, zipped = location.at(*_REGION), location.at(*_ZIP_CODE)
    city, address = location.at(*_CITY), location.at(*_STREET)
    named = region.text(notes) if region is not None else None
    state = _state(named) if named else None
    code = _zip(zipped, state, notes, is_said=is_said or state is not None)
    if region is not None and named and state is None:
        sentence = gettext("%(name)s is no state of the United States that we know.", name=quoted(named))
        notes.add(region.pointer, sentence)
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


def _state(named: str) -> str | None:
    """Of what a field for a state says: `CO`, `Colorado`, `Colorado (CO)`, `Denver, CO`, `Florida, United States`."""
    if (code := state_code(named)) is None and (two := _BESIDE.fullmatch(named)):
        one, other = map(state_code, two.groups())
        if one and other:
            return one if one == other else None
    return code or state_and_zip([named])[0]


def _zip(part: Part | None, state: str | None, notes: Notes, *, is_said: bool) -> str | None:
    """Five digits, the state or the country before them or not; a ZIP code that a spreadsheet took the noughts from gets
    them back where the state agrees.
    """
    if part is None or (text := part.words(notes)) is None:
        return None
    if (two := _WITH_STATE.fullmatch(text)) and (before := two[1].strip(" ,-")):
        there = state_of_zip(two[2][:5])
        if _is_us(before) or (there is not None and state_code(before) == there):
            text, is_said = two[2], is_said or folded(before).upper() not in COUNTRY_CODES
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


def _listed(root: Part, names: Sequence[str], section: str, notes: Notes) -> list[Part]:
    """The lists of a resume under these names, or the section that one popular builder has in their place."""
    found = [part for part in (root.at(name) for name in names) if part is not None]
    if not found and (sections := root.at("sections")) and (there := sections.at(section)):
        found = [part for part in (there.at("items"),) if part is not None]
    return [entry for part in found for entry in part.entries(notes)]


def _is_object(part: Part, notes: Notes) -> bool:
    if isinstance(part.value, dict):
        return True
    notes.add(part.pointer, gettext("This is no job that we can read."))
    return False
