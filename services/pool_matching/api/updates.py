"""The feed of an employer: in JSON, or as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from services.pool_matching.api.bodies import UpdateOut, UpdatesOut
from services.pool_matching.api.edge import Edge
from services.pool_matching.model import Update
from shared.facts import Known
from shared.feed.model import Place, Row
from shared.feed.web import LONGEST_CURSOR, After, Since
from shared.web.budgets import EventStream
from shared.web.tenants import Tenant

EVENT_STREAM = EventStream.media_type
ANEW = (
    "Begin anew: read the members of each of your pools (GET /v1/pools, then /v1/pools/{id}/members), then this feed with "
    "`since` (the time at which you began to read them, at most 30 days ago), and go on from its `next`."
)
_AT_ONCE = 500


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`/v1/updates`, for employers."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type

    @routes.get(
        "/v1/updates",
        tags=["updates"],
        summary="Read what happened in one's pools",
        response_model=UpdatesOut,
        response_model_exclude_none=True,
        responses={
            200: {"content": {EVENT_STREAM: {}}, "description": "Updates, or a stream of them"},
            410: {
                "description": "Updates after this cursor, or since this time, were forgotten, or the feed was restored; "
                "`detail` says how to begin anew."
            },
            429: {"description": "As many streams as one employer may have are open; `detail` says what to do."},
        },
    )
    async def read_updates(
        employer: Employer,
        after: After = None,
        since: Since = None,
        limit: Annotated[int, Query(ge=1, le=_AT_ONCE)] = 100,
        accept: Annotated[str, Header()] = "",
        last_event_id: Annotated[str | None, Header(max_length=LONGEST_CURSOR)] = None,
    ) -> UpdatesOut | Response:
        """Joins, leaves and changes come at your own tick, five or more of a pool at once, or what there is once a week. When fewer
        than five people are left, `pool.closed` is all that is told: forget the members of that pool.

        With `Accept: text/event-stream` the answer is a stream that goes on; each event's id is its cursor. An
        employer has few at a time (four, unless whoever runs this set another number): one more is a 429.

        Updates are kept for 30 days. When some that come after the cursor are gone, or cursors were made void because the
        feed was restored from a backup, the answer is 410 and says how to begin anew.
        """
        is_stream = EVENT_STREAM in accept
        if is_stream:
            edge.streams.refuse_if_full(employer.id)
        start = edge.feed.start(employer, after, since, last_event_id if is_stream else None)
        # A status can be answered before the stream begins, not in it.
        page = await edge.feed.page(employer.id, start, limit=1 if is_stream else limit)
        if is_stream:
            return EventStream(stream(edge, employer, page.start), streams=edge.streams, tenant=employer.id)
        items = [UpdateOut.of(Update.model_validate_json(row.body)) for row in page.rows]
        return UpdatesOut(items=items, next=edge.feed.cursor(page.end, employer))


def stream(edge: Edge, employer: Tenant, start: Place) -> AsyncIterator[str]:
    """Goes on until the employer's key or standing changes or the process stops."""

    def goes_on() -> bool:
        return edge.tenants.get(employer.id) == Known(employer) and not edge.is_stopping()

    return edge.feed.stream(employer, start, frame, heartbeat=edge.heartbeat, goes_on=goes_on)


def frame(row: Row, cursor: str) -> str:
    """An event of the stream."""
    shown = UpdateOut.of(Update.model_validate_json(row.body))
    return f"id: {cursor}\nevent: {shown.type}\ndata: {shown.model_dump_json(exclude_none=True)}\n\n"
