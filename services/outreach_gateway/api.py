"""Requests in: what employers submit, ask about and take back."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends, Header, Query, Response

from services.outreach_gateway.adapters.postgres import SQL, PostgresOutreach, outreach_of
from services.outreach_gateway.adapters.redis_windows import RedisWindows
from services.outreach_gateway.explain import for_operator, for_sender
from services.outreach_gateway.handlers import give_back
from services.outreach_gateway.model import Cancel, Policy, Rule, State
from services.outreach_gateway.ports import Settled
from services.outreach_gateway.requests import OutreachRequest
from services.outreach_gateway.settings import GatewaySettings
from shared.contracts.base import rfc3339
from shared.contracts.outreach_gateway import Job, OutreachRequestedV1, Pay, Words
from shared.security import encoding
from shared.security.member_refs import MemberRefs
from shared.security.words import seal_words
from shared.service import Service
from shared.web.problems import Problem, invalid, kind, malformed, not_found
from shared.web.tenants import Tenant

_KEY_WITHIN = timedelta(seconds=2)
_PAGE = 200


def router(service: Service, settings: GatewaySettings, policy: Policy, windows: RedisWindows) -> APIRouter:
    """The gateway's routes."""
    routes = APIRouter(tags=["outreach"])
    refs = MemberRefs(settings.member_ref_key)
    employer = Depends(service.tenants.require("employer"))
    reader = Depends(service.tenants.require("employer", "operator"))

    @routes.post("/v1/outreach", status_code=202, summary="Write to a member of one of your pools")
    async def submit(
        request: OutreachRequest,
        tenant: Annotated[Tenant, employer],
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
    ) -> dict[str, str]:
        """Accepted is not sent: read the decision at /v1/outreach/{id} or from the feed.

        The same Idempotency-Key with the same body is the same outreach; with another body it is refused (422).
        """
        if not idempotency_key or not idempotency_key.isprintable():
            raise malformed(
                "Send an Idempotency-Key header: a value of your own for this message, up to 255 characters."
            )
        now = service.clock.now()
        expires_at = _expiry(request.expires_at, now, policy)
        candidate = refs.read(request.member_ref, tenant.id)
        if candidate is None:
            raise not_found("member")
        id = outreach_id(settings.outreach_id_key, tenant.id, idempotency_key)
        sealed = seal_words(_words(request, id), await _public_key(service, candidate))
        digest = request_digest(settings.outreach_id_key, request)
        async with service.work() as unit:
            fresh = await unit.connection.fetchval(
                SQL["submit"],
                id,
                tenant.id,
                candidate,
                request.member_ref,
                digest,
                sealed,
                now,
                expires_at,
                now + policy.held_for_grant,
            )
            if fresh is None:
                if await unit.connection.fetchval(SQL["digest_of"], id) != digest:
                    raise _reused()
            else:
                unit.publish(
                    OutreachRequestedV1(
                        outreach=id, employer=tenant.id, candidate=candidate, at=now, expires_at=expires_at
                    ),
                    id=id,
                )
        return {"id": id, "state": State.SUBMITTED}

    @routes.get("/v1/outreach/{id}", summary="What became of an outreach, and why")
    async def show(id: str, tenant: Annotated[Tenant, reader]) -> dict[str, Any]:
        owner = None if tenant.kind == "operator" else tenant.id
        row = await service.pool.fetchrow(SQL["one"], id, owner)
        if row is None:
            raise not_found("outreach")
        return _shown(row, operator=tenant.kind == "operator")

    @routes.get("/v1/outreach", summary="State changes of your outreach, oldest first")
    async def feed(
        tenant: Annotated[Tenant, reader],
        after: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> dict[str, Any]:
        """`next` is where to go on; ask again with `after` set to it, also when `items` is empty."""
        xid, last = _cursor(after)
        owner = None if tenant.kind == "operator" else tenant.id
        rows = await service.pool.fetch(SQL["feed"], owner, xid, last, limit)
        explain = for_operator if tenant.kind == "operator" else for_sender
        items = [
            {
                "id": str(row["id"]),
                "outreach": row["outreach"],
                "state": row["state"],
                "rule": explain(Rule(row["rule"]))[0] if row["rule"] else None,
                "at": rfc3339(row["at"]),
            }
            for row in rows
        ]
        return {"items": items, "next": _cursor_text(rows[-1]["xid"], rows[-1]["id"]) if rows else after}

    @routes.delete("/v1/outreach/{id}", status_code=204, summary="Take an outreach back that was not admitted yet")
    async def take_back(id: str, tenant: Annotated[Tenant, employer]) -> Response:
        async with service.work() as unit:
            store = PostgresOutreach(unit, policy)
            epoch = await store.hold_epoch()
            found = await unit.connection.fetchrow(SQL["lock_one"], id, tenant.id)
            if found is None:
                raise not_found("outreach")
            row = outreach_of(found)
            if row.state is State.CANCELLED:
                return Response(status_code=204)
            if row.state not in (State.SUBMITTED, State.DELAYED):
                raise Problem(
                    409,
                    "Too late",
                    f"The outreach is {row.state}; only one that is submitted or delayed can be taken back.",
                    type=kind("too-late"),
                )
            settled = [Settled(row, Cancel(Rule.CANCELLED_BY_SENDER), Rule.CANCELLED_BY_SENDER)]
            await give_back(windows, settled, epoch)
            await store.settle(settled)
        return Response(status_code=204)

    @routes.get("/v1/policy", summary="The network's rules, as they are applied now")
    async def show_policy() -> dict[str, Any]:
        return {
            "version": policy.version,
            "first_contact": {
                "at_most": [{"number": n, "days": window / timedelta(days=1)} for n, window in policy.network],
                "gap_hours": policy.gap / timedelta(hours=1),
                "same_employer_days": policy.same_employer / timedelta(days=1),
                "unanswered_after_days": policy.unanswered_after / timedelta(days=1),
                "halve_after_unanswered": policy.halve_after_unanswered,
            },
            "hours": {
                "opens": policy.opens.isoformat("minutes"),
                "closes": policy.closes.isoformat("minutes"),
                "unknown_zone": list(policy.unknown_zone),
            },
            "slot_good_for_minutes": policy.slot_good_for / timedelta(minutes=1),
        }

    return routes


def outreach_id(key: bytes, tenant: str, idempotency_key: str) -> str:
    """The same tenant and Idempotency-Key always name the same outreach."""
    digest = hmac.digest(key, f"id\0{tenant}\0{idempotency_key}".encode(), hashlib.sha256)
    return "o_" + encoding.encode(digest[:16])


def request_digest(key: bytes, request: OutreachRequest) -> bytes:
    """Keyed, so that what was written can't be confirmed by guessing."""
    canonical = json.dumps(request.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hmac.digest(key, f"body\0{canonical}".encode(), hashlib.sha256)


def _expiry(asked: datetime | None, now: datetime, policy: Policy) -> datetime:
    latest = now + policy.latest_slot
    if asked is None:
        return latest
    if not now < asked <= latest + timedelta(minutes=5):
        raise invalid(
            [{"loc": ("body", "expires_at"), "type": "value_error", "ctx": {"error": ValueError(_EXPIRY_RANGE)}}]
        )
    return asked


_EXPIRY_RANGE = "must be in the future and at most 14 days ahead"


async def _public_key(service: Service, candidate: str) -> str:
    give_up = asyncio.get_running_loop().time() + _KEY_WITHIN.total_seconds()
    while True:
        key: str | None = await service.pool.fetchval(SQL["public_key"], candidate)
        if key is not None:
            return key
        if asyncio.get_running_loop().time() > give_up:
            raise Problem(
                503,
                "Not ready for this member yet",
                "The member's key has not arrived here yet. Send the same request again in a few seconds.",
                headers={"Retry-After": "5"},
            )
        await asyncio.sleep(0.1)


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


def _shown(row: asyncpg.Record, *, operator: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": row["id"],
        "state": row["state"],
        "member_ref": row["member_ref"],
        "submitted_at": rfc3339(row["submitted_at"]),
        "expires_at": rfc3339(row["expires_at"]),
        "decision": None,
    }
    if operator:
        shown["employer"] = row["employer"]
    if row["decision"] is not None:
        rule = Rule(row["rule"]) if row["rule"] else None
        name, detail = (for_operator if operator else for_sender)(rule) if rule else (None, "A slot was free.")
        shown["decision"] = {
            "outcome": row["decision"],
            "rule": name,
            "policy": row["policy"],
            "at": rfc3339(row["decided_at"]),
            "until": rfc3339(row["slot_at"]) if row["state"] == State.DELAYED else None,
            "detail": detail,
        }
    return shown


def _cursor(text: str | None) -> tuple[str, int]:
    if text is None:
        return "0", 0
    try:
        xid, _, last = base64.urlsafe_b64decode(text.encode() + b"==").decode().partition(".")
        if not 0 <= int(xid) < 2**63 or not 0 <= int(last) < 2**63:
            raise ValueError
        return str(int(xid)), int(last)
    except ValueError:
        raise Problem(
            422, "Invalid cursor", "`after` must be a `next` that this feed gave you; leave it out to begin."
        ) from None


def _cursor_text(xid: str, last: int) -> str:
    return encoding.encode(f"{xid}.{last}".encode())
