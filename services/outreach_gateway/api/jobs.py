"""The jobs that an employer writes about: declared by id, or by the message that brings one along."""

import hashlib
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import ValidationError

from services.outreach_gateway import links
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.api.job_bodies import JobOut, JobRequest, JobsOut, NamedJob, body_of
from services.outreach_gateway.calendar import is_still_open
from services.outreach_gateway.model import JOB_NAME, JOBS_PER_EMPLOYER, DeclaredJob
from shared.names import names_the_network
from shared.security import encoding
from shared.web.problems import Problem, invalid, kind, not_found
from shared.web.tenants import Tenant
from shared.web.types import Form

_PAGE = 200
_SHOWN = ("title", "organization", "location")
"""What people read of a job, beside its pay and its last day."""
_SIGNED = ("subject", *_SHOWN)
"""What stands beside our own words in an email and on our pages, where nothing marks it as the employer's."""
_OURS = "must not hold the network's own name (Fairpool), or what is read as it, such as Fair Pool: people would take it for our word"
_FULL: dict[int | str, dict[str, Any]] = {409: {"description": f"There are {JOBS_PER_EMPLOYER} open jobs; delete some"}}

Field = tuple[str, ...]


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`/v1/jobs`, for employers."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type
    Name = Annotated[  # noqa: N806 - names a type
        str,
        Path(description="An id of your own."),
        Form(
            r"[A-Za-z0-9._-]{1,100}",
            "an id of letters, digits, ., _ and -, at most 100; write any other character of your system's id as -",
        ),
    ]

    @routes.put(
        "/v1/jobs/{id}",
        tags=["jobs"],
        summary="Declare a job, or change one",
        responses={**_FULL, 201: {"description": "It is new", "model": JobOut}},
    )
    async def put(id: Name, body: JobRequest, employer: Employer, response: Response) -> JobOut:
        """Messages name it by this id. A change holds for messages from then on: words that were sent are sealed."""
        must_be_open(body, ("valid_through",), at=edge.clock.now(), closes="; DELETE /v1/jobs/(id) closes one")
        check_words(employer, job_words(body))
        kept = DeclaredJob(id, body_of(body), body.valid_through)
        async with edge.jobs() as jobs:
            before = await jobs.get(employer.id, id)
            version = await jobs.put(employer.id, kept)
        if version is None:
            raise _too_many()
        response.status_code = 201 if before is None else 200
        return JobOut.of(DeclaredJob(id, kept.body, kept.valid_through, version))

    @routes.get("/v1/jobs/{id}", tags=["jobs"], summary="Show a job")
    async def show(id: str, employer: Employer) -> JobOut:
        _must_be_a_name(id)
        async with edge.look_at_jobs() as jobs:
            found = await jobs.get(employer.id, id)
        if found is None:
            raise not_found("job")
        return JobOut.of(found)

    @routes.get("/v1/jobs", tags=["jobs"], summary="Your jobs, by id")
    async def list_jobs(
        employer: Employer,
        after: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> JobsOut:
        """Those that a message brought along are called `inline:` and what follows. A job goes 110 days after its last day."""
        async with edge.look_at_jobs() as jobs:
            found = await jobs.of(employer.id, after=after or "", limit=limit + 1)
        more = len(found) > limit
        return JobsOut(items=[JobOut.of(one) for one in found[:limit]], next=found[limit - 1].id if more else None)

    @routes.delete("/v1/jobs/{id}", tags=["jobs"], status_code=204, summary="Delete a job")
    async def delete(id: str, employer: Employer) -> Response:
        """No further message can name it; those that do stay as they are, since their words are sealed."""
        _must_be_a_name(id)
        async with edge.jobs() as jobs:
            if not await jobs.delete(employer.id, id):
                raise not_found("job")
        return Response(status_code=204)


async def job_of(edge: Edge, employer: Tenant, named: NamedJob, *, at: datetime) -> JobRequest:
    """The job that a message names: the declared one, or the one that comes along, which is declared now. Problem where there
    is none, or none that is still open."""
    if named.given is not None:
        must_be_open(named.given, ("job", "valid_through"), at=at)
        check_words(employer, job_words(named.given, "job"))
        return await _declared(edge, employer, named.given)
    async with edge.look_at_jobs() as jobs:
        found = await jobs.get(employer.id, named.id or "")
    if found is None:
        raise wrong(("job",), "must be a job of yours: PUT /v1/jobs/(id) declares one, or send the job itself")
    try:
        job = JobRequest.model_validate_json(found.body)
    except ValidationError:
        raise wrong(("job",), "must be declared anew, by PUT /v1/jobs/(id): it is not in the form of today") from None
    ours = next((field[-1] for field, text in job_words(job).items() if names_the_network(text)), None)
    if ours is not None:
        raise wrong(("job",), f"must be declared anew, by PUT /v1/jobs/(id): its {ours} {_OURS}")
    if not is_still_open(job.valid_through, at=at):
        raise wrong(
            ("job",), "must be still open: the last day of this one is over. PUT /v1/jobs/(id) gives it another"
        )
    return job


async def _declared(edge: Edge, employer: Tenant, job: JobRequest) -> JobRequest:
    """Under an id that its last day does not move: many systems put that off every day."""
    body = body_of(job)
    lasting = body_of(job, but="valid_through")
    id = "inline:" + encoding.encode(hashlib.sha256(lasting.encode()).digest())[:22]
    async with edge.look_at_jobs() as jobs:
        if not await jobs.declare(employer.id, DeclaredJob(id, body, job.valid_through)):
            raise _too_many()
    return job


def must_be_open(job: JobRequest, field: Field, *, at: datetime, closes: str = "") -> None:
    """Problem where the job's last day is over everywhere."""
    if not is_still_open(job.valid_through, at=at):
        raise wrong(field, f"must not be in the past: write about a job that is still open{closes}")


def job_words(job: JobRequest, *under: str) -> dict[Field, str]:
    """What people read of the job, by field."""
    return {(*under, name): getattr(job, name) for name in _SHOWN}


def check_words(employer: Tenant, words: dict[Field, str]) -> None:
    """Problem that names each field with a link in it, and where; and those that would pass for the network's own word."""
    replies = {employer.reply_to.rpartition("@")[2]} if employer.reply_to else set()
    own = {domain.lower() for domain in (employer.domain, *replies) if domain}
    found = {field: links.find(text, own=own) for field, text in words.items()}
    errors = [_error(field, f"must {link.sentence}") for field, link in found.items() if link is not None]
    errors += [
        _error(field, _OURS) for field, text in words.items() if field[-1] in _SIGNED and names_the_network(text)
    ]
    if errors:
        raise invalid(errors)


def wrong(field: Field, sentence: str) -> Problem:
    """A 422 for one field of the body."""
    return invalid([_error(field, sentence)])


def _error(field: Field, sentence: str) -> dict[str, Any]:
    return {"loc": ("body", *field), "type": "value_error", "ctx": {"error": ValueError(sentence)}}


def _must_be_a_name(id: str) -> None:
    if not JOB_NAME.fullmatch(id):
        raise not_found("job")


def _too_many() -> Problem:
    return Problem(
        409,
        "Too many jobs",
        f"There are {JOBS_PER_EMPLOYER} open jobs of yours, and there can't be more. Delete those that are filled, then send this again.",
        type=kind("too-many-jobs"),
    )
