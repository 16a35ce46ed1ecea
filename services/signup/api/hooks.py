"""`POST /v1/hooks/{format}/{source}`: webhooks of ATS vendors, each in its own format."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Path, Request
from prometheus_client import Counter
from pydantic import BaseModel, Field

from services.signup.api import hook_readings
from services.signup.api.hook_readings import HookRead, why
from services.signup.api.quota import too_many_unknown
from services.signup.api.readings import OccupationsOf
from services.signup.decisions.provenance import kept_id
from services.signup.model.hooks import PASSED_OVER, Ignored, Malformed, Reading, Source
from services.signup.model.reports import Report
from services.signup.ports.intake import Backlog, Format, Intake, Sources, SourceShutError
from shared.clock import Clock
from shared.facts import Unknown
from shared.web import gates
from shared.web.direct import DirectRoute
from shared.web.problems import Problem, kind, not_found
from shared.web.tenants import Tenants

_log = structlog.get_logger(__name__)
HOOKS_IGNORED = Counter(
    "fairpool_hooks_ignored_total",
    "Webhooks that were understood and passed over: the name of a documented action, or the reason.",
    ["reason"],
)
for _reason in PASSED_OVER:
    HOOKS_IGNORED.labels(_reason)
_HEADERS = [
    {
        "name": "Signature",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "`sha256 ` and the HMAC-SHA256 of the raw body with the source's secret, in hex.",
    },
    {
        "name": "Greenhouse-Event-ID",
        "in": "header",
        "schema": {"type": "string"},
        "description": "With the body, what recognizes a repetition; so does the body alone, while nothing else was told"
        " of the record since. Another body under the same id is another event.",
    },
]
_BODY = {
    "required": True,
    "description": "As Greenhouse writes it: `action`, such as new_candidate_application, update_candidate,"
    " hire_candidate, merge_candidate, delete_candidate or candidate_anonymized, and `payload` with the candidate at application.candidate, candidate,"
    " prospect or person: id, first_name, last_name, title, email_addresses, phone_numbers, addresses, employments,"
    " tags. Other fields are passed over, other actions are ignored.",
    "content": {"application/json": {"schema": {"type": "object"}}},
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    401: {"description": "The body is not signed with this source's secret."},
    403: {"description": "The source's vendor or employer is suspended; a deletion is taken all the same."},
    410: {
        "description": "The seat of the source's employer is with another vendor, or with none: but for deletions nothing is taken here any more."
    },
    404: {"description": "There is no such source, or the format is not supported."},
    422: {"description": "The body can't be understood."},
    429: {
        "description": "Too much was told of records that were never signed up: send the same again when Retry-After says."
    },
    503: {"description": "Send the same again later: whatever of it had arrived is taken once."},
}


class HookAnswer(BaseModel):
    """What became of a webhook."""

    status: Literal["accepted", "duplicate", "ignored"] = Field(
        description="All are success. duplicate: it was accepted before. ignored: it is none of our business, or about"
        " somebody who can't be mailed or has an address in a territory, outside of the 50 states and the District of Columbia."
    )
    reason: str | None = Field(None, description="Why it was ignored, for programs; `detail` says it in words.")
    detail: str | None = None
    read: HookRead | None = Field(None, description="How it was read, unless it was ignored.")


def router(
    formats: Mapping[str, Format],
    sources: Sources,
    intake: Intake,
    backlog: Backlog,
    tenants: Tenants,
    clock: Clock,
    occupations_of: OccupationsOf,
) -> APIRouter:
    """The webhook route."""
    routes = APIRouter(tags=["vendors"], route_class=DirectRoute)

    @routes.post(
        "/v1/hooks/{format}/{source}",
        summary="Take a webhook of an ATS (Greenhouse)",
        description="Needs a signature instead of a key. An operator sets sources up with POST /v1/sources.",
        response_model_exclude_none=True,
        responses=_ANSWERS,
        openapi_extra={"parameters": _HEADERS, "requestBody": _BODY},
        dependencies=[gates.takes_up_to(gates.BATCH_LIMIT)],
    )
    async def take_hook(
        format: Annotated[str, Path(description="greenhouse")],  # noqa: A002 - the route's word
        source: Annotated[str, Path(description="The name that the operator gave to the source.")],
        request: Request,
    ) -> HookAnswer:
        written = formats.get(format)
        if written is None:
            raise _unsupported(formats)
        found = await _found(sources, format, source)
        if found is None:
            raise not_found("webhook source")
        if not written.has_signature(request.headers):
            raise _wrongly_signed(written)
        raw = await request.body()
        if not _is_signed(written, request, raw, found):
            found = await _found(sources, format, source, fresh=True)  # another replica may have taken a new secret
            if found is None or not _is_signed(written, request, raw, found):
                raise _wrongly_signed(written)
        gates.note_tenant(request.scope, found.vendor)
        readings = written.read(raw, at=clock.now())
        if not _is_deletion(readings):
            _check_standing(found, tenants)
        if isinstance(readings, Malformed):
            raise Problem(422, "Not understood", readings.detail, type=kind(readings.reason.replace("_", "-")))
        if isinstance(readings, Ignored):
            HOOKS_IGNORED.labels(readings.action).inc()
            _log.info("hook_ignored", format=format, action=readings.action)
            said = why(readings, ats=format.title())
            return HookAnswer(status="ignored", reason=said.reason, detail=said.detail)
        changes = {one.change for one in readings} - {"signed_up"}
        if changes and changes & await backlog.full(found.vendor):
            backlog.note_refused(len(readings))
            raise too_many_unknown()
        event_id = written.event_id(request.headers, raw)
        taken = await intake.take(
            [_report(one, found, event_id, raw, place, clock) for place, one in enumerate(readings)]
        )
        return HookAnswer(
            status="accepted" if taken.accepted else "duplicate",
            read=hook_readings.read(readings[0], occupations_of) if readings else None,
        )

    return routes


async def _found(sources: Sources, format_: str, source: str, *, fresh: bool = False) -> Source | None:
    try:
        return await sources.find(format_, source, fresh=fresh)
    except SourceShutError:
        raise Problem(
            503,
            "This source waits for its operator",
            "The secret of this source can't be read here any more, so nobody can say who signed. The operator of the network has to set"
            " another one. Send the same again later.",
            type=kind("source-shut"),
            headers={"Retry-After": "600"},
        ) from None


def _is_signed(written: Format, request: Request, raw: bytes, source: Source) -> bool:
    return any(written.verify(request.headers, raw, secret) for secret in source.secrets)


def _report(one: Reading, source: Source, event_id: str, raw: bytes, place: int, clock: Clock) -> Report:
    # Records and event ids are told apart by source: one employer's ATS can neither touch nor hide another's.
    own = f"{source.format}/{source.source}\n{place}"
    content = hashlib.sha256(raw).digest()
    return Report(
        # Of the two only the body is signed: other content under an id that was used is another event.
        mark=hashlib.sha256(f"{own}\n{event_id}\n".encode("utf-8", "replace") + content).digest(),
        vendor=source.vendor,
        record=f"{source.source}:{one.record}",
        employer=source.employer,
        change=one.change,
        into=None if one.into is None else f"{source.source}:{one.into}",
        at=clock.now(),
        told=one.told,
        content=content,
        by_content=True,
        event_id=kept_id(event_id),
        proof="signature",
    )


def _unsupported(formats: Iterable[str]) -> Problem:
    return Problem(
        404,
        "Not found",
        f"Webhooks of this format are not supported. Supported: {', '.join(sorted(formats))}. "
        "Any other system can send CloudEvents to POST /v1/events.",
        type=kind("unsupported-format"),
    )


def _is_deletion(readings: Sequence[Reading] | Ignored | Malformed) -> bool:
    """Whether it takes away the source's own records and says nothing else: that is heard whoever has the seat, and of the suspended too.

    An ATS purges what it has when a contract has ended, which is after the seat was moved; so do events (`events._employer`).
    """
    return isinstance(readings, Sequence) and bool(readings) and all(one.change == "deleted" for one in readings)


def _check_standing(source: Source, tenants: Tenants) -> None:
    """Both were in the network when an operator named them here: of whom nothing has arrived is waited for."""
    vendor, employer = tenants.get(source.vendor), tenants.get(source.employer)
    if isinstance(vendor, Unknown) or isinstance(employer, Unknown):
        raise Problem(
            503,
            "Not ready for this source yet",
            "What the network says of this source's vendor or employer has not arrived here yet. Send the same again later.",
            headers={"Retry-After": "5"},
        )
    if (employer.value.vendor or employer.value.id) != source.vendor:
        raise Problem(
            410,
            "The seat was moved",
            "The employer of this source has another vendor now, or none: but for deletions nothing is taken here any more, and nothing"
            " that was taken before is undone. Leave the web hooks of deletions on, and switch the others off. The operator sets up a"
            " source of the present vendor's.",
            type=kind("seat-moved"),
        )
    if vendor.value.suspended or employer.value.suspended:
        raise Problem(
            403,
            "Forbidden",
            "This source's vendor or employer is suspended. The operator can say which.",
            type=kind("source-closed"),
        )


def _wrongly_signed(written: Format) -> Problem:
    return Problem(
        401,
        "Wrong signature",
        f"Expected the header {written.signed_as}, of the body's bytes as they are sent, with this source's secret. Found no such "
        "signature. Check the secret on both sides.",
        type=kind("wrong-signature"),
    )
