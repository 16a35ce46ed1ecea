"""`POST /v1/events`: CloudEvents from a vendor, one or a batch, in structured or binary mode."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from services.signup.api.cloudevents import CloudEventIn, binary_attributes, told
from services.signup.model import Report
from services.signup.ports import Intake
from shared.clock import Clock
from shared.web import bodies, problems
from shared.web.openapi import REF
from shared.web.problems import Problem, kind
from shared.web.tenants import Tenant, Tenants

ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MOST = 1000


_EVENTS = TypeAdapter(Annotated[list[CloudEventIn], Field(max_length=MOST)])
_BODY = {
    "required": True,
    "description": f"One event ({ONE}), an array of at most {MOST} ({BATCH}), or CloudEvents' binary mode: the"
    " attributes as ce- headers (ce-specversion, ce-id, ce-source, ce-type) and `data` alone as the body"
    " (application/json).",
    "content": {
        ONE: {"schema": {"$ref": REF.format(model="CloudEventIn")}},
        BATCH: {"schema": _EVENTS.json_schema(ref_template=REF)},
        "application/json": {"schema": {"$ref": REF.format(model="DataIn")}},
    },
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is no JSON."},
    401: {"description": "The key is missing or does not work."},
    403: {
        "description": "The key is no vendor's, or the event is of another vendor or its employer, or the employer is suspended."
    },
    415: {"description": "The content type is none of the three."},
    422: {"description": "Fields are missing or wrong; `errors` names each."},
    503: {"description": "Send the same again later: what was kept already is recognised."},
}


class Rejected(BaseModel):
    """An event that was not taken, and why; `id` is null when it has none that can be read."""

    id: str | None
    detail: str


class EventsAnswer(BaseModel):
    """What became of a request's events."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]


def router(intake: Intake, tenants: Tenants, clock: Clock) -> APIRouter:
    """The route for vendors' own events."""
    routes = APIRouter(tags=["vendors"])
    vendor_key = tenants.require("vendor")

    @routes.post(
        "/v1/events",
        status_code=202,
        summary="Take CloudEvents of a vendor, one or a batch",
        response_description="Kafka has them. Of a batch, each event is judged by itself: see `rejected`.",
        response_model=EventsAnswer,
        responses=_ANSWERS,
        openapi_extra={"requestBody": _BODY},
    )
    async def take_events(request: Request, vendor: Annotated[Tenant, Depends(vendor_key)]) -> EventsAnswer:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        raw = await request.body()
        if content_type == BATCH:
            return await _take_batch(_batch(raw), vendor, intake, tenants, clock)
        report = _checked(_single(content_type, raw, request), vendor, tenants, clock)
        taken = await intake.take([report])
        return EventsAnswer(accepted=taken.accepted, duplicates=taken.duplicates, rejected=[])

    return routes


def _single(content_type: str, raw: bytes, request: Request) -> object:
    if content_type == ONE:
        return bodies.parse_json(raw)
    if content_type == "application/json" and "ce-specversion" in request.headers:
        return {**binary_attributes(request.headers), "data": bodies.parse_json(raw)}
    raise problems.unsupported(ONE, BATCH)


def _batch(raw: bytes) -> list[Any]:
    events = bodies.parse_json(raw)
    if not isinstance(events, list) or len(events) > MOST:
        detail = f"Expected an array of at most {MOST} events. Send them in several requests."
        raise Problem(422, "Invalid request", detail, type=kind("invalid"))
    return events


async def _take_batch(
    events: list[Any], vendor: Tenant, intake: Intake, tenants: Tenants, clock: Clock
) -> EventsAnswer:
    reports, rejected = [], []
    for given in events:
        try:
            reports.append(_checked(given, vendor, tenants, clock))
        except Problem as problem:
            rejected.append(Rejected(id=_id_of(given), detail=_in_words(problem)))
    taken = await intake.take(reports)
    return EventsAnswer(accepted=taken.accepted, duplicates=taken.duplicates, rejected=rejected)


def _checked(given: object, vendor: Tenant, tenants: Tenants, clock: Clock) -> Report:
    try:
        event = CloudEventIn.model_validate(given)
    except ValidationError as error:
        raise problems.invalid_model(error) from None
    if event.source != vendor.id:
        detail = "`source` must be the tenant id that the key is of: a vendor speaks for itself only."
        raise Problem(403, "Forbidden", detail, type=kind("wrong-source"))
    employer = tenants.get(event.data.employer)
    if employer is not None and employer.vendor == vendor.id and employer.suspended:
        detail = "This employer is suspended: nobody is taken for it. The operator of the network can say why."
        raise Problem(403, "Forbidden", detail, type=kind("suspended"))
    if employer is None or employer.kind != "employer" or employer.vendor != vendor.id:
        detail = "`data.employer` must be the id of an employer whose present vendor is the one that the key is of."
        raise Problem(403, "Forbidden", detail, type=kind("wrong-employer"))
    return Report(
        digests=(hashlib.sha256(f"events\n{event.id}".encode()).digest(),),
        vendor=vendor.id,
        record=event.data.record,
        employer=employer.id,
        change=event.change,
        at=clock.now(),
        told=told(event),
    )


def _id_of(given: object) -> str | None:
    found = given.get("id") if isinstance(given, dict) else None
    return _writable(found[:200]) if isinstance(found, str) else None


def _in_words(problem: Problem) -> str:
    if not problem.errors:
        return problem.detail
    return _writable("; ".join(f"{error['pointer']} {error['detail']}" for error in problem.errors[:5]))


def _writable(text: str) -> str:
    """Without halves of surrogate pairs, which have no UTF-8: a sender's ids and names of fields may hold them."""
    return text.encode(errors="replace").decode()
