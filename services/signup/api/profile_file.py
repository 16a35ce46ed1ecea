"""What a file says, for the form of a person's own profile: read as for the join page, and nothing of it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from pydantic import ValidationError

from services.signup.api import join_file
from services.signup.api.join import JOIN_BLANK, JoinIn
from services.signup.api.join_file import FileRead, NothingInItError
from services.signup.api.profile_forms import SetIn, coarsely
from services.signup.api.profile_views import Choice, ProfileForm, Single, words_of
from services.signup.decisions.keeping import FIELDS, Field, OccupationsOf, Value
from services.signup.decisions.resume_parts import PassedOver
from shared.i18n import gettext

_NOT_OF_A_PROFILE = ("name", "email")
_SAME = {"postal_code": "area"}


@dataclass(frozen=True, slots=True)
class ProfileRead:
    """What the form is filled with, and what was passed over. What the file says nothing of is not in it."""

    said: Mapping[Field, Any]
    """In the steps in which employers see it."""
    work: str
    """Words for an occupation that mean several, or that the table does not know."""
    passed_over: tuple[PassedOver, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs: `set` is what a PATCH of the profile takes."""
        said = {name: value.isoformat() if isinstance(value, date) else value for name, value in self.said.items()}
        passed_over = [{"pointer": one.pointer, "detail": one.detail} for one in self.passed_over]
        return {"set": said | ({"titles": [self.work]} if self.work else {}), "passed_over": passed_over}

    def fill(self, form: ProfileForm) -> ProfileForm:
        """The form with it: what the file names stands in place of what stood there, the rest stays."""
        said = self.said
        return replace(
            form,
            occupations=_ticked("occupations", form.occupations, said) if "occupations" in said else form.occupations,
            skills=_ticked("skills", form.skills, said) if "skills" in said else form.skills,
            employment_types=[
                replace(one, is_on=one.value in said["employment_types"]) for one in form.employment_types
            ]
            if "employment_types" in said
            else form.employment_types,
            remote=replace(form.remote, is_on=True) if said.get("remote") else form.remote,
            singles={name: _single(one, said) for name, one in form.singles.items()},
            work=self.work or form.work,
        )


def filled_from(raw: bytes, occupations_of: OccupationsOf, today: date) -> ProfileRead:
    """What the file says of a profile; raises `UnreadableError` where it says nothing that a profile has."""
    found = join_file.filled_from(raw, JoinIn, JOIN_BLANK, occupations_of, today)
    notes = tuple(one for one in found.passed_over if one.pointer not in ("#/basics/name", "#/basics/email"))
    said, work = _said(found), str(found.form.get("work") or "")
    if not said and not work:
        raise NothingInItError(notes)
    return ProfileRead(said, work, notes)


def _said(found: FileRead) -> Mapping[Field, Any]:
    given = {
        _SAME.get(name, name): value for name, value in found.form.items() if name not in (*_NOT_OF_A_PROFILE, "work")
    }
    while given:
        try:
            return coarsely(SetIn.model_validate(given))
        except ValidationError as error:
            wrong = {str(one["loc"][0]) for one in error.errors(include_url=False, include_input=False)} & given.keys()
            given = {name: value for name, value in given.items() if wrong and name not in wrong}
    return {}


def _ticked(name: Field, choices: Any, said: Mapping[Field, Any]) -> list[Choice]:  # noqa: ANN401 - a sequence of choices
    there = {one.value for one in choices}
    more = [
        Choice(str(value), words_of(name, value), gettext("From your file"), is_on=True)
        for value in said[name]
        if str(value) not in there
    ]
    return [*(replace(one, is_on=one.value in map(str, said[name])) for one in choices), *more]


def _single(one: Single, said: Mapping[Field, Any]) -> Single:
    name: Field = next(field for field in FIELDS if field == one.name)
    if name not in said:
        return one
    value: Value = said[name]
    text = value.isoformat() if isinstance(value, date) else str(value)
    options = one.options
    if options and text not in dict(options):
        options = [*options, (text, words_of(name, value))]
    if one.is_disputed and text not in {told.value for told in one.told}:
        return replace(one, options=options, value="other", other=text)
    return replace(one, options=options, value=text)
