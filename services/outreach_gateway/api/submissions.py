"""Submitting outreach: what comes in is checked, sealed and kept before it is answered."""

import asyncio
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Annotated, Any, assert_never

from fastapi import APIRouter, Depends, Header, Request
from pydantic import ValidationError

from services.outreach_gateway.api.bodies import OutreachRequest, SubmittedOut
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.calendar import is_still_open
from services.outreach_gateway.model import Policy, PublicKey
from services.outreach_gateway.ports import Submission
from shared.contracts.outreach_gateway import Job, Pay, Words
from shared.facts import Known, Unknown
from shared.security import encoding
from shared.security.words import seal_words
from shared.web.bodies import parse_json
from shared.web.openapi import REF
from shared.web.problems import Problem, invalid, invalid_model, kind, malformed, not_found, unsupported
from shared.web.tenants import Tenant

_KEY_WITHIN = timedelta(seconds=10)  # longer than a rebalance of the group that brings keys
_CLOCKS_DIFFER = timedelta(minutes=5)
_BODY: dict[str, Any] = {
    "required": True,
    "content": {"application/json": {"schema": OutreachRequest.model_json_schema(ref_template=REF)}},
}


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`POST /v1/outreach`."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type

    @routes.post(
        "/v1/outreach",
        tags=["outreach"],
        status_code=202,
        summary="Write to a member of one of your pools",
        openapi_extra={"requestBody": _BODY},
    )
    async def submit(
        request: Request,
        employer: Employer,
        idempotency_key: Annotated[
            str | None, Header(max_length=255, description="Required: a value of your own for this message.")
        ] = None,
    ) -> SubmittedOut:
        """Accepted is not sent: read the decision at `/v1/outreach/{id}` or from the feed.

        The same Idempotency-Key with the same body is the same outreach; with another body it is refused (422). An outreach is
        kept for 110 days after it ended: from then on its key is as good as new, and sent again it is a new message.
        """
        if not idempotency_key or not idempotency_key.isprintable():
            raise malformed(
                "Send an Idempotency-Key header: a value of your own for this message, up to 255 characters."
            )
        if not _is_json(request.headers.get("content-type", "")):
            raise unsupported("application/json")
        sent = parse_json(await request.body())
        outreach = outreach_id(edge.outreach_id_key, employer.id, idempotency_key)
        digest = _digest(edge.outreach_id_key, sent)
        async with edge.store() as store:
            kept = await store.digest_of(outreach)
        if kept is None:
            # What was taken before is recognized whatever has become of it since; only what is new is judged.
            kept = await _take(edge, employer, outreach, sent, digest)
        if kept != digest:
            raise _reused()
        return SubmittedOut(id=outreach)


async def _take(edge: Edge, employer: Tenant, outreach: str, sent: object, digest: bytes) -> bytes:
    """Checks, seals and keeps it; the digest of what stands under its id now."""
    now = edge.clock.now()
    try:
        request = OutreachRequest.model_validate(sent)
    except ValidationError as error:
        raise invalid_model(error) from None
    if not is_still_open(request.job.valid_through, at=now):
        raise _wrong(("job", "valid_through"), "must not be in the past: write about a job that is still open")
    candidate = edge.refs.read(request.member_ref, employer.id)
    if candidate is None:
        raise not_found("member")
    expires_at = _expiry(request.expires_at, now, edge.policy)
    sealed = seal_words(_words(request, outreach), await _public_key(edge, candidate))
    async with edge.store() as store:
        return await store.submit(
            Submission(
                id=outreach,
                employer=employer.id,
                candidate=candidate,
                member_ref=request.member_ref,
                digest=digest,
                sealed=sealed,
                at=now,
                expires_at=expires_at,
                valid_through=request.job.valid_through,
                held_until=now + edge.policy.held_for_grant,
            )
        )


def outreach_id(key: bytes, tenant: str, idempotency_key: str) -> str:
    """The same tenant and Idempotency-Key always name the same outreach."""
    digest = hmac.digest(key, f"id\0{tenant}\0{idempotency_key}".encode(), hashlib.sha256)
    return "o_" + encoding.encode(digest[:16])


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _digest(key: bytes, sent: object) -> bytes:
    """Of what was sent, not of how it is read: no later rule can make the same request another one."""
    try:
        canonical = json.dumps(sent, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise malformed("The JSON is nested too deep.") from None
    return hmac.digest(key, f"body\0{canonical}".encode(), hashlib.sha256)


def _expiry(asked: datetime | None, now: datetime, policy: Policy) -> datetime:
    latest = now + policy.latest_slot
    if asked is None:
        return latest
    if not now < asked <= latest + _CLOCKS_DIFFER:
        raise _wrong(("expires_at",), "must be in the future and at most 14 days ahead")
    return asked


def _wrong(field: tuple[str, ...], sentence: str) -> Problem:
    return invalid([{"loc": ("body", *field), "type": "value_error", "ctx": {"error": ValueError(sentence)}}])


async def _public_key(edge: Edge, candidate: str) -> PublicKey:
    try:
        async with asyncio.timeout(_KEY_WITHIN.total_seconds()):
            while True:
                async with edge.store() as store:
                    key = await store.public_key(candidate)
                match key:
                    case Known(told):
                        return told
                    case Unknown():
                        await asyncio.sleep(0.2)
                    case _:
                        assert_never(key)
    except TimeoutError:
        raise Problem(
            503,
            "Not ready for this member yet",
            "The member's key has not arrived here yet. Send the same request again in a few seconds.",
            headers={"Retry-After": "5"},
        ) from None


def _words(request: OutreachRequest, outreach: str) -> Words:
    job, pay = request.job, request.job.pay
    return Words(
        outreach=outreach,
        subject=request.subject,
        body=request.body,
        job=Job(
            title=job.title,
            occupation=job.occupation,
            organization=job.organization,
            location=job.location,
            remote=job.remote,
            pay=Pay(min=pay.min, max=pay.max, currency=pay.currency, per=pay.per),
            url=job.url,
            valid_through=job.valid_through.isoformat(),
        ),
    )


def _reused() -> Problem:
    return Problem(
        422,
        "Idempotency-Key used for another message",
        "This key came before with another body. Use a new key for a new message, or send the first body again.",
        type=kind("idempotency-key-reused"),
    )
