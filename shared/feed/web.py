"""A feed over HTTP: where to begin, when a place is lost, and server-sent events."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel

from shared.feed.feed import Feed
from shared.feed.model import Lost, Place, Row
from shared.feed.reading import FeedReader, Page, Start
from shared.web import problems
from shared.web.tenants import Tenant, Tenants

LONGEST_CURSOR = 200
After = Annotated[str | None, Query(max_length=LONGEST_CURSOR, description="`next` of the last answer.")]
Since = Annotated[
    AwareDatetime | None,
    Query(
        description="Instead of `after`: begin with what was told in the hour of this time (RFC 3339). "
        "To begin anew after a 410, give the time of your last successful reading."
    ),
]
_ALIVE_EVERY = timedelta(seconds=1)
_AT_ONCE = 500
_NOT_OURS = "must be a cursor that this address gave you, unchanged; leave it out to start from the beginning"
_NOT_BOTH = "must be left out where `after` is given: a feed is read from a cursor or from a time on"


class FeedFace:
    """A feed as its routes need it; `anew` says how to begin anew where rows are lost."""

    def __init__(self, reader: FeedReader, *, anew: str) -> None:
        self._reader = reader
        self._anew = anew

    def cursor(self, place: Place, tenant: Tenant) -> str:
        """The place as this tenant gets it."""
        return self._reader.cursor(place, tenant.id)

    def start(
        self, tenant: Tenant, after: str | None, since: datetime | None, last_event_id: str | None = None
    ) -> Start:
        """Where the request begins; a 422 names what is wrong with it. Who reconnects a stream goes on where it was."""
        if last_event_id:
            return self._place(tenant, last_event_id, "header", "last-event-id")
        if after and since:
            raise _wrong("query", "since", _NOT_BOTH)
        return self._place(tenant, after, "query", "after") if after else since

    def _place(self, tenant: Tenant, cursor: str, where: str, name: str) -> Place:
        place = self._reader.place(cursor, tenant.id)
        if place is None:
            raise _wrong(where, name, _NOT_OURS)
        return place

    async def end(self, tenant: Tenant) -> str | None:
        """The cursor behind all that the tenant was told until now; None while something is on its way."""
        place = await self._reader.end(tenant.id)
        return None if place is None else self.cursor(place, tenant)

    async def page(self, reader: str | None, start: Start, *, limit: int) -> Page:
        """What comes next, or a 410 that says why it can't be told and how to begin anew."""
        page = await self._reader.page(reader, start, limit=limit)
        if isinstance(page, Page):
            return page
        if page is Lost.OF_ANOTHER_HISTORY:
            why = "This cursor was given out before the feed was restored from a backup or got new cursors."
        elif isinstance(start, datetime):
            why = f"What was told since then was forgotten in part: the feed keeps {self._reader.kept.days} days."
        else:
            why = f"What comes after this cursor was forgotten: the feed keeps {self._reader.kept.days} days."
        raise problems.expired(f"{why} {self._anew}")

    async def stream(
        self,
        tenant: Tenant,
        start: Place,
        frame: Callable[[Row, str], str],
        *,
        heartbeat: timedelta,
        goes_on: Callable[[], bool],
    ) -> AsyncIterator[str]:
        """Frames as the HTML Standard has them (section 9.2), a comment where there was none for `heartbeat`.

        Ends when it may not go on (looked at once a second), or when the reader is so slow that what comes next was
        forgotten: it asks again and is told.
        """
        yield ": listening\n\n"
        place, last_sent = start, time.monotonic()
        while goes_on():
            page = await self._reader.page(tenant.id, place, limit=_AT_ONCE)
            if not isinstance(page, Page):
                return
            for row in page.rows:
                place = Place(place.generation, row.seq, row.told_at)
                yield frame(row, self.cursor(place, tenant))
            if page.rows:
                last_sent = time.monotonic()
                continue
            if time.monotonic() - last_sent >= heartbeat.total_seconds():
                yield ": heartbeat\n\n"
                last_sent = time.monotonic()
            await self._reader.tailer.wait(tenant.id if page.from_memory else None, limit=min(_ALIVE_EVERY, heartbeat))


class RestartAnswer(BaseModel):
    """Which feeds have new cursors now."""

    feeds: tuple[str, ...]


def restart_router(feeds: Sequence[Feed], tenants: Tenants) -> APIRouter:
    """`POST /v1/feeds/restart`, for operators."""
    routes = APIRouter(tags=["operators"])
    operator_key = tenants.require("operator")

    @routes.post(
        "/v1/feeds/restart",
        summary="Make all cursors of this service's feeds void, after its database was restored",
        dependencies=[Depends(operator_key)],
    )
    async def restart_feeds() -> RestartAnswer:
        """Readers get a 410 and begin anew. Only needed where the restore can't be seen: see docs/operating.md."""
        for feed in feeds:
            await feed.rows.restart()
        return RestartAnswer(feeds=tuple(feed.name for feed in feeds))

    return routes


def _wrong(where: str, name: str, text: str) -> problems.Problem:
    return problems.invalid([{"loc": (where, name), "type": "value_error", "ctx": {"error": ValueError(text)}}])
