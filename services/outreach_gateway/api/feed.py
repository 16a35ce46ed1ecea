"""The feeds: what an employer is told of its outreach, and for the operator each change as it was."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.outreach_gateway.answers import News, PoolNews, news_of
from services.outreach_gateway.api.accounts import operator_looked
from services.outreach_gateway.api.bodies import (
    ChangeOut,
    ChangesOut,
    OperatorChangeOut,
    OperatorChangesOut,
    PoolChangeOut,
)
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.model import Change
from shared.feed.model import Place
from shared.feed.web import After, Since
from shared.web.tenants import Tenant

ANEW = (
    "Begin anew: read each outreach whose end you do not know at /v1/outreach/{id}, then this feed with `since` (the time of your "
    "last successful reading, at most 100 days ago) or with neither `since` nor `after`, and go on from its `next`."
)
_PAGE = 200


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`GET /v1/outreach`."""
    Reader = Annotated[Tenant, Depends(edge.tenants.require("employer", "operator"))]  # noqa: N806 - names a type

    @routes.get(
        "/v1/outreach",
        tags=["outreach"],
        summary="What you are told of your outreach, oldest first",
        responses={
            410: {
                "description": "Changes after this cursor, or since this time, were forgotten, or the feed was restored; "
                "`detail` says how to begin anew."
            }
        },
    )
    async def feed(
        reader: Reader,
        after: After = None,
        since: Since = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> ChangesOut | OperatorChangesOut:
        """`next` is where to go on; ask again with `after` set to it, also when `items` is empty.

        Rows come once a day, at a time of your own, and at once for what you took back yourself. They are kept for 100 days. When
        some that come after `after` are gone, or cursors were made void because the feed was restored from a backup, the answer
        is 410 and says how to begin anew. The operator reads each change of all outreach as it was.
        """
        if reader.kind == "operator":
            operator_looked(reader, "changes")
            page = await edge.changes.page(None, edge.changes.start(reader, after, since), limit=limit)
            return OperatorChangesOut(
                items=[
                    OperatorChangeOut(
                        id=edge.changes.cursor(Place(page.start.generation, row.seq, row.told_at), reader),
                        outreach=change.outreach,
                        employer=row.reader,
                        state=change.state,
                        rule=change.rule,
                        at=change.at,
                    )
                    for row in page.rows
                    for change in [Change.of(row.body)]
                ],
                next=edge.changes.cursor(page.end, reader),
            )
        page = await edge.told.page(reader.id, edge.told.start(reader, after, since), limit=limit)
        return ChangesOut(
            items=[
                _told(edge.told.cursor(Place(page.start.generation, row.seq, row.told_at), reader), news_of(row.body))
                for row in page.rows
            ],
            next=edge.told.cursor(page.end, reader),
        )


def _told(id: str, news: News | PoolNews) -> ChangeOut | PoolChangeOut:
    if isinstance(news, PoolNews):
        return PoolChangeOut(id=id, outreach=news.outreach, state=news.state, sent=news.sent, at=news.at)
    return ChangeOut(id=id, outreach=news.outreach, state=news.state, sent_on=news.sent_on, at=news.at)
