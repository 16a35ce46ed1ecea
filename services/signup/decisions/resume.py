"""A person's profile as JSON Resume v1.0.0, and back: what they take along, and what fills in the form when they come with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol, get_args

from services.signup.decisions import resume_elsewhere
from services.signup.decisions.coarsening import MOST_SKILLS, PAY_STEP, YEARS
from services.signup.decisions.keeping import MOST_OCCUPATIONS, OccupationsOf
from services.signup.decisions.place_names import AREAS, TERRITORIES
from services.signup.decisions.places import state_code
from services.signup.decisions.resume_parts import Notes, Part, PassedOver, folded_key, listed, quoted, says_nothing
from services.signup.decisions.skills import folded, known_skills
from shared.contracts.codes import STATES, occupation_codes, occupation_titles
from shared.contracts.signup import CoarseProfile, EmploymentType
from shared.i18n import gettext, marked

SCHEMA = "https://raw.githubusercontent.com/jsonresume/resume-schema/v1.0.0/schema.json"
EXTENSION = "fairpool"
"""Of `meta`: the profile exactly, in our own fields, for another Fairpool; JSON Resume has no place for most of it."""
VERSION = 1
_KINDS = get_args(EmploymentType)
_MOST_PAY = 10_000_000
_MOST_UNUSED = 20
_WHOLE_NAME, _GIVEN_NAME, _FAMILY_NAME = (
    ("name", "fullName"),
    ("firstName", "givenName"),
    ("lastName", "familyName", "surname"),
)
_NAME = (*_WHOLE_NAME, *_GIVEN_NAME, *_FAMILY_NAME)
_MAIL = ("email", "emailAddress", "mail", "emails")
_BASICS = ("basicInfo", "personalInfo", "personalInformation", "personalDetails", "personal", "contact", "profile")
_READ = frozenset(
    map(folded_key, ("$schema", "basics", "meta", "sections", *resume_elsewhere.WORK, *resume_elsewhere.SKILLS))
)
_OF_BASICS = frozenset(map(folded_key, (*_NAME, *_MAIL, *resume_elsewhere.LABEL, *resume_elsewhere.PLACE)))
"""What is read beside each other where a file has no object for it."""


class Who(Protocol):
    """Whose resume it is."""

    @property
    def mail(self) -> str: ...
    @property
    def given_name(self) -> str | None: ...
    @property
    def family_name(self) -> str | None: ...
    @property
    def phones(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What the join form can be filled with, and what was passed over. Nothing of it was checked against anybody's word."""

    fields: Mapping[str, Any]
    """By the names of the join form, as JSON has them: `postal_code` may be three digits, `available_from` is `2027-01-01`."""
    passed_over: Sequence[PassedOver] = ()
    is_ours: bool = False
    """Whether the profile is from a Fairpool's own part of the file."""


def written(profile: CoarseProfile | None, who: Who | None = None, *, time_zone: str | None = None) -> dict[str, Any]:
    """The resume: who they are, the profile in the words of JSON Resume as far as that has some, and exactly in `meta.fairpool`."""
    kept = profile or CoarseProfile()
    exact = {name: value for name, value in kept.model_dump(mode="json").items() if _says_something(value)}
    if time_zone:
        exact["time_zone"] = time_zone
    return {
        "$schema": SCHEMA,
        "basics": _basics(kept, who),
        **({"skills": [{"name": skill} for skill in kept.skills]} if kept.skills else {}),
        "meta": {"version": "v1.0.0", EXTENSION: {"version": VERSION, **exact}},
    }


def _basics(profile: CoarseProfile, who: Who | None) -> dict[str, Any]:
    label = next((occupation_titles().get(code, code) for code in profile.occupations), None)
    name = " ".join(part for part in (who.given_name, who.family_name) if part) if who else None
    found = {
        "name": name,
        "label": label,
        "email": who.mail if who else None,
        "phone": ", ".join(who.phones) if who else None,
        "location": {"region": profile.state, "countryCode": "US"} if profile.state else None,
    }
    return {key: value for key, value in found.items() if value}


def read(given: Mapping[str, Any], *, occupations_of: OccupationsOf, today: date) -> Reading:
    """What a JSON Resume says, ours or anybody's: what is clear, in the steps of the form, and a sentence for the rest.

    A profile that a Fairpool wrote counts as it is there; else titles, skills, places and dates are read as far as they are known.
    """
    notes = Notes()
    root = _unwrapped(Part(given))
    basics = root.at("basics")
    if basics is not None and not isinstance(basics.value, dict):
        notes.add(basics.pointer, gettext("This must be an object with name, email and so on."))
        basics = None
    elif basics is None:
        basics = _flat(root)
    found = _who(basics, notes) if basics is not None else {}
    meta = root.at("meta")
    own = meta.at(EXTENSION) if meta is not None else None
    is_ours = own is not None and isinstance(own.value, dict)
    if own is not None and is_ours:
        found |= _exactly(own, notes)
    else:
        if own is not None:
            notes.add(own.pointer, gettext("This is no profile that a Fairpool wrote."))
        found |= resume_elsewhere.work_of(root, basics, occupations_of, notes, today=today)
        found |= {"skills": skills} if (skills := resume_elsewhere.skills_of(root, notes)) else {}
        found |= resume_elsewhere.place_of(basics, notes) if basics is not None else {}
    _note_unused(root, basics, notes, is_ours=is_ours)
    return Reading(found, notes.all(), is_ours)


def _unwrapped(root: Part) -> Part:
    """Some programs put the resume into an object of its own."""
    if root.at("basics", "work", "skills", "meta") is None:
        inner = root.at("resume", "data", "jsonResume")
        if inner is not None and isinstance(inner.value, dict):
            return inner
    return root


def _flat(root: Part) -> Part | None:
    """Who it is, in a file that calls `basics` something else, or has name and email beside the work."""
    if root.at(*_NAME) is not None:
        return root
    for name in _BASICS:
        if (part := root.at(name)) is not None and isinstance(part.value, dict):
            return part
    return root if root.at(*_MAIL) is not None else None


def _who(basics: Part, notes: Notes) -> dict[str, Any]:
    whole = basics.at(*_WHOLE_NAME)
    parts = [whole] if whole is not None else [basics.at(*_GIVEN_NAME), basics.at(*_FAMILY_NAME)]
    name = " ".join(text for part in parts if part is not None and (text := part.text(notes)))
    email = basics.at(*_MAIL)
    if email is not None and not isinstance(email.value, str):
        entry = next(iter(email.entries(notes)), email)
        email = entry.at("value", "email", "address") or entry
    mail = email.text(notes) if email is not None else None
    return ({"name": name} if name else {}) | ({"email": mail} if mail else {})


def _exactly(own: Part, notes: Notes) -> dict[str, Any]:
    version = own.at("version")
    if version is not None and version.value != VERSION:
        notes.add(version.pointer, gettext("Another version of Fairpool wrote this; what we know of it was read."))
    found: dict[str, Any] = {}
    for name, (take, sentence) in _FIELDS.items():
        part = own.at(name)
        if part is None:
            continue
        value = take(part, notes)
        if value is None:
            notes.add(part.pointer, gettext(sentence))
        elif _says_something(value):
            found["postal_code" if name == "area" else name] = value
    return found


def _says_something(value: object) -> bool:
    """None and no are what a profile is without them; 0 years are said."""
    return value is not None and value is not False and value != []


def _not_listed(value: object) -> str:
    if isinstance(value, str):
        return gettext("%(word)s is not on our list.", word=quoted(value))
    return gettext("This is not on our list.")


def _list_of(known: Callable[[str], str | None], most: int) -> "Take":
    def take(part: Part, notes: Notes) -> list[str] | None:
        if not isinstance(part.value, list):
            return None
        found = [(one, known(one.value) if isinstance(one.value, str) else None) for one in part.entries(notes)]
        for one, value in found:
            if value is None:
                notes.add(one.pointer, _not_listed(one.value))
        return list(dict.fromkeys(value for _, value in found if value is not None))[:most]

    return take


def _whole(most: int) -> Callable[[Part], int | None]:
    def take(part: Part) -> int | None:
        value = part.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return value if is_number and 0 <= value <= most else None

    return take


def _years(part: Part, _: Notes) -> int | None:
    years = _whole(80)(part)
    return None if years is None else max(step for step in YEARS if step <= years)


def _pay(part: Part, _: Notes) -> int | None:
    pay = _whole(_MOST_PAY)(part)
    return None if pay is None else pay // PAY_STEP * PAY_STEP


def _state(part: Part, notes: Notes) -> str | None:
    code = state_code(part.value) if isinstance(part.value, str) else None
    return code if code in STATES else None


def _area(part: Part, notes: Notes) -> str | None:
    text = part.words(notes)
    digits = text[:3] if text and text.isascii() and text.isdigit() and len(text) in (3, 5) else None
    return digits if digits and AREAS.get(digits, "PR") not in TERRITORIES else None


def _month(part: Part, notes: Notes) -> str | None:
    try:
        return date.fromisoformat(part.value).replace(day=1).isoformat() if isinstance(part.value, str) else None
    except ValueError:
        return None


def _yes(part: Part, _: Notes) -> bool | None:
    return part.value if isinstance(part.value, bool) else None


def _zone(part: Part, notes: Notes) -> str | None:
    return part.text(notes)


Take = Callable[[Part, Notes], Any]
_FIELDS: Mapping[str, tuple[Take, str]] = {
    "occupations": (
        _list_of(lambda code: code if code in occupation_codes() else None, MOST_OCCUPATIONS),
        marked("This must be a list of codes of the 2018 SOC."),
    ),
    "skills": (
        _list_of(lambda word: folded(word) if folded(word) in known_skills() else None, MOST_SKILLS),
        marked("This must be a list of skills."),
    ),
    "years": (_years, marked("This must be a number of years, from 0 to 80.")),
    "state": (_state, marked("This must be one of the 50 states or the District of Columbia.")),
    "area": (
        _area,
        marked("This must be the first three digits of a ZIP code of the 50 states or the District of Columbia."),
    ),
    "remote": (_yes, marked("This must be true or false.")),
    "employment_types": (
        _list_of(lambda kind: kind if kind in _KINDS else None, len(_KINDS)),
        marked("This must be a list of kinds of employment."),
    ),
    "pay_floor": (_pay, marked("This must be a number of US dollars a year.")),
    "available_from": (_month, marked("This must be a day such as 2027-01-01.")),
    "time_zone": (_zone, marked("This must be a time zone such as America/Denver.")),
}


def _note_unused(root: Part, basics: Part | None, notes: Notes, *, is_ours: bool) -> None:
    """What no form of ours asks for, or what stands under a name that nobody here knows, in one sentence."""
    is_flat = basics is not None and basics.path == root.path
    read = _READ | (_OF_BASICS if is_flat else {folded_key(basics.path[-1])} if basics is not None else frozenset())
    keys = _keys(root, read)
    if is_ours:
        keys += [key for key in resume_elsewhere.WORK if root.at(key) is not None]
    if basics is not None and not is_flat:
        keys += [key for key in ("phone", "summary", "image", "picture", "url", "profiles") if basics.at(key)]
    if keys:
        names = listed(keys, _MOST_UNUSED)
        notes.add("#", gettext("Not read, since the form does not ask for it or we don’t know the name: %(names)s.", names=names))  # fmt: skip


def _keys(part: Part, without: frozenset[str]) -> list[str]:
    if not isinstance(part.value, Mapping):
        return []
    names = list(part.value)[: 10 * _MOST_UNUSED]
    return [str(name) for name in names if folded_key(name) not in without and not says_nothing(part.value[name])]
