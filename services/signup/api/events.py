"""`POST /v1/events`: CloudEvents from a vendor, one or a batch, in structured or binary mode."""

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from services.signup.api import envelopes, readings
from services.signup.api.cloudevents import CloudEventIn, told
from services.signup.api.envelopes import Envelope
from services.signup.api.quota import too_many_unknown
from services.signup.api.readings import EventRead, OccupationsOf
from services.signup.decisions.provenance import kept_id
from services.signup.model.reports import Report
from services.signup.ports.intake import Backlog, Intake
from shared.clock import Clock
from shared.facts import shown
from shared.media_types import MediaType, media_type
from shared.web import bodies, gates, plain, problems
from shared.web.openapi import REF
from shared.web.problems import Problem, kind
from shared.web.tenants import Tenant, Tenants

ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MOST = 1000
_LONGEST_ID = 1000
_MOST_TOLD = 200
"""Mistakes of a batch that are told one by one; of the events after them, the first each."""
_AT_ONCE = 20
"""Events that are written into an answer before others have their turn."""
_ORIGIN = re.compile(r"[A-Za-z0-9*-]{1,63}(\.[A-Za-z0-9*-]{1,63}){0,20}(:[0-9]{1,5})?")


_CLOCKS_DIFFER = timedelta(minutes=5)
_EVENTS = TypeAdapter(Annotated[list[CloudEventIn], Field(max_length=MOST)])
_BODY = {
    "required": True,
    "description": f"One event ({ONE}), an array of at most {MOST} ({BATCH}), or CloudEvents' binary mode: the"
    " attributes as ce- headers (ce-specversion, ce-id, ce-source, ce-type), percent-encoded, and `data` alone as the body"
    " (application/json). `data_base64` may stand for `data`; extension attributes are passed over.",
    "content": {
        ONE: {"schema": {"$ref": REF.format(model="CloudEventIn")}},
        BATCH: {"schema": _EVENTS.json_schema(ref_template=REF)},
        "application/json": {"schema": {"$ref": REF.format(model="DataIn")}},
    },
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "A dry run: what would be taken, and how it is read. Nothing was kept."},
    400: {"description": "The body is no JSON."},
    401: {"description": "The key is missing or does not work."},
    403: {
        "description": "The key is no vendor's, or the event is of another vendor or its employer, or the employer is suspended."
    },
    409: {"description": "An event with this id said something else before (id-reused). In a batch: among `rejected`."},
    415: {"description": "The content type is none of the three, its charset is not UTF-8, or the body is compressed."},
    422: {"description": "Fields are missing or wrong; `errors` names each."},
    429: {
        "description": "Too much was told of records that were never signed up (too-many-unknown-records). In a batch: among"
        " `rejected`; candidate.signed_up is always taken."
    },
    503: {"description": "Send the same again later: whatever of it had arrived is taken once."},
}


class Wrong(BaseModel):
    """One mistake of an event that was not taken."""

    pointer: str = Field(description="A JSON Pointer into the event (RFC 6901), as a URI fragment.")
    detail: str = Field(description="What is expected there, and what kind of thing was found.")


class Rejected(BaseModel):
    """An event that was not taken, and why."""

    place: int = Field(description="Its place in the array that was sent, from 0.")
    id: str | None = Field(description="Null when it has none that can be read.")
    status: int = Field(description="What it would have been answered alone.")
    type: str = Field(description="The type of the problem, for programs.")
    detail: str
    errors: list[Wrong] = Field(
        description=f"The first {problems.MOST_ERRORS}, if fields are at fault; once {_MOST_TOLD} of a batch are told, the first."
    )


class EventsAnswer(BaseModel):
    """What was taken and how it was read; never what followed from it."""

    accepted: int
    duplicates: int = Field(description="Events that were taken before.")
    rejected: list[Rejected]
    events: list[EventRead] = Field(description="Those that were taken, now or before, in their order.")


@dataclass(frozen=True, slots=True)
class _Judged:
    """An event that can be taken."""

    place: int
    report: Report
    reading: EventRead


def router(
    intake: Intake, backlog: Backlog, tenants: Tenants, clock: Clock, occupations_of: OccupationsOf
) -> APIRouter:
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
        dependencies=[gates.takes_up_to(gates.BATCH_LIMIT)],
    )
    async def take_events(
        request: Request,
        vendor: Annotated[Tenant, Depends(vendor_key)],
        *,
        dry_run: Annotated[bool, Query(description="Judge and answer, and keep nothing.")] = False,
        prefer: Annotated[
            str | None,
            Header(description="`return=minimal` (RFC 7240): a success has no body, as some brokers want it."),
        ] = None,
    ) -> Response:
        sent = _sent(request, await request.body())
        judged, rejected, told = [], [], 0
        look_up = cache(occupations_of)  # a batch names the same titles again and again
        for place, given in enumerate(sent.events):
            most = max(min(problems.MOST_ERRORS, _MOST_TOLD - told), 1)
            try:
                judged.append(_judged(place, sent.open(given), vendor, tenants, clock, look_up, most))
            except Problem as problem:
                if not sent.is_batch:
                    raise
                rejected.append(_rejected(place, given, problem))
                told += len(problem.errors)
            await asyncio.sleep(0)  # a large batch holds up nobody else's request
        if dry_run:
            read = [one.reading for one in judged]
            return await _answer(EventsAnswer(accepted=len(judged), duplicates=0, rejected=rejected, events=read), 200)
        over = await _over_quota(backlog, vendor, judged)
        if over and not sent.is_batch:
            raise too_many_unknown()
        rejected += [_rejected(place, sent.events[place], too_many_unknown()) for place in sorted(over)]
        judged = [one for one in judged if one.place not in over]
        taken = await intake.take([one.report for one in judged])
        reused = [judged[place].place for place in taken.conflicts]
        if reused and not sent.is_batch:
            raise _id_reused()
        rejected += [_rejected(place, sent.events[place], _id_reused()) for place in reused]
        if _is_minimal(prefer) and not rejected:
            return Response(status_code=202, headers={"Preference-Applied": "return=minimal"})
        answer = EventsAnswer(
            accepted=taken.accepted,
            duplicates=taken.duplicates,
            rejected=sorted(rejected, key=lambda one: one.place),
            events=[one.reading for one in judged if one.place not in reused],
        )
        return await _answer(answer, 202)

    @routes.options(
        "/v1/events", summary="The handshake of CloudEvents' webhooks", status_code=200, response_class=Response
    )
    async def allow_origin(request: Request) -> Response:
        return _handshake(request)

    return routes


async def _answer(whole: EventsAnswer, status: int) -> Response:
    """The answer in JSON, written in small steps: that of a thousand events would hold up everybody else."""
    lists: dict[str, Sequence[BaseModel]] = {"rejected": whole.rejected, "events": whole.events}
    parts = [f'{{"accepted":{whole.accepted},"duplicates":{whole.duplicates}']
    for name, ones in lists.items():
        parts.append(f',"{name}":[')
        for place, one in enumerate(ones):
            parts += ["," if place else "", one.model_dump_json()]
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)
        parts.append("]")
    return Response("".join([*parts, "}"]), status, media_type="application/json")


def _is_minimal(prefer: str | None) -> bool:
    wishes = re.split(r"[,;]", prefer or "")
    return any(wish.replace(" ", "").replace('"', "").lower() == "return=minimal" for wish in wishes)


def _handshake(request: Request) -> Response:
    """HTTP 1.1 Web Hooks for Event Delivery, 4: any sender may try; whether it may deliver, its key says."""
    headers = {"Allow": "OPTIONS, POST"}
    origin = request.headers.get("webhook-request-origin")
    if origin is not None:
        if not _ORIGIN.fullmatch(origin):
            raise problems.malformed("The header WebHook-Request-Origin must be a DNS name such as events.example.org.")
        headers |= {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
    return Response(status_code=200, headers=headers)


@dataclass(frozen=True, slots=True)
class _Request:
    """What was sent: events that are yet to be opened."""

    events: list[Any]
    open: Callable[[Any], Envelope]
    is_batch: bool = False


def _sent(request: Request, raw: bytes) -> _Request:
    media = media_type(request.headers.get("content-type", ""))
    if media.name == BATCH:
        return _Request(_batch(_json(media, raw)), envelopes.from_json, is_batch=True)
    if media.name == ONE:
        one = _json(media, raw)
        if isinstance(one, list):
            raise _mixed_up(f"Found an array, with the media type of one event. Send several as {BATCH}.")
        return _Request([one], envelopes.from_json)
    if (media.is_json or not media.name) and "ce-specversion" in request.headers:
        _check_charset(media)
        return _Request([raw], lambda body: envelopes.from_headers(request.headers.raw, body))
    if media.is_json:
        detail = (
            f"Found application/json without the header ce-specversion. Send one event as {ONE}, several as {BATCH}, or"
            " in CloudEvents' binary mode: the attributes as ce- headers, and `data` alone as the body."
        )
        raise Problem(415, "Unsupported media type", detail, headers={"Accept-Post": f"{ONE}, {BATCH}"})
    raise problems.unsupported(ONE, BATCH)


def _mixed_up(detail: str) -> Problem:
    return Problem(422, "Invalid request", detail, type=kind("invalid"))


def _json(media: MediaType, raw: bytes) -> object:
    _check_charset(media)
    return bodies.parse_json(raw)


def _check_charset(media: MediaType) -> None:
    if not media.is_in_utf8:
        detail = "The Content-Type names another charset than UTF-8. Send JSON in UTF-8."
        raise Problem(415, "Unsupported media type", detail, headers={"Accept-Post": f"{ONE}, {BATCH}"})


def _batch(events: object) -> list[Any]:
    if not isinstance(events, list):
        raise _mixed_up(f"Found one event, with the media type of an array of them. Send it as {ONE}.")
    if len(events) > MOST:
        raise _mixed_up(f"Expected at most {MOST} events. Send them in several requests.")
    return events


def _judged(
    place: int,
    given: Envelope,
    vendor: Tenant,
    tenants: Tenants,
    clock: Clock,
    occupations_of: OccupationsOf,
    most: int,
) -> _Judged:
    try:
        event = CloudEventIn.model_validate(given.event)
    except ValidationError as error:
        raise _invalid(error, given, most) from None
    employer = _employer(event, vendor, tenants)
    kept = told(event)
    data = given.event["data"] if isinstance(given.event, dict) else None
    report = Report(
        mark=hashlib.sha256(f"events\n{event.id}".encode()).digest(),
        vendor=vendor.id,
        record=event.data.record,
        employer=employer,
        change=event.change,
        at=clock.now(),
        told=kept,
        happened_at=_happened_at(event.time, clock.now()),
        content=hashlib.sha256(json.dumps([event.type, data], sort_keys=True).encode()).digest(),
        event_id=kept_id(event.id),
        proof="key",
    )
    return _Judged(place, report, readings.read(event, data, given.extensions, kept, occupations_of))


def _happened_at(told: datetime | None, now: datetime) -> datetime | None:
    """The vendor's own time, unless it lies ahead: everything that follows would seem older."""
    return None if told is None or told > now + _CLOCKS_DIFFER else told


def _invalid(error: ValidationError, given: Envelope, most: int) -> Problem:
    place = envelopes.in_header if given.is_binary else envelopes.in_body
    return problems.invalid(map(place, error.errors(include_url=False)), found=plain.found, most=most)


def _employer(event: CloudEventIn, vendor: Tenant, tenants: Tenants) -> str | None:
    """Whose record it is. A deletion is taken whatever employer it names: it says of none whether it is there."""
    if event.source != vendor.id:
        detail = "`source` must be the tenant id that the key is of: a vendor speaks for itself only."
        raise Problem(403, "Forbidden", detail, type=kind("wrong-source"))
    # The vendor's own word: whoever names an employer before it arrived here, or one that is none, is told so at once.
    employer = shown(tenants.get(event.data.employer), None)
    if (
        event.change == "deleted"
    ):  # of a record of the vendor's own, also where the employer's seat is with another by now
        return employer.id if employer is not None and employer.kind == "employer" else None
    if employer is not None and employer.vendor == vendor.id and employer.suspended:
        detail = "This employer is suspended: nobody is taken for it. The operator of the network can say why."
        raise Problem(403, "Forbidden", detail, type=kind("suspended"))
    if employer is None or employer.kind != "employer" or employer.vendor != vendor.id:
        detail = (
            "`data.employer` must be the id of an employer whose present vendor is the one that the key is of. An employer whose seat"
            " was moved to another vendor is none of yours any more."
        )
        raise Problem(403, "Forbidden", detail, type=kind("wrong-employer"))
    return employer.id


async def _over_quota(backlog: Backlog, vendor: Tenant, judged: Sequence[_Judged]) -> frozenset[int]:
    """The places of those of which no more is kept."""
    if all(one.report.change == "signed_up" for one in judged):
        return frozenset()
    full = await backlog.full(vendor.id)
    over = frozenset(one.place for one in judged if one.report.change in full)
    if over:
        backlog.note_refused(len(over))
    return over


def _id_reused() -> Problem:
    return Problem(
        409,
        "Conflict",
        "An event with this `id` was taken before, and its type or data were not the same. Nothing of this one was taken."
        " Give it an id of its own if it is news.",
        type=kind("id-reused"),
    )


def _rejected(place: int, given: object, problem: Problem) -> Rejected:
    return Rejected(
        place=place,
        id=_id_of(given),
        status=problem.status,
        type=problem.type,
        detail=_in_words(problem),
        errors=[Wrong(pointer=_writable(one["pointer"]), detail=_writable(one["detail"])) for one in problem.errors],
    )


def _id_of(given: object) -> str | None:
    found = given.get("id") if isinstance(given, dict) else None
    return _writable(found[:_LONGEST_ID]) if isinstance(found, str) else None


def _in_words(problem: Problem) -> str:
    if not problem.errors:
        return problem.detail
    return _writable("; ".join(f"{error['pointer']} {error['detail']}" for error in problem.errors[:5]))


def _writable(text: str) -> str:
    """Without halves of surrogate pairs, which have no UTF-8: a sender's ids and names of fields may hold them."""
    return text.encode(errors="replace").decode()
