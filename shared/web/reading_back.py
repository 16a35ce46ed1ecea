"""`POST /v1/read-back`: an operator lets a service compare its compacted topics with its rows at once."""

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from shared.web.tenants import Tenants


class ReadBackAnswer(BaseModel):
    """What will be read."""

    topics: tuple[str, ...]
    """Each within 15 seconds, by one of the service's processes; what Kafka lacks is republished."""


def router(topics: Sequence[str], ask: Callable[[], Awaitable[None]], tenants: Tenants) -> APIRouter:
    """The route for operators."""
    routes = APIRouter(tags=["operators"])
    operator_key = tenants.require("operator")

    @routes.post(
        "/v1/read-back",
        status_code=202,
        summary="Compare this service's compacted topics with its rows, and republish what Kafka lacks",
        dependencies=[Depends(operator_key)],
    )
    async def read_back() -> ReadBackAnswer:
        await ask()
        return ReadBackAnswer(topics=tuple(topics))

    return routes
