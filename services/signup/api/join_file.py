"""What a file says, for the form of the join page: read, held to what the form takes, and forgotten."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from services.signup.api import resume_files
from services.signup.api.resume_files import UnreadableError
from services.signup.decisions import resume
from services.signup.decisions.keeping import OccupationsOf
from services.signup.decisions.resume_parts import PassedOver
from shared.i18n import gettext, marked, present
from shared.media_types import media_type
from shared.web import forms, plain, problems, uploads
from shared.web.problems import Problem, kind
from shared.web.uploads import MULTIPART

BODY_LIMIT = 1024 * 1024
"""Of the request: the file and what a form puts around it."""
ZIP = "application/zip"
_ZIPS = (ZIP, "application/x-zip-compressed")
_WHERE = {
    "name": "#/basics/name",
    "email": "#/basics/email",
    "state": "#/basics/location",
    "postal_code": "#/basics/location",
}
_CALLED = {
    "name": marked("Your name"),
    "email": marked("Your email"),
    "work": marked("Your work"),
    "state": marked("The state"),
    "postal_code": marked("The ZIP code"),
}
_A_FIELD = marked("One of the fields")
CHOOSE = marked("Choose the zip that you took along from Fairpool, or a JSON Resume")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class FileRead:
    """What the form is filled with, and what was passed over."""

    form: Mapping[str, Any]
    """By the names of the join form, as JSON has them."""
    passed_over: tuple[PassedOver, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        passed_over = [{"pointer": one.pointer, "detail": one.detail} for one in self.passed_over]
        return {"form": dict(self.form), "passed_over": passed_over}

    def as_form(self) -> dict[str, Any]:
        """As a browser would have sent it."""
        return {name: _typed(value) for name, value in self.form.items()}


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was sent, and who waits for the answer."""

    is_json: bool
    """A program: it is answered in JSON."""
    raw: bytes


async def sent(request: Request) -> Sent:
    """The file, from the page's form or as the body itself. Raises a 415 for anything else, a 400 for a form that is broken,
    and a 413 for what is too large.
    """
    content_type = request.headers.get("content-type", "")
    name = media_type(content_type).name
    if name == MULTIPART:
        return Sent(is_json=False, raw=uploads.file_of(content_type, await request.body(), "file"))
    if name != forms.JSON and name not in _ZIPS:
        raise problems.unsupported(MULTIPART, forms.JSON, ZIP)
    return Sent(is_json=True, raw=await request.body())


def filled_from(
    raw: bytes, model: type[M], blank: Mapping[str, Any], occupations_of: OccupationsOf, today: date
) -> FileRead:
    """What the file says, as far as the form takes it; raises `UnreadableError` where nothing is left to fill it with.

    `blank`: what the form can't be without, to hold the rest to it.
    """
    found = resume_files.opened(raw)
    reading = resume.read(found.resume, occupations_of=occupations_of, today=today)
    fields, notes = dict(reading.fields), [*found.notes, *reading.passed_over]
    while (wrong := _wrong(model, {**blank, **fields})).keys() & fields.keys():
        for name, sentence in wrong.items():
            if fields.pop(name, None) is not None:
                notes.append(
                    PassedOver(_WHERE.get(name, f"#/meta/{resume.EXTENSION}/{name}"), _left_out(name, sentence))
                )
    if not fields:
        raise NothingInItError(tuple(notes))
    return FileRead(fields, tuple(notes))


class NothingInItError(UnreadableError):
    """The file is a resume by its form, and says nothing that the form could take."""

    def __init__(self, notes: tuple[PassedOver, ...]) -> None:
        """`notes`: why not, one by one."""
        super().__init__(
            marked("Nothing in this file could be filled in. Choose another one, or fill in the form yourself.")
        )
        self.notes = notes


def problem_of(error: UnreadableError) -> Problem:
    """For programs: a 422, or a 413 for a file that is too large."""
    if str(error) == resume_files.too_large():
        return Problem(413, "Content too large", str(error), type=kind("too-large"))
    notes = error.notes if isinstance(error, NothingInItError) else (PassedOver("#", str(error)),)
    errors = [{"pointer": one.pointer, "detail": one.detail} for one in notes[: problems.MOST_ERRORS]]
    return Problem(422, "Invalid file", str(error), type=kind("invalid"), errors=errors)


def described() -> dict[str, Any]:
    """For a route's `openapi_extra`: the file, in a form or by itself."""
    file = {"type": "string", "format": "binary"}
    return {
        "requestBody": {
            "required": True,
            "content": {
                MULTIPART: {"schema": {"type": "object", "required": ["file"], "properties": {"file": file}}},
                forms.JSON: {
                    "schema": {"type": "object", "description": "A JSON Resume, v1.0.0 or what comes near it."}
                },
                ZIP: {"schema": file},
            },
        }
    }


def _wrong(model: type[BaseModel], fields: Mapping[str, Any]) -> dict[str, str]:
    try:
        model.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        return {str(one["loc"][0]): plain.sentence(one) for one in wrong if one["loc"]}
    return {}


def _left_out(name: str, sentence: str) -> str:
    """The rule itself is in English, as for every program: a page in another language says that it was left out."""
    if present().locale == "en":
        return f"{_CALLED.get(name, name.replace('_', ' ').capitalize())} was not filled in: it {sentence}."
    what = gettext(_CALLED.get(name, _A_FIELD))
    return gettext("%(what)s was not filled in: it can’t be so.", what=what)


def _typed(value: Any) -> Any:  # noqa: ANN401 - any value of a form in JSON
    if isinstance(value, list):
        return value
    return "true" if value is True else str(value)
