"""What a person posts of their profile: a form, a wish in JSON, or a change of some fields."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from difflib import get_close_matches
from typing import Annotated, Any, Literal, assert_never

from fastapi import Request
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, ValidationError, model_validator

from services.signup.api.cloudevents import Dollars, Occupation, State, Years
from services.signup.decisions.answering import Accept, Answer, Ignore, NotMe
from services.signup.decisions.coarsening import coarsen
from services.signup.decisions.keeping import FIELDS, Refused, Wish, value_of
from services.signup.decisions.keeping import Field as FieldName
from services.signup.decisions.places import is_outside_the_states
from services.signup.decisions.skills import folded, known_skills
from services.signup.model.people import RawProfile
from shared.contracts.base import Instant
from shared.contracts.signup import CoarseProfile, EmploymentType
from shared.i18n import gettext, marked
from shared.media_types import media_type
from shared.web import bodies, forms, problems
from shared.web.problems import Problem, kind
from shared.web.types import Form, Line, RequestModel, Text

WORDS = {
    "occupations": marked("Choose occupations from the list"),
    "titles": marked("Use other words for your work, such as Registered nurse: we do not know these"),
    "skills": marked("Use words of our list of skills, such as triage or forklift, with commas between them"),
    "years": marked("Choose your years of experience from the list"),
    "state": marked("Choose a state from the list"),
    "area": marked("Enter three digits, or a ZIP code of five, in the 50 states or the District of Columbia"),
    "employment_types": marked("Choose kinds of employment from the list"),
    "pay_floor": marked("Choose the pay from the list"),
    "available_from": marked("Choose the month from the list"),
}
ON_THE_PAGE = {"titles": "work", "skills": "more_skills"}
STALE = marked("This was changed after you opened this page. This is how it is now: change what you want and save")
MERGE_PATCH = "application/merge-patch+json"
_OTHER, _NONE = "other", "none"
_MOST_NAMED, _LONGEST_NAMED, _NEAR = 5, 40, 0.82
"""Of unknown skills, in a sentence: so many, of so many characters; and how alike, of 1, another word has to be. With another
letter in it a word of six is alike (0.83), one of five is mostly another word (0.80): "volar" and "solar"."""
_SAME = {"postal_code": "area", "titles": "occupations"}


def _area(value: str) -> str:
    if is_outside_the_states(None, value):
        raise ValueError("must be of the 50 states or the District of Columbia")
    return value


def _skill(value: str) -> str:
    skill = folded(value)
    if skill not in known_skills():
        raise ValueError("must be a word of Fairpool's list of skills, such as triage")
    return skill


def unknown_skills(typed: Iterable[str]) -> tuple[str, ...]:
    """The words that are not on the list, as they were typed, each once."""
    return tuple(dict.fromkeys(word for word in typed if folded(word) not in known_skills()))


def skills_in(text: str) -> list[str]:
    """The words of a text, as people separate them."""
    return [word.strip() for word in re.split(r"[,;\n]", text) if word.strip()]


def why_not_skills(typed: Iterable[str]) -> str:
    """What is wrong with the words, which of them, and what is near on the list."""
    unknown = unknown_skills(typed)
    if not unknown:
        return gettext(WORDS["skills"])
    near = [best for one in unknown[:_MOST_NAMED] for best in get_close_matches(folded(one), known_skills(), 1, _NEAR)]
    words = ", ".join(f"“{_short(one)}”" for one in unknown[:_MOST_NAMED])
    if near:
        return gettext(
            "Not on our list of skills: %(words)s. Close to it: %(near)s. Use words of the list, or take them out",
            words=words,
            near=", ".join(dict.fromkeys(near)),
        )
    return gettext("Not on our list of skills: %(words)s. Use words of the list, or take them out", words=words)


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST_NAMED else f"{word[:_LONGEST_NAMED]}…"


Skill = Annotated[Line, AfterValidator(_skill)]
Area = Annotated[
    str, Form(r"[0-9]{3}|[0-9]{5}(-[0-9]{4})?", "three digits, or a ZIP code of five"), AfterValidator(_area)
]


class SetIn(RequestModel):
    """A profile in the person's own words; null and empty fields are absent ones."""

    occupations: Annotated[tuple[Occupation, ...], Field(max_length=20)] = ()
    titles: Annotated[tuple[Line, ...], Field(max_length=20)] = ()
    skills: Annotated[tuple[Skill, ...], Field(max_length=50)] = ()
    years: Years | None = None
    state: State | None = None
    area: Area | None = Field(
        None,
        validation_alias=AliasChoices("area", "postal_code"),
        description="The first three digits of a ZIP code, or all of it (also as postal_code).",
    )
    remote: Annotated[bool, Field(strict=True)] | None = None
    employment_types: Annotated[tuple[EmploymentType, ...], Field(max_length=5)] = ()
    pay_floor: Dollars | None = Field(None, description="US dollars a year.")
    available_from: date | None = None

    @model_validator(mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:  # noqa: ANN401 - before validation it may be anything
        if not isinstance(value, dict):
            return value
        known = {*cls.model_fields, "postal_code"}
        return {name: given for name, given in value.items() if name not in known or given not in (None, "", [])}


def _or(empty: Any) -> BeforeValidator:  # noqa: ANN401 - whatever stands for nothing
    return BeforeValidator(lambda value: empty if value is None or value == "" else value)


class KeepIn(RequestModel):
    """What is to be shown, and nothing else."""

    keep: Annotated[tuple[Line, ...], Field(max_length=200), _or(())] = ()
    """Ids of what is proposed, or names of fields."""
    set: Annotated[SetIn, _or({})] = SetIn()


class ProfileForm(RequestModel):
    """The same as the page posts it; `x_other` counts where `x` is `other` or not said."""

    occupations: tuple[Line, ...] = ()
    seen: Line | None = None
    """Which profile the page showed."""
    told_until: Instant | None = None
    """When the newest of what it showed was told: all until then is answered by it."""
    work: Line | None = None
    skills: tuple[Line, ...] = ()
    more_skills: Annotated[Text, Field(max_length=2000)] | None = None
    remote: Line | None = None
    employment_types: tuple[Line, ...] = ()
    years: Line | None = None
    years_other: Line | None = None
    state: Line | None = None
    state_other: Line | None = None
    area: Line | None = None
    area_other: Line | None = None
    pay_floor: Line | None = None
    pay_floor_other: Line | None = None
    available_from: Line | None = None
    available_from_other: Line | None = None

    def as_set(self) -> dict[str, Any]:
        """What `SetIn` takes."""

        def one(name: str) -> str | None:
            value: str | None = getattr(self, name)
            other: str | None = getattr(self, f"{name}_other")
            return other if value in (None, _OTHER) else None if value == _NONE else value

        def number(name: str) -> int | str | None:
            text = one(name)
            return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text) else text

        more = skills_in(self.more_skills or "")
        return {
            "occupations": list(self.occupations),
            "titles": [self.work] if self.work else [],
            "skills": [*self.skills, *more],
            "remote": True if self.remote else None,
            "employment_types": list(self.employment_types),
            "years": number("years"),
            "pay_floor": number("pay_floor"),
            **{name: one(name) for name in ("state", "area", "available_from")},
        }


@dataclass(frozen=True, slots=True)
class Posted:
    is_json: bool
    given: Mapping[str, Any]
    wish: Wish | None
    errors: Mapping[str, str]
    seen: str | None = None
    """The mark of the kept profile that the page showed."""
    told_until: datetime | None = None
    """The newest that the page showed; None: all that there is."""


OfferId = Annotated[str, Form("o_[0-9a-f]{20}", "an id of a value, such as o_0123456789abcdef0123")]


class AnswerIn(RequestModel):
    """What a person says to what a hiring system told after they had spoken."""

    answer: Literal["accept", "ignore", "not_me"]
    keep: tuple[OfferId, ...] | None = Field(
        None,
        max_length=200,
        description="With accept: the ids of what is used; left out, all that is clear and no skill.",
    )

    def as_answer(self, *, is_json: bool) -> Answer:
        """On the page nothing ticked is nothing used."""
        match self.answer:
            case "accept":
                return Accept(self.keep if is_json else self.keep or ())
            case "ignore":
                return Ignore()
            case "not_me":
                return NotMe()
            case _:
                assert_never(self.answer)


async def read_wish(request: Request) -> Posted:
    """The wish in a form or in JSON; a wrong form has errors by the names of the page's fields."""
    if forms_json(request):
        body = bodies.parse_model(await request.body(), KeepIn)
        return Posted(is_json=True, given={}, wish=_wish(body.set, body.keep), errors={})
    form = await forms.read(request, ProfileForm)
    if form.value is None:
        return Posted(is_json=False, given=form.given, wish=None, errors=form.errors)
    try:
        value = SetIn.model_validate(form.value.as_set())
    except ValidationError as error:
        names = dict.fromkeys(str(item["loc"][0]) for item in error.errors(include_input=False, include_url=False))
        errors = {ON_THE_PAGE.get(name, name): WORDS[name] for name in names}
        if "skills" in names:
            errors["more_skills"] = why_not_skills(form.value.as_set()["skills"])
        return Posted(is_json=False, given=form.given, wish=None, errors=errors, seen=form.value.seen)
    return Posted(
        is_json=False,
        given=form.given,
        wish=_wish(value, ()),
        errors={},
        seen=form.value.seen,
        told_until=form.value.told_until,
    )


async def read_change(request: Request) -> "Change":
    """Some fields in JSON, as a merge patch has it (RFC 7396): null, or an empty list, takes a field away."""
    if media_type(request.headers.get("content-type", "")).name not in (forms.JSON, MERGE_PATCH):
        raise problems.unsupported(forms.JSON, MERGE_PATCH)
    raw = await request.body()
    value = bodies.parse_model(raw, SetIn)
    given = bodies.parse_json(raw)
    named = {_SAME.get(str(name), str(name)) for name in given} if isinstance(given, dict) else set()
    return Change(_wish(value, ()), frozenset(named))


@dataclass(frozen=True, slots=True)
class Change:
    """What is said of some fields; the others stay as they are."""

    said: Wish
    named: frozenset[str]

    def wish(self, kept: CoarseProfile | None) -> Wish:
        """What is kept of the present profile, with what is said."""
        stays = [name for name in FIELDS if kept and name not in self.named and value_of(kept, name)]
        return replace(self.said, keep=stays)


def forms_json(request: Request) -> bool:
    """Whether a program posts, and is to be answered in JSON."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == forms.JSON


def coarsely(value: SetIn) -> dict[FieldName, Any]:
    """What is said of each field, in the steps in which employers see it; what is not said is not in it."""
    raw = RawProfile(
        occupations=value.occupations,
        skills=value.skills,
        years=value.years,
        state=value.state,
        remote=value.remote or False,
        employment_types=value.employment_types,
        pay_floor=value.pay_floor,
        available_from=value.available_from,
    )
    coarse = coarsen(raw).model_copy(update={"area": value.area[:3] if value.area else None})
    said = [name for name in FIELDS if getattr(value, name) not in (None, ())]
    return {name: getattr(coarse, name) for name in said}


def _wish(value: SetIn, keep: Sequence[str]) -> Wish:
    return Wish(tuple(keep), coarsely(value), value.titles)


def by_field(errors: Mapping[str, str]) -> dict[str, str]:
    """Pointers of a decision as names of fields with the page's own sentence."""
    found = {}
    for pointer, sentence in errors.items():
        named = re.match(r"#/(?:set|keep)/?([a-z_]*)", pointer)
        name = (named[1] if named else pointer) or ""
        found[name] = WORDS.get(name, sentence)
    return found


def problem_of(outcome: Refused, *, is_bare: bool = False) -> Problem:
    """A 422 with what can't be; `is_bare`: the body is what `set` is in a wish."""
    return Problem(
        422,
        "Invalid request",
        "Some of this can't be so; `errors` says what. Nothing was changed. Correct it and send it again.",
        type=kind("invalid"),
        errors=[
            {"pointer": re.sub("^#/(set|keep)", "#", pointer) if is_bare else pointer, "detail": sentence}
            for pointer, sentence in outcome.errors.items()
        ],
    )


def described() -> dict[str, Any]:
    """The wish, for the API's docs."""
    schema = KeepIn.model_json_schema()
    parts = schema.pop("$defs")
    schema["properties"]["set"] = parts["SetIn"]
    return {"requestBody": {"required": True, "content": {forms.JSON: {"schema": schema}, forms.FORM: {}}}}
