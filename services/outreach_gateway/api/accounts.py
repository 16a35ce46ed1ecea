"""What became of outreach: one by one, as a feed, and taking one back."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from services.outreach_gateway.api.bodies import ChangeOut, ChangesOut, DecisionOut, OutreachOut
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.explain import for_operator, for_sender
from services.outreach_gateway.model import Cancel, Rule, State
from services.outreach_gateway.ports import Account, Change, Position, RequestStore, Settled
from shared.web.problems import Problem, expired, invalid, kind, not_found
from shared.web.tenants import Tenant

_ID = re.compile(r"o_[A-Za-z0-9_-]{22}")
_PAGE = 200
_ANEW = (
    "Changes that come after this cursor were forgotten: the feed keeps 100 days. Read each outreach whose end you do not "
    "know at /v1/outreach/{id}, then this feed without `after`, and go on from its `next`."
)
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
        async with edge.store() as store:
            account = await store.account(id, _owner(reader))
        if account is None:
            raise not_found("outreach")
        return _shown(account, reader)

    @routes.get(
        "/v1/outreach",
        tags=["outreach"],
        response_model_exclude_unset=True,
        summary="State changes of your outreach, oldest first",
        responses={410: {"description": "Changes after this cursor were forgotten; `detail` says how to begin anew."}},
    )
    async def feed(
        reader: Reader,
        after: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> ChangesOut:
        """`next` is where to go on; ask again with `after` set to it, also when `items` is empty.

        Changes are kept for 100 days. When some that come after `after` are gone, the answer is 410 and says how to begin anew.
        """
        position = _position(edge, reader, after)
        async with edge.store() as store:
            changes = await _read(store, _owner(reader), position, limit)
        items = [
            ChangeOut(
                id=_cursor(edge, reader, change.position),
                outreach=change.outreach,
                state=change.state.value,
                rule=_explained(change.rule, change.state, reader)[0],
                at=_when(reader, change.at),
                **({"employer": change.employer} if reader.kind == "operator" else {}),
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
    rule, detail = _explained(account.rule, account.state, reader)
    until = account.slot_at if account.state is State.DELAYED else None
    return DecisionOut(
        outcome=account.decision,
        rule=rule,
        policy=account.policy,
        at=_when(reader, account.decided_at),
        until=_not_before(reader, until) if until else None,
        detail=detail,
    )


def _explained(rule: Rule | None, state: State, reader: Tenant) -> tuple[str | None, str]:
    """The rule and its words for this reader; why something bounced is not for the sender."""
    if reader.kind == "operator" and rule is not None:
        return for_operator(rule)
    if rule is None or state is State.BOUNCED:
        return None, "A slot was free."
    return for_sender(rule)


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


async def _read(store: RequestStore, owner: str | None, after: Position | None, limit: int) -> Sequence[Change]:
    """What comes after a position, or from where the feed begins now; a 410 when something after it is forgotten."""
    start = after or await store.forgotten(owner)
    while True:
        changes = await store.changes(owner, after=start, limit=limit)
        forgotten = await store.forgotten(owner)  # asked last: what went while the rows were read counts
        if forgotten <= start:
            return changes
        if after is not None:
            raise expired(_ANEW)
        start = forgotten


def _position(edge: Edge, reader: Tenant, cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    place = edge.cursors.read(cursor, reader.id)
    if place is None:
        error = {"loc": ("query", "after"), "type": "value_error", "ctx": {"error": ValueError(_BAD_CURSOR)}}
        raise invalid([error])
    return Position(*place)
