"""What became of an outreach, and taking it back."""

import re
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.outreach_gateway.api.bodies import DecisionOut, OutreachOut
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.explain import for_operator, for_sender
from services.outreach_gateway.model import Cancel, Rule, State
from services.outreach_gateway.ports import Account, Settled
from shared.web.problems import Problem, kind, not_found
from shared.web.tenants import Tenant

_ID = re.compile(r"o_[A-Za-z0-9_-]{22}")


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`GET` and `DELETE /v1/outreach/{id}`."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type
    Reader = Annotated[Tenant, Depends(edge.tenants.require("employer", "operator"))]  # noqa: N806 - names a type

    @routes.get(
        "/v1/outreach/{id}",
        tags=["outreach"],
        summary="What became of an outreach, and why",
        response_model_exclude_unset=True,
    )
    async def show(id: str, reader: Reader) -> OutreachOut:
        _must_be_an_id(id)
        async with edge.store() as store:
            account = await store.account(id, owner(reader))
        if account is None:
            raise not_found("outreach")
        return shown(account, reader)

    @routes.delete(
        "/v1/outreach/{id}",
        tags=["outreach"],
        status_code=204,
        summary="Take an outreach back that was not admitted yet",
    )
    async def take_back(id: str, employer: Employer) -> Response:
        _must_be_an_id(id)
        async with edge.store() as store:
            row = await store.lock_one(id, employer.id)
            if row is None:
                raise not_found("outreach")
            if row.state in (State.SUBMITTED, State.DELAYED):
                await store.settle([Settled(row, Cancel(Rule.CANCELLED_BY_SENDER), Rule.CANCELLED_BY_SENDER)])
                await store.plan_again([row.candidate])
            elif row.state is not State.CANCELLED:
                raise _too_late(row.state)
        return Response(status_code=204)


def _must_be_an_id(text: str) -> None:
    if not _ID.fullmatch(text):
        raise not_found("outreach")


def owner(reader: Tenant) -> str | None:
    return None if reader.kind == "operator" else reader.id


def shown(account: Account, reader: Tenant) -> OutreachOut:
    """As this reader may see it."""
    out = OutreachOut(
        id=account.id,
        state=account.state.value,
        member_ref=account.member_ref,
        submitted_at=account.submitted_at,
        expires_at=account.expires_at,
        decision=_decision(account, reader),
    )
    return out.model_copy(update={"employer": account.employer}) if reader.kind == "operator" else out


def _decision(account: Account, reader: Tenant) -> DecisionOut | None:
    if account.decision is None or account.decided_at is None or account.policy is None:
        return None
    rule, detail = explained(account.rule, account.state, reader)
    until = account.slot_at if account.state is State.DELAYED else None
    return DecisionOut(
        outcome=account.decision,
        rule=rule,
        policy=account.policy,
        at=max(when(reader, account.decided_at), account.submitted_at),  # the hour, but no answer before its question
        until=_not_before(reader, until) if until else None,
        detail=detail,
    )


def explained(rule: Rule | None, state: State, reader: Tenant) -> tuple[str | None, str]:
    """The rule and its words for this reader; why something bounced is not for the sender."""
    if reader.kind == "operator" and rule is not None:
        return for_operator(rule)
    if rule is None or state is State.BOUNCED:
        return None, "A slot was free."
    return for_sender(rule)


def when(reader: Tenant, moment: datetime) -> datetime:
    """To the hour for a sender: the same moment in two employers' answers would tell that they mean one person."""
    return moment if reader.kind == "operator" else moment.replace(minute=0, second=0, microsecond=0)


def _not_before(reader: Tenant, slot: datetime) -> datetime:
    """The next full hour for a sender: the exact slot tells to the millisecond when a rival wrote."""
    hour = when(reader, slot)
    return hour if hour == slot else hour + timedelta(hours=1)


def _too_late(state: State) -> Problem:
    return Problem(
        409,
        "Too late",
        f"The outreach is {state}; only one that is submitted or delayed can be taken back.",
        type=kind("too-late"),
    )
