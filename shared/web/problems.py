"""Errors that people and programs can act on: RFC 9457 problem+json, or a page where a browser shows pages."""

import itertools
import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from shared.i18n import marked
from shared.media_types import media_type
from shared.web import methods, pages, plain
from shared.web.request_ids import request_id
from shared.web.routes import shows_pages

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
"""Whoever has more to mend than that sends something else than what is asked for."""
_MOST_LOOKED_AT = 3 * MOST_ERRORS
_PARAMETERS = frozenset({"path", "query", "header", "cookie"})
_SAID: Mapping[int, str] = {
    400: "The request could not be read. Check its syntax and send it again.",
    404: marked("There is nothing at this address. Check it for a typo."),
    405: "This address does not take that method; the Allow header names those that it takes.",
}
_SORRY = "Something went wrong on our side; it was noted. Nothing is wrong with the request: try again in a minute."

FieldError = Mapping[str, str]


def kind(slug: str) -> str:
    """The stable `type` of a problem that programs may branch on: `urn:fairpool:problem:<slug>`."""
    return f"urn:fairpool:problem:{slug}"


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An answer other than success; `detail` says what was expected, what was found and what to do, without values."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        type: str = "about:blank",  # noqa: A002 - RFC 9457's word
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
        leads_to: tuple[str, str] | None = None,
        to_people: str | None = None,
    ) -> None:
        """`leads_to`: the words of a button and its address, where a browser shows a page; `to_people`: what that says."""
        super().__init__(title)
        self.leads_to = leads_to
        self.to_people = to_people or detail
        self.status = status
        self.title = title
        self.detail = detail
        self.type = type
        self.headers = dict(headers or {})
        self.errors = tuple(errors)

    def body(self) -> dict[str, Any]:
        """The members of RFC 9457, and `errors` when fields are at fault."""
        members: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status, "detail": self.detail}
        if self.errors:
            members["errors"] = [dict(error) for error in self.errors]
        return members


def unexpected() -> Problem:
    """What a caller learns of a fault of ours: that it is ours."""
    return Problem(500, "Internal error", _SORRY)


def unavailable() -> Problem:
    """What a caller learns while a server that we stand on is away."""
    return Problem(
        503,
        marked("Try again in a minute"),
        marked(
            "This can't be read or written at the moment. Send the same again: what was kept already is recognized."
        ),
        type=kind("unavailable"),
        headers={"Retry-After": "10"},
    )


def not_found(what: str) -> Problem:
    """A 404 for `what` ("pool"), the same whether it never was or belongs to another tenant."""
    return Problem(404, "Not found", f"There is no such {what}, or it is not yours. Check its id.")


def expired(detail: str) -> Problem:
    """A 410 for a cursor behind which a feed has forgotten something; `detail` says how to begin anew."""
    return Problem(410, "The feed has forgotten what comes next", detail, type=kind("cursor-expired"))


def malformed(detail: str) -> Problem:
    """A 400 for a body that can't be read at all."""
    return Problem(400, "Malformed request", detail, type=kind("malformed"))


def invalid(errors: Iterable[Any], *, found: Callable[[Any], str] | None = None, most: int = MOST_ERRORS) -> Problem:
    """A 422 from pydantic's (or FastAPI's) errors: one pointer and one sentence each, without values; the first `most`.

    `found` adds what kind of thing stood there instead (`plain.found`).
    The location of a FastAPI error starts with where it was found; only the body's is left out of the pointer's name.
    """
    given = list(itertools.islice(errors, _MOST_LOOKED_AT))
    wrong = {tuple(error["loc"])[:-1] for error in given}
    kept = [error for error in given if not _counts_the_wrong(error, wrong)]
    named = "each that was found" if len(kept) <= most else f"the first {most}"
    return Problem(
        422,
        "Invalid request",
        f"Some fields are missing or wrong; `errors` names {named}. Correct them and send the request again.",
        type=kind("invalid"),
        errors=[_field_error(error, found(error) if found else "") for error in kept[:most]],
    )


def invalid_model(error: ValidationError) -> Problem:
    """A 422 from a model that a handler validated itself; its locations start at the model."""
    return invalid({**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False))


def response(scope: Scope, problem: Problem) -> Response:
    """The problem as problem+json, or as a page for a browser on a page."""
    if shows_pages(scope):
        return pages.error_page(
            problem.status, problem.title, problem.to_people, headers=problem.headers, leads_to=problem.leads_to
        )
    named = {"request_id": name} if (name := request_id(scope)) else {}
    members = {**problem.body(), **named}
    content = json.dumps(members, ensure_ascii=True, allow_nan=False)  # ASCII: a lone surrogate has no UTF-8
    return Response(content, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer `Problem`, validation errors and Starlette's own errors as problems; the rest is the boundary's."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type only
    return response(request.scope, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return response(request.scope, malformed("The body is not valid JSON. Check its syntax and send it again."))
    is_no_object = any(item["type"] == "model_attributes_type" and tuple(item["loc"]) == ("body",) for item in found)
    if is_no_object and not media_type(request.headers.get("content-type", "")).is_json:
        return response(request.scope, unsupported("application/json"))
    return response(request.scope, invalid(found))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    if isinstance(error.__cause__, Problem):  # FastAPI gives another name to what reading a body raised
        return response(request.scope, error.__cause__)
    if isinstance(error.__cause__, ClientDisconnect):
        raise error.__cause__
    if error.status_code >= 500:
        return response(request.scope, unexpected())
    title = HTTPStatus(error.status_code).phrase.capitalize()
    detail = _SAID.get(error.status_code, f"{title}.")
    headers = {"Allow": methods.allowed(request.scope)} if error.status_code == 405 else error.headers
    return response(request.scope, Problem(error.status_code, title, detail, headers=headers))


def unsupported(*expected: str) -> Problem:
    """A 415 that names the content types that are taken."""
    return Problem(
        415,
        "Unsupported media type",
        f"Send the body with the header Content-Type: {' or '.join(expected)}.",
        headers={"Accept-Post": ", ".join(expected)},
    )


def _counts_the_wrong(error: Any, wrong: Container[tuple[int | str, ...]]) -> bool:  # noqa: ANN401 - as below
    """Pydantic does not count a list's wrong entries, and then finds too few: that is the same mistake once more."""
    return error["type"] == "too_short" and tuple(error["loc"]) in wrong


def _field_error(error: Any, found: str) -> FieldError:  # noqa: ANN401 - pydantic's ErrorDetails or FastAPI's dict of the same shape
    loc = tuple(error["loc"])
    place = str(loc[0]) if loc else ""
    detail = {"pointer": plain.pointer(loc[1:]), "detail": plain.sentence(error) + found}
    return {"in": place, **detail} if place in _PARAMETERS else detail
