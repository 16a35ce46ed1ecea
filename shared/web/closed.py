"""A process that is not open yet says so to everybody, and nothing else."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.web import pages, problems
from shared.web.problems import Problem, kind

_OPEN = ("/health/live", "/health/ready", "/metrics", pages.STYLESHEET_PATH)


class Closed:
    """As long as `why` says something, each request is answered with 503, but for health, metrics and how a page looks."""

    def __init__(self, app: ASGIApp, why: Callable[[], str]) -> None:
        self._app = app
        self._why = why

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on once it is open."""
        if scope["type"] == "http" and scope["path"] not in _OPEN and self._why():
            await problems.response(scope, restoring())(scope, receive, send)
            return
        await self._app(scope, receive, send)


def restoring() -> Problem:
    """What a caller learns of a service whose data came from a backup and is not whole yet."""
    return Problem(
        503,
        "Being restored",
        "This part of the network was restored from a backup, and first forgets again who was erased since then. It opens by itself, "
        "in minutes as a rule. Nothing of what you sent was taken: wait, then send the same again.",
        type=kind("restoring"),
        headers={"Retry-After": "30"},
    )
