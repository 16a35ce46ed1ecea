"""What became of an outreach, other words for it, and taking it back."""

import re
from dataclasses import replace
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Response

from services.outreach_gateway.answers import Course, News, Told, in_words, known_at, sent_on, told_at
from services.outreach_gateway.api import pool_messages
from services.outreach_gateway.api.bodies import (
    DecisionOut,
    OperatorOutreachOut,
    OperatorPoolOutreachOut,
    OutreachOut,
    PoolOutreachOut,
)
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.explain import in_plain_words
from services.outreach_gateway.model import State
from services.outreach_gateway.ports.requests import Account
from shared.web.problems import Problem, kind, not_found
from shared.web.tenants import Tenant

_ID = re.compile(r"o_[A-Za-z0-9_-]{22}")
_log = structlog.get_logger(__name__)


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`GET` and `DELETE /v1/outreach/{id}`."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type
    Reader = Annotated[Tenant, Depends(edge.tenants.require("employer", "operator"))]  # noqa: N806 - names a type

    @routes.get("/v1/outreach/{id}", tags=["outreach"], summary="What became of an outreach")
    async def show(
        id: str, reader: Reader
    ) -> OutreachOut | PoolOutreachOut | OperatorOutreachOut | OperatorPoolOutreachOut:
        """An employer is told whether it was sent, and on which day; nobody's reason. The operator sees what was decided, and why."""
        must_be_an_id(id)
        async with edge.store() as store:
            account = await store.account(id, owner(reader))
        if reader.kind == "operator":
            operator_looked(reader, "outreach", outreach=id)
            return await pool_messages.in_full(edge, id) if account is None else in_full(account)
        return await pool_messages.show(edge, id, reader.id) if account is None else shown(edge, account)

    @routes.delete("/v1/outreach/{id}", tags=["outreach"], status_code=204, summary="Take back an outreach that waits")
    async def take_back(id: str, employer: Employer) -> Response:
        """Whatever has become of it meanwhile the answer is the same: it is not sent, unless it has gone out by now; then it
        becomes `sent` when the day of its sending is told. Its person stays closed to you as after a
        message that was not sent, and if it had gone out as after one that was."""
        must_be_an_id(id)
        async with edge.store() as store:
            taken = await store.lock_one(id, employer.id)
            if taken is None:
                await pool_messages.take_back(edge, id, employer.id)
            elif taken.told is Told.WAITING:
                now = edge.clock.now()
                tell_at = told_at(replace(taken.course, taken_back_at=now), edge.ticks, employer.id)
                await store.take_back(employer.id, taken, tell_at, News(id, Told.CANCELLED, None, now))
            elif taken.told is not Told.CANCELLED:
                raise too_late(taken.told)
        return Response(status_code=204)


def must_be_an_id(text: str) -> None:
    """A 404 for what no outreach is named."""
    if not _ID.fullmatch(text):
        raise not_found("outreach")


def owner(reader: Tenant) -> str | None:
    """Whose outreach this reader may see; None: everybody's."""
    return None if reader.kind == "operator" else reader.id


def operator_looked(operator: Tenant, what: str, **ids: str) -> None:
    """Leaves a trace of who saw more than an employer may; ids of outreach and employers alone."""
    _log.info("operator_looked", operator=operator.id, what=what, **ids)


def shown(edge: Edge, account: Account, detail: str | None = None) -> OutreachOut:
    """As its employer is told of it."""
    course, told = account.course, account.told
    return OutreachOut(
        id=account.id,
        state=told,
        member_ref=account.member_ref,
        submitted_at=course.submitted_at,
        expires_at=course.last_day,
        sent_on=sent_on(course) if told is Told.SENT else None,
        known_by=known_at(course, edge.ticks, account.employer).date(),
        policy=edge.policy.version,  # the row's own would say whether something was decided
        detail=detail or in_words(told, course, edge.ticks, account.employer),
    )


def in_full(account: Account) -> OperatorOutreachOut:
    """As it is, for the operator."""
    course = account.course
    return OperatorOutreachOut(
        id=account.id,
        employer=account.employer,
        state=course.state,
        told=account.told,
        member_ref=account.member_ref,
        submitted_at=course.submitted_at,
        expires_at=account.expires_at,
        sent_at=course.sent_at,
        taken_back_at=course.taken_back_at,
        decision=_decision(account, course),
    )


def _decision(account: Account, course: Course) -> DecisionOut | None:
    if account.decision is None or account.decided_at is None or account.policy is None:
        return None
    return DecisionOut(
        outcome=account.decision,
        rule=account.rule.value if account.rule else None,
        policy=account.policy,
        at=account.decided_at,
        until=account.slot_at if course.state is State.DELAYED else None,
        detail=in_plain_words(account.rule),
    )


def too_late(told: Told) -> Problem:
    """A 409 for what ended before."""
    return Problem(
        409,
        "Too late",
        f"The outreach is {told}; only one that is waiting can be taken back or get other words.",
        type=kind("too-late"),
    )
