"""What a file says, for the form of the join page: read, held to what the form takes, and forgotten."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from services.signup.api import resume_files
from services.signup.api.resume_files import TooLargeError, UnreadableError
from services.signup.decisions import resume
from services.signup.decisions.keeping import OccupationsOf
from services.signup.decisions.resume_parts import PassedOver
from shared.i18n import gettext, marked
from shared.media_types import media_type
from shared.web import forms, problems, uploads
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
_REFUSED = {
    "name": marked(
        "Your name was not filled in: it must be a name of at most 100 characters, without a link or an email."
    ),
    "email": marked("Your email was not filled in: it must be an email such as name@example.org."),
    "work": marked(
        "Your work was not filled in: it must be work in words, of at most 100 characters, without a link or an email."
    ),
    "state": marked("The state was not filled in: it must be one of the 50 states or the District of Columbia."),
    "postal_code": marked(
        "The ZIP code was not filled in: it must be one of the state, in the 50 states or the District of Columbia."
    ),
    "time_zone": marked("The time zone was not filled in: it must be an IANA time zone such as America/Denver."),
}
"""By the fields that a file may fill with what the form refuses."""
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
    while (wrong := _wrong(model, {**blank, **fields})) & fields.keys():
        for name in wrong & fields.keys():
            del fields[name]
            notes.append(PassedOver(_WHERE.get(name, f"#/meta/{resume.EXTENSION}/{name}"), _refused(name)))
    if not fields:
        raise NothingInItError(tuple(notes))
    return FileRead(fields, tuple(notes))


class NothingInItError(UnreadableError):
    """The file is a resume by its form, and says nothing that the form could take."""

    def __init__(self, notes: tuple[PassedOver, ...]) -> None:
        """`notes`: why not, one by one."""
        super().__init__(
            gettext("Nothing in this file could be filled in. Choose another one, or fill in the form yourself.")
        )
        self.notes = notes


def problem_of(error: UnreadableError) -> Problem:
    """For programs: a 422, or a 413 for a file that is too large."""
    if isinstance(error, TooLargeError):
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


def _wrong(model: type[BaseModel], fields: Mapping[str, Any]) -> set[str]:
    try:
        model.model_validate(fields)
    except ValidationError as error:
        return {str(one["loc"][0]) for one in error.errors(include_url=False, include_input=False) if one["loc"]}
    return set()


def _refused(name: str) -> str:
    if name in _REFUSED:
        return gettext(_REFUSED[name])
    return gettext("“%(name)s” was not filled in: the form does not take it as it stands there.", name=name)


def _typed(value: Any) -> Any:  # noqa: ANN401 - any value of a form in JSON
    if isinstance(value, list):
        return value
    return "true" if value is True else str(value)
