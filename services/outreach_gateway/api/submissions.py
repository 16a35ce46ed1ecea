"""Submitting outreach: what comes in is checked, sealed and kept before it is answered."""

import asyncio
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Header

from services.outreach_gateway.api.bodies import OutreachRequest, SubmittedOut
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.model import Policy
from services.outreach_gateway.ports import Submission
from shared.contracts.outreach_gateway import Job, Pay, Words
from shared.security import encoding
from shared.security.words import seal_words
from shared.web.problems import Problem, invalid, kind, malformed, not_found
from shared.web.tenants import Tenant

_KEY_WITHIN = timedelta(seconds=10)  # longer than a rebalance of the group that brings keys
_CLOCKS_DIFFER = timedelta(minutes=5)
_EXPIRY_RANGE = "must be in the future and at most 14 days ahead"


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`POST /v1/outreach`."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type

    @routes.post("/v1/outreach", tags=["outreach"], status_code=202, summary="Write to a member of one of your pools")
    async def submit(
        request: OutreachRequest,
        employer: Employer,
        idempotency_key: Annotated[
            str | None, Header(max_length=255, description="Required: a value of your own for this message.")
        ] = None,
    ) -> SubmittedOut:
        """Accepted is not sent: read the decision at `/v1/outreach/{id}` or from the feed.

        The same Idempotency-Key with the same body is the same outreach; with another body it is refused (422).
        """
        if not idempotency_key or not idempotency_key.isprintable():
            raise malformed(
                "Send an Idempotency-Key header: a value of your own for this message, up to 255 characters."
            )
        candidate = edge.refs.read(request.member_ref, employer.id)
        if candidate is None:
            raise not_found("member")
        now = edge.clock.now()
        expires_at = _expiry(request.expires_at, now, edge.policy)
        outreach = outreach_id(edge.outreach_id_key, employer.id, idempotency_key)
        sealed = seal_words(_words(request, outreach), await _public_key(edge, candidate))
        digest = _digest(edge.outreach_id_key, request)
        async with edge.desk() as desk:
            kept = await desk.submit(
                Submission(
                    id=outreach,
                    employer=employer.id,
                    candidate=candidate,
                    member_ref=request.member_ref,
                    digest=digest,
                    sealed=sealed,
                    at=now,
                    expires_at=expires_at,
                    held_until=now + edge.policy.held_for_grant,
                )
            )
        if kept != digest:
            raise _reused()
        return SubmittedOut(id=outreach)


def outreach_id(key: bytes, tenant: str, idempotency_key: str) -> str:
    """The same tenant and Idempotency-Key always name the same outreach."""
    digest = hmac.digest(key, f"id\0{tenant}\0{idempotency_key}".encode(), hashlib.sha256)
    return "o_" + encoding.encode(digest[:16])


def _digest(key: bytes, request: OutreachRequest) -> bytes:
    canonical = json.dumps(request.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hmac.digest(key, f"body\0{canonical}".encode(), hashlib.sha256)


def _expiry(asked: datetime | None, now: datetime, policy: Policy) -> datetime:
    latest = now + policy.latest_slot
    if asked is None:
        return latest
    if not now < asked <= latest + _CLOCKS_DIFFER:
        error = ValueError(_EXPIRY_RANGE)
        raise invalid([{"loc": ("body", "expires_at"), "type": "value_error", "ctx": {"error": error}}])
    return asked


async def _public_key(edge: Edge, candidate: str) -> str:
    try:
        async with asyncio.timeout(_KEY_WITHIN.total_seconds()):
            while True:
                async with edge.desk() as desk:
                    key = await desk.public_key(candidate)
                if key is not None:
                    return key
                await asyncio.sleep(0.2)
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
