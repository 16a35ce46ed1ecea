"""The feed of an employer: in JSON, or as server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from services.pool_matching.api.bodies import UpdateOut, UpdatesOut
from services.pool_matching.api.edge import Edge
from services.pool_matching.model import Position, Update
from shared.web import problems
from shared.web.budgets import EventStream
from shared.web.tenants import Tenant

EVENT_STREAM = EventStream.media_type
_AT_ONCE = 500
_LOOK_EVERY = 1.0
_LONGEST_CURSOR = 200
_ANEW = (
    "Updates that come after this cursor were forgotten: the feed keeps 30 days. Read the members of each of your pools anew "
    "(GET /v1/pools, then /v1/pools/{id}/members), then this feed without a cursor, and go on from its `next`."
)


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`/v1/updates`, for employers."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type

    @routes.get(
        "/v1/updates",
        tags=["updates"],
        summary="Read what happened in one's pools",
        response_model=UpdatesOut,
        responses={
            200: {"content": {EVENT_STREAM: {}}, "description": "Updates, or a stream of them"},
            410: {"description": "Updates after this cursor were forgotten; `detail` says how to begin anew."},
            429: {"description": "As many streams as one employer may have are open; `detail` says what to do."},
        },
    )
    async def read_updates(
        employer: Employer,
        after: Annotated[
            str | None, Query(max_length=_LONGEST_CURSOR, description="`next` of the last answer.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=_AT_ONCE)] = 100,
        accept: Annotated[str, Header()] = "",
        last_event_id: Annotated[str | None, Header(max_length=_LONGEST_CURSOR)] = None,
    ) -> UpdatesOut | Response:
        """With `Accept: text/event-stream` the answer is a stream that goes on; each event's id is its cursor. An
        employer has few at a time (four, unless whoever runs this set another number): one more is a 429.

        Updates are kept for 30 days. When some that come after the cursor are gone, the answer is 410 and says how to begin anew.
        """
        if EVENT_STREAM in accept:
            edge.streams.refuse_if_full(employer.id)
            asked = _position(edge, employer, last_event_id or after, "header" if last_event_id else "query")
            start, _ = await _read(
                edge, employer, asked, 1
            )  # a status can be answered before the stream begins, not in it
            return EventStream(_stream(edge, employer, start), streams=edge.streams, tenant=employer.id)
        start, updates = await _read(edge, employer, _position(edge, employer, after, "query"), limit)
        end = updates[-1].position if updates else start
        return UpdatesOut(items=[UpdateOut.of(update) for update in updates], next=_cursor(edge, end, employer))


def _position(edge: Edge, employer: Tenant, cursor: str | None, place: str) -> Position | None:
    if not cursor:
        return None
    place_in_feed = edge.cursors.read(cursor, employer.id)
    if place_in_feed is None:
        name = "after" if place == "query" else "last-event-id"
        text = "must be a cursor that this address gave you, unchanged; leave it out to start from the beginning"
        raise problems.invalid([{"loc": (place, name), "type": "value_error", "ctx": {"error": ValueError(text)}}])
    return Position(*place_in_feed)


def _cursor(edge: Edge, position: Position, employer: Tenant) -> str:
    return edge.cursors.make((position.transaction, position.row), employer.id)


async def _read(edge: Edge, employer: Tenant, after: Position | None, limit: int) -> tuple[Position, list[Update]]:
    """What comes after a position, or from where the feed begins now, and that place; 410 when something is forgotten."""
    async with edge.feed() as store:
        start = after or await store.forgotten(employer.id)
        while True:
            updates = await store.read(employer.id, after=start, limit=limit)
            forgotten = await store.forgotten(employer.id)  # asked last: what went while the rows were read counts
            if forgotten <= start:
                return start, updates
            if after is not None:
                raise problems.expired(_ANEW)
            start = forgotten


async def _stream(edge: Edge, employer: Tenant, position: Position) -> AsyncIterator[str]:
    """Frames as the HTML Standard has them (section 9.2).

    Ends when the employer's key or standing changes, the process stops, or the reader is so slow that what comes next was
    forgotten: it asks again and is told.
    """
    yield ": listening\n\n"
    last_sent = time.monotonic()
    while edge.tenants.get(employer.id) == employer and not edge.is_stopping():
        try:
            _, updates = await _read(edge, employer, position, _AT_ONCE)
        except problems.Problem:
            return
        for update in updates:
            position = update.position
            shown = UpdateOut.of(update)
            cursor = _cursor(edge, position, employer)
            yield f"id: {cursor}\nevent: {shown.type}\ndata: {shown.model_dump_json()}\n\n"
        if updates:
            last_sent = time.monotonic()
        elif time.monotonic() - last_sent >= edge.heartbeat.total_seconds():
            yield ": heartbeat\n\n"
            last_sent = time.monotonic()
        if len(updates) < _AT_ONCE:
            await asyncio.sleep(_LOOK_EVERY)
