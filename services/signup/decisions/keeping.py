"""What a person keeps of what others told, or says in their own words: that alone may be shown."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, get_args

from services.signup.decisions.coarsening import MOST_SKILLS
from services.signup.model.records import Proposed
from shared.contracts.signup import JOIN, CoarseProfile

Field = Literal[
    "occupations",
    "skills",
    "years",
    "state",
    "area",
    "remote",
    "employment_types",
    "pay_floor",
    "available_from",
]
FIELDS: tuple[Field, ...] = get_args(Field)
LISTS = frozenset({"occupations", "skills", "employment_types"})
MOST_OCCUPATIONS = 20

OccupationsOf = Callable[[str], Sequence[str]]
"""The SOC 2018 codes that a job title may mean: none when it is not known."""
Value = str | int | date
"""One occupation, one skill, a step of pay: what can be kept or left."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One value that is proposed, in the step in which it would be shown."""

    id: str
    """Of the record that told it and of the value: what is told anew is another offer."""
    field: Field | Literal["titles"]
    """`titles`: a title whose occupation is not known; it can't be kept as it is."""
    value: Value
    by: Proposed
    title: str | None = None
    """The job title that was told, where the value is an occupation that it may mean."""
    one_of: int = 1
    """How many occupations that title may mean."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants to be shown: nothing else is."""

    keep: Sequence[str] = ()
    """Ids of offers, or names of fields: what was kept before, and else what was told last."""
    values: Mapping[Field, Any] = field(default_factory=dict)
    """In their own words, in the steps of a profile; goes before what is kept, and is added to a list."""
    titles: Sequence[str] = ()
    """Their own words for their work."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The profile as the person wants it."""

    profile: CoarseProfile


@dataclass(frozen=True, slots=True)
class Refused:
    """What can't be so, by JSON pointer into the wish."""

    errors: Mapping[str, str]


def offers(proposed: Iterable[Proposed], occupations_of: OccupationsOf) -> list[Offer]:
    """Everything that can be kept or left, in the order of the proposals."""
    return [offer for one in proposed for offer in _offers(one, occupations_of)]


def decide(
    wish: Wish, offered: Sequence[Offer], kept: CoarseProfile | None, occupations_of: OccupationsOf
) -> Kept | Refused:
    """The profile that the person wants, or what of their wish can't be."""
    errors: dict[str, str] = {}
    found: dict[Field, list[Any]] = {name: [] for name in FIELDS}
    for place, name in enumerate(wish.keep):
        pointer = f"#/keep/{place}"
        values = _values_of(name, offered, kept)
        if isinstance(values, str):
            errors[pointer] = values
            continue
        for named, value in values:
            before = found[named]
            if named not in LISTS and before not in ([], [value]) and named not in wish.values:
                errors[pointer] = f"another value of {named} is kept already: keep one of them"
            elif value not in before:
                before.append(value)
    for named, value in wish.values.items():
        found[named] = [*found[named], *value] if named in LISTS else [value]
    for place, title in enumerate(wish.titles):
        codes = occupations_of(title)
        if len(codes) == 1:
            found["occupations"].append(codes[0])
        else:
            errors[f"#/set/titles/{place}"] = _which(codes)
    for named, most in (("occupations", MOST_OCCUPATIONS), ("skills", MOST_SKILLS)):
        if len(set(found[named])) > most:
            errors["#/keep"] = f"must have at most {most} {named}, with what is set"
    return Refused(errors) if errors else Kept(_profile(found))


def value_of(profile: CoarseProfile, name: Field) -> tuple[Value, ...]:
    """What a profile shows in a field: nothing, one value, or several."""
    value = getattr(profile, name)
    if isinstance(value, tuple):
        return value
    return () if value is None or value is False else (value,)


def _offers(one: Proposed, occupations_of: OccupationsOf) -> Iterable[Offer]:
    for name in FIELDS:
        for value in value_of(one.proposal.profile, name):
            yield Offer(_id(one, name, value), name, value, one)
    if one.proposal.profile.occupations and one.proposal.vendor != JOIN:
        return  # codes go before titles, but for what a person typed beside those of their file
    for title in one.proposal.titles:
        codes = occupations_of(title)
        for code in codes:
            yield Offer(_id(one, "occupations", code, title), "occupations", code, one, title, len(codes))
        if not codes:
            yield Offer(_id(one, "titles", title), "titles", title, one)


def _id(one: Proposed, *parts: object) -> str:
    told = "\n".join(map(str, (one.proposal.vendor, one.proposal.record, *parts)))
    return f"o_{hashlib.sha256(told.encode()).hexdigest()[:20]}"


def _values_of(name: str, offered: Sequence[Offer], kept: CoarseProfile | None) -> list[tuple[Field, Value]] | str:
    """What a name or an id stands for; a sentence when there is no such thing."""
    named = next((one for one in FIELDS if one == name), None)
    if named is None:
        offer = next((one for one in offered if one.id == name), None)
        if offer is None:
            return "must be the name of a field or the id of what is proposed; ids change when other words are proposed"
        if offer.field == "titles":
            return "names no occupation that is known here: set occupations, or titles with other words"
        return [(offer.field, offer.value)]
    if kept is not None and value_of(kept, named):
        return [(named, value) for value in value_of(kept, named)]
    told = [one for one in offered if one.field == named]
    newest = [one for one in told if one.by == told[0].by]
    if not newest:
        return "nothing is proposed for this field: set it"
    if any(one.one_of > 1 for one in newest):
        return "a title that was told may mean several occupations: keep those that are right by their ids"
    return [(named, one.value) for one in newest]


def _which(codes: Sequence[str]) -> str:
    if codes:
        return f"may mean several occupations ({', '.join(codes)}): set those that are right as occupations"
    return "is no title that is known here: use other words, or set occupations"


def _profile(found: Mapping[Field, Sequence[Any]]) -> CoarseProfile:
    values: dict[str, Any] = {}
    for name, given in found.items():
        if name in LISTS:
            values[name] = tuple(dict.fromkeys(given))
        elif given:
            values[name] = given[-1]
    return CoarseProfile.model_validate(values)


def mark(kept: CoarseProfile | None) -> str:
    """Of what is kept: a page that was opened before another save shows another one."""
    return hashlib.sha256(kept.model_dump_json().encode()).hexdigest()[:16] if kept is not None else "none"
