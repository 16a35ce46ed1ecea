"""The feed: what became of all outreach of an employer."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.outreach_gateway.api.accounts import explained, owner, when
from services.outreach_gateway.api.bodies import ChangeOut, ChangesOut
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.model import Change, Rule
from shared.feed.model import Place, Row
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
        response_model_exclude_unset=True,
        summary="State changes of your outreach, oldest first",
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
    ) -> ChangesOut:
        """`next` is where to go on; ask again with `after` set to it, also when `items` is empty.

        Changes are kept for 100 days. When some that come after `after` are gone, or cursors were made void because the
        feed was restored from a backup, the answer is 410 and says how to begin anew.
        """
        page = await edge.feed.page(owner(reader), edge.feed.start(reader, after, since), limit=limit)
        generation = page.start.generation
        items = [_shown(edge, reader, row, generation) for row in page.rows]
        return ChangesOut(items=items, next=edge.feed.cursor(page.end, reader))


def _shown(edge: Edge, reader: Tenant, row: Row, generation: int) -> ChangeOut:
    change = Change.of(row.body)
    return ChangeOut(
        id=edge.feed.cursor(Place(generation, row.seq, row.told_at), reader),
        outreach=change.outreach,
        state=change.state.value,
        rule=explained(Rule(change.rule) if change.rule else None, change.state, reader)[0],
        at=when(reader, change.at),
        **({"employer": row.reader} if reader.kind == "operator" else {}),
    )
