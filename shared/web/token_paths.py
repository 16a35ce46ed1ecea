"""A slash that a mail program put behind a link is no part of its path."""

from starlette.types import ASGIApp, Receive, Scope, Send

_LEAST = 100
"""Marks: a token has some 300, and no other part of our paths has two dots and this length."""


class TokenPaths:
    """Takes slashes off the end of a path whose last part is the token of a link; any other path stays as it was asked for.

    It is not redirected: a mail program that presses an unsubscribe link follows none (RFC 8058).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["path"].endswith("/"):
            path = scope["path"].rstrip("/")
            last = path.rpartition("/")[2]
            if len(last) >= _LEAST and last.count(".") >= 2:
                scope = {**scope, "path": path, "raw_path": scope.get("raw_path", b"").rstrip(b"/")}
        await self._app(scope, receive, send)
