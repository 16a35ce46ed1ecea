"""What became of outreach: one by one, as a feed, and taking one back."""

import re
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from services.outreach_gateway.api.bodies import ChangeOut, ChangesOut, DecisionOut, OutreachOut
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.explain import for_operator, for_sender
from services.outreach_gateway.model import Cancel, Rule, State
from services.outreach_gateway.ports import Account, Position, Settled
from shared.web.problems import Problem, invalid, kind, not_found
from shared.web.tenants import Tenant

_ID = re.compile(r"o_[A-Za-z0-9_-]{22}")
_PAGE = 200
_BAD_CURSOR = "must be a `next` that this feed gave you, unchanged; leave it out to start from the beginning"


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`GET /v1/outreach`, `GET` and `DELETE /v1/outreach/{id}`."""
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
        async with edge.desk() as desk:
            account = await desk.account(id, _owner(reader))
        if account is None:
            raise not_found("outreach")
        return _shown(account, reader)

    @routes.get("/v1/outreach", tags=["outreach"], summary="State changes of your outreach, oldest first")
    async def feed(
        reader: Reader,
        after: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> ChangesOut:
        """`next` is where to go on; ask again with `after` set to it, also when `items` is empty."""
        position = _position(edge, reader, after)
        async with edge.desk() as desk:
            changes = await desk.changes(_owner(reader), after=position, limit=limit)
        explain = for_operator if reader.kind == "operator" else for_sender
        items = [
            ChangeOut(
                id=_cursor(edge, reader, change.position),
                outreach=change.outreach,
                state=change.state.value,
                rule=explain(change.rule)[0] if change.rule else None,
                at=_when(reader, change.at),
            )
            for change in changes
        ]
        return ChangesOut(items=items, next=_cursor(edge, reader, changes[-1].position) if changes else after)

    @routes.delete(
        "/v1/outreach/{id}",
        tags=["outreach"],
        status_code=204,
        summary="Take an outreach back that was not admitted yet",
    )
    async def take_back(id: str, employer: Employer) -> Response:
        _must_be_an_id(id)
        async with edge.desk() as desk:
            epoch = await desk.hold_epoch()
            row = await desk.lock_one(id, employer.id)
            if row is None:
                raise not_found("outreach")
            if row.state in (State.SUBMITTED, State.DELAYED):
                await edge.windows.release([row], epoch)
                await desk.settle([Settled(row, Cancel(Rule.CANCELLED_BY_SENDER), Rule.CANCELLED_BY_SENDER)])
            elif row.state is not State.CANCELLED:
                raise _too_late(row.state)
        return Response(status_code=204)


def _must_be_an_id(text: str) -> None:
    if not _ID.fullmatch(text):
        raise not_found("outreach")


def _owner(reader: Tenant) -> str | None:
    return None if reader.kind == "operator" else reader.id


def _shown(account: Account, reader: Tenant) -> OutreachOut:
    shown = OutreachOut(
        id=account.id,
        state=account.state.value,
        member_ref=account.member_ref,
        submitted_at=account.submitted_at,
        expires_at=account.expires_at,
        decision=_decision(account, reader),
    )
    return shown.model_copy(update={"employer": account.employer}) if reader.kind == "operator" else shown


def _decision(account: Account, reader: Tenant) -> DecisionOut | None:
    if account.decision is None or account.decided_at is None or account.policy is None:
        return None
    rule, detail = None, "A slot was free."
    if account.rule is not None:
        rule, detail = (for_operator if reader.kind == "operator" else for_sender)(account.rule)
    until = account.slot_at if account.state is State.DELAYED else None
    return DecisionOut(
        outcome=account.decision,
        rule=rule,
        policy=account.policy,
        at=_when(reader, account.decided_at),
        until=_not_before(reader, until) if until else None,
        detail=detail,
    )


def _when(reader: Tenant, moment: datetime) -> datetime:
    """To the hour for a sender: the same moment in two employers' answers would tell that they mean one person."""
    return moment if reader.kind == "operator" else moment.replace(minute=0, second=0, microsecond=0)


def _not_before(reader: Tenant, slot: datetime) -> datetime:
    """The next full hour for a sender: the exact slot tells to the millisecond when a rival wrote."""
    hour = _when(reader, slot)
    return hour if hour == slot else hour + timedelta(hours=1)


def _too_late(state: State) -> Problem:
    return Problem(
        409,
        "Too late",
        f"The outreach is {state}; only one that is submitted or delayed can be taken back.",
        type=kind("too-late"),
    )


def _cursor(edge: Edge, reader: Tenant, position: Position) -> str:
    return edge.cursors.make((position.transaction, position.change), reader.id)


def _position(edge: Edge, reader: Tenant, cursor: str | None) -> Position:
    if cursor is None:
        return Position()
    place = edge.cursors.read(cursor, reader.id)
    if place is None:
        error = {"loc": ("query", "after"), "type": "value_error", "ctx": {"error": ValueError(_BAD_CURSOR)}}
        raise invalid([error])
    return Position(*place)
