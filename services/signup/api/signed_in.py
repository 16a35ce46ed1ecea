"""Who is signed in at signup's own pages: a session that reads well, and stands in the table of those that work."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Annotated

from fastapi import Depends

from services.signup.ports.pages import Sessions
from shared.web.holders import Holder, Holders


def signed_in(
    holders: Holders, look: Callable[[], AbstractAsyncContextManager[Sessions]]
) -> Callable[..., Awaitable[Holder]]:
    """The FastAPI dependency: `holder: Annotated[Holder, Depends(edge.signed_in)]`.

    Who shows no session is refused before a byte of the body is read (401, 403); whose session was ended, or who was erased,
    when the table is asked (401).
    """

    async def person(holder: Annotated[Holder, Depends(holders.holder)]) -> Holder:
        async with look() as sessions:
            here = await sessions.here(holder.candidate, holder.session)
        if here is None:
            raise holders.session_over()
        return replace(holder, time_zone=here.time_zone)

    return person
