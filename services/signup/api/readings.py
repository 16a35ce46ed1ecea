"""How an event was read: told to its vendor, by the event alone, so that it says nothing of whom the network knows."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from services.signup.api.cloudevents import CloudEventIn, is_mailable, phone_of
from services.signup.decisions.place_names import state_of_zip
from services.signup.decisions.places import settled
from services.signup.decisions.skills import folded, skills_among
from services.signup.model.people import Person, RawProfile, Told
from shared.web.types import is_empty

MOST_PASSED_OVER = 20
OccupationsOf = Callable[[str], Sequence[str]]
"""The codes of the 2018 SOC that a job title stands for; none where it is unknown."""


class PassedOver(BaseModel):
    """Something that was sent and is not used, and why."""

    pointer: str
    detail: str


class TitleRead(BaseModel):
    """A job title, by its place, and what it stands for."""

    pointer: str
    occupations: list[str] = Field(description="Codes of the 2018 SOC; none: the title is not known here.")


class EventRead(BaseModel):
    """How one event was read. The same for a person and a record that the network knows, and for others."""

    id: str
    record: str
    used: list[str] = Field(description="Pointers of the fields that are used.")
    passed_over: list[PassedOver] = Field(
        description=f"What was sent and is not used; at most {MOST_PASSED_OVER} of it."
    )
    more_passed_over: int = Field(0, description="How much more there is of it.")
    titles: list[TitleRead]


def read(
    event: CloudEventIn, given: object, extensions: Iterable[str], told: Told, occupations_of: OccupationsOf
) -> EventRead:
    """`given` is the event's data as it was sent, `told` what is kept of it."""
    data = given if isinstance(given, dict) else {}
    person, profile = _section(data, "person"), _section(data, "profile")
    passed = [
        PassedOver(pointer=f"#/{name}", detail="is an extension attribute, which is not read") for name in extensions
    ]
    passed += _unused("person", person, told.person, event.type) or _of_person(person, told.person)
    passed += _unused("profile", profile, told.profile, event.type) or _of_profile(
        profile, person, told, occupations_of
    )
    return EventRead(
        id=event.id,
        record=event.data.record,
        used=["#/data/employer", "#/data/record", *_used_of_person(person, told.person), *_used_of_profile(profile, told.profile, occupations_of)],
        passed_over=passed[:MOST_PASSED_OVER],
        more_passed_over=max(len(passed) - MOST_PASSED_OVER, 0),
        titles=[
            TitleRead(pointer=_entry("profile", "titles", place), occupations=list(occupations_of(title)))
            for place, title in _entries(profile, "titles")
            if told.profile is not None and not is_empty(title)
        ],
    )  # fmt: skip


def _section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _entries(section: Mapping[str, Any], name: str) -> Iterator[tuple[int, Any]]:
    found = section.get(name)
    yield from enumerate(found if isinstance(found, list) else ())


def _entry(section: str, name: str, place: int) -> str:
    return f"#/data/{section}/{name}/{place}"


def _unused(name: str, section: Mapping[str, Any], kept: Person | RawProfile | None, kind: str) -> list[PassedOver]:
    """The section as a whole, where the type has no use for it."""
    if kept is not None or not section:
        return []
    return [PassedOver(pointer=f"#/data/{name}", detail=f"is not used for {kind}")]


def _of_person(section: Mapping[str, Any], kept: Person | None) -> list[PassedOver]:
    if kept is None:
        return []
    mailable = [place for place, email in _entries(section, "emails") if is_mailable(email)]
    passed = [
        PassedOver(
            pointer=_entry("person", "emails", place), detail=_why_no_email(email, can_be_mailed=place in mailable)
        )
        for place, email in _entries(section, "emails")
        if place not in mailable[:1]
    ]
    passed += [
        PassedOver(pointer=_entry("person", "phones", place), detail=_empty_or(phone, "is no phone number"))
        for place, phone in _entries(section, "phones")
        if phone_of(phone) is None
    ]
    return passed


def _used_email(section: Mapping[str, Any]) -> int | None:
    return next((place for place, email in _entries(section, "emails") if is_mailable(email)), None)


def _why_no_email(email: object, *, can_be_mailed: bool) -> str:
    if can_be_mailed:
        return "comes after the one that is used"
    return _empty_or(email, "is no email that can be mailed")


def _empty_or(value: object, why: str) -> str:
    return "is empty" if is_empty(value) else why


def _of_profile(
    section: Mapping[str, Any], person: Mapping[str, Any], told: Told, occupations_of: OccupationsOf
) -> list[PassedOver]:
    if told.profile is None:
        return []
    passed = [
        PassedOver(pointer=_entry("profile", name, place), detail="is empty")
        for name in ("titles", "occupations", "employment_types")
        for place, value in _entries(section, name)
        if is_empty(value)
    ]
    passed += [
        PassedOver(
            pointer=_entry("profile", "titles", place), detail="is no title that is known here: the person is asked"
        )
        for place, title in _entries(section, "titles")
        if not is_empty(title) and not occupations_of(title)
    ]
    passed += [
        PassedOver(pointer=f"#/data/profile/{name}", detail=why) for name, why in _unused_places(told.profile).items()
    ]
    skills = list(_entries(section, "skills"))
    texts = [skill for _, skill in skills if isinstance(skill, str)]
    listed, used = skills_among(texts), skills_among(texts, own=_own(person))
    passed += [
        PassedOver(pointer=_entry("profile", "skills", place), detail=why)
        for place, skill in skills
        if (why := _why_no_skill(skill, listed, used)) is not None
    ]
    return passed


def _unused_places(kept: RawProfile) -> Mapping[str, str]:
    """Of state and ZIP code those that are not used, each with why: one rule for every way in (`places.settled`)."""
    postal_code = kept.postal_code[:5] if kept.postal_code else None
    if postal_code is None or settled(kept.state, postal_code)[1] is not None:
        return {}
    if state_of_zip(postal_code) is None:
        return {"postal_code": "is no ZIP code that is known here"}
    return {
        "postal_code": "is a ZIP code of another state than the one beside it: neither is used",
        "state": "is another state than the one of the ZIP code beside it: neither is used",
    }


def _own(person: Mapping[str, Any]) -> list[str | None]:
    names = [name for name in (person.get("given_name"), person.get("family_name")) if isinstance(name, str)]
    emails = [email for _, email in _entries(person, "emails") if isinstance(email, str)]
    return [*names, *(email.partition("@")[0] for email in emails)]


def _why_no_skill(skill: object, listed: Collection[str], used: Collection[str]) -> str | None:
    if not isinstance(skill, str) or is_empty(skill):
        return "is empty"
    if folded(skill) not in listed:
        return "is not on Fairpool's list of skills"
    return None if folded(skill) in used else "shares a word with the person's name or email"


def _used_of_person(section: Mapping[str, Any], kept: Person | None) -> Iterator[str]:
    if kept is None:
        return
    if (email := _used_email(section)) is not None:
        yield _entry("person", "emails", email)
    for name in ("given_name", "family_name", "phones"):
        if getattr(kept, name):
            yield f"#/data/person/{name}"


def _used_of_profile(
    section: Mapping[str, Any], kept: RawProfile | None, occupations_of: OccupationsOf
) -> Iterator[str]:
    if kept is None:
        return
    unused = _unused_places(kept)
    for name, value in kept:
        is_used = any(map(occupations_of, kept.titles)) if name == "titles" else value not in ((), None)
        if name not in unused and not is_empty(section.get(name)) and is_used:
            yield f"#/data/profile/{name}"
