"""`POST /v1/hooks/{format}/{source}`: webhooks of ATS vendors, each in its own format."""

import hashlib
from collections.abc import Mapping

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel

from services.signup.model import Ignored, Malformed, Reading, Report, Source
from services.signup.ports import Format, Intake, Sources
from shared.clock import Clock
from shared.web.problems import Problem, kind, not_found
from shared.web.tenants import Tenants

_log = structlog.get_logger(__name__)


class HookAnswer(BaseModel):
    """What became of a webhook; `ignored` is a success too."""

    status: str


def router(
    formats: Mapping[str, Format], sources: Sources, intake: Intake, tenants: Tenants, clock: Clock
) -> APIRouter:
    """The webhook route."""
    routes = APIRouter(tags=["vendors"])

    @routes.post(
        "/v1/hooks/{format}/{source}",
        summary="Take a webhook of an ATS (Greenhouse)",
        responses={503: {"description": "Send the same again later"}},
    )
    async def take_hook(format: str, source: str, request: Request) -> HookAnswer:  # noqa: A002 - the route's word
        written = formats.get(format)
        found = await sources.find(format, source) if written else None
        if written is None or found is None:
            raise not_found("webhook source")
        raw = await request.body()
        if not written.verify(request.headers, raw, found.secret):
            raise _wrongly_signed()
        _check_standing(found, tenants)
        readings = written.read(raw)
        if isinstance(readings, Malformed):
            raise Problem(422, "Not understood", readings.detail, type=kind(readings.reason.replace("_", "-")))
        if isinstance(readings, Ignored):
            _log.info("hook_ignored", format=format, action=readings.action)
            return HookAnswer(status="ignored")
        event_id = written.event_id(request.headers, raw)
        taken = await intake.take([_report(one, found, event_id, place, clock) for place, one in enumerate(readings)])
        return HookAnswer(status="accepted" if taken.accepted else "duplicate")

    return routes


def _report(one: Reading, source: Source, event_id: str, place: int, clock: Clock) -> Report:
    # Records and event ids are told apart by source: one employer's ATS can neither touch nor hide another's.
    digest = hashlib.sha256(f"{source.format}/{source.source}\n{place}\n{event_id}".encode("utf-8", "replace")).digest()
    return Report(
        digest=digest,
        vendor=source.vendor,
        record=f"{source.source}:{one.record}",
        employer=source.employer,
        change=one.change,
        at=clock.now(),
        told=one.told,
    )


def _check_standing(source: Source, tenants: Tenants) -> None:
    vendor, employer = tenants.get(source.vendor), tenants.get(source.employer)
    if vendor is None or employer is None or vendor.suspended or employer.vendor != source.vendor:
        raise Problem(
            403,
            "Forbidden",
            "This source's vendor is suspended, or no longer the vendor of its employer. The operator can say which.",
            type=kind("source-closed"),
        )


def _wrongly_signed() -> Problem:
    return Problem(
        401,
        "Wrong signature",
        "Expected the body to be signed with this source's secret, in the header that the format names. Found no such "
        "signature. Check the secret on both sides.",
        type=kind("wrong-signature"),
    )
