"""Who is signed in: a person by their session, from the cookie of their browser or as `Authorization: Bearer` of a program.

A browser sends a cookie whoever made it ask. So what changes anything is taken by cookie only from pages of our own: the
browser itself says where a request comes from (`Sec-Fetch-Site`, `Origin`). A bearer token is sent by nobody but who has it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from shared.i18n import marked
from shared.security.sessions import BadSession, Session, SessionReader
from shared.security.statements import Statement
from shared.web import gates
from shared.web.problems import Problem, kind

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SCHEME = HTTPBearer(
    scheme_name="session",
    auto_error=False,
    description="A session, as POST /sign-in/{token} answers it as JSON; browsers have it in a cookie.",
)
ANSWERS: dict[int | str, dict[str, Any]] = {
    401: {"description": "Nobody is signed in, or the session is over or was ended"},
    403: {"description": "Sent with a cookie from another site's page: nothing was done"},
}
"""For the `responses` of a route that somebody signed in calls."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The person who is signed in. Whether their session was ended meanwhile, the service's rows know: look there too."""

    candidate: str
    session: str
    """The session's name (`shared.security.sessions.Session.name`)."""
    expires_at: datetime
    statement: Statement | None
    """Signup's, of the session: what a yes carries; none where it can say no yes."""
    by: Literal["cookie", "bearer"]
    time_zone: str | None = None
    """In which they are told when something is (IANA), where the service's rows know."""


class Holders:
    """Reads sessions out of requests. `urls`: our own base URLs, signup's and consent's; the first one's scheme says which
    cookie it is. `sign_in`: the page that emails a link.
    """

    def __init__(
        self, sessions: SessionReader, now: Callable[[], datetime], urls: Collection[str], *, sign_in: str
    ) -> None:
        self._sessions, self._now, self._sign_in = sessions, now, sign_in
        self.origins = OwnOrigins(urls)
        self.cookie = cookie_of(next(iter(urls)))
        self.holder = self._dependency()
        """The FastAPI dependency: `holder: Annotated[Holder, Depends(holders.holder)]`; asked before a byte of a body is read."""

    def of(self, scope: Scope) -> Holder:
        """Who sent this request; raises a 401, or a 403 where a page of somebody else's made a browser send it."""
        headers = Headers(scope=scope)
        scheme, _, bearer = headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() == "bearer" and bearer.strip():
            return self._holder(bearer.strip(), "bearer")
        token = _cookie(headers, self.cookie)
        if not token:
            raise self.not_signed_in()
        if scope["method"] not in _SAFE and not self.origins.sent(headers):
            raise from_elsewhere()
        return self._holder(token, "cookie")

    def not_signed_in(self) -> Problem:
        """A 401 for whoever shows no session."""
        detail = marked(
            "This is shown only to the person it belongs to. Get a link by email, and open it: then you are signed in "
            "for a few hours."
        )
        return Problem(
            401,
            marked("You are not signed in"),
            f"{detail} Programs send Authorization: Bearer with a session.",
            type=kind("not-signed-in"),
            headers={"WWW-Authenticate": "Bearer"},
            leads_to=(marked("Email me a link"), self._sign_in),
            to_people=detail,
        )

    def session_over(self) -> Problem:
        """A 401 for whoever shows a session that is over, was ended, or never was one."""
        detail = marked(
            "This session is over: it was ended, or its time was up. Nothing was changed. Get a new link by email, and open it."
        )
        return Problem(
            401,
            marked("You are signed out"),
            detail,
            type=kind("session-over"),
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            leads_to=(marked("Email me a link"), self._sign_in),
        )

    def _holder(self, token: str, by: Literal["cookie", "bearer"]) -> Holder:
        session = self._sessions.read(token, at=self._now())
        if isinstance(session, BadSession):
            raise self.session_over()
        return Holder(session.candidate, session.name, session.expires_at, session.statement, by)

    def _dependency(self) -> Callable[..., Holder]:
        def holder(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)]) -> Holder:
            return self.of(request.scope)

        gates.guard(holder, self.of)
        return holder


class OwnOrigins:
    """Tells whether a page of our own made a browser send a request."""

    def __init__(self, urls: Collection[str]) -> None:
        self._own = frozenset(_origin(url) for url in urls)

    def sent(self, headers: Headers) -> bool:
        """Whether the browser says that a page of this host did, or one of our own origins; no where it says nothing."""
        return headers.get("sec-fetch-site") == "same-origin" or headers.get("origin") in self._own

    def may_have_sent(self, headers: Headers) -> bool:
        """Whether no other site's page did: also yes where nothing is said, as by a program, or by a browser that was
        given the address."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        return self.sent(headers) or (site in (None, "none") and origin in (None, "null"))


def from_elsewhere() -> Problem:
    """A 403 for what a browser sent that was not on a page of ours."""
    detail = marked(
        "This was sent from a page of another site, or by a browser that does not say where from. Nothing was done. Open the page here, and press its button there. If it happens again, update your browser."
    )
    return Problem(
        403,
        marked("Not sent from our page"),
        f"{detail} Programs send the session as Authorization: Bearer, and no cookie.",
        type=kind("sent-from-elsewhere"),
        to_people=detail,
    )


def cookie_of(url: str) -> str:
    """What the session's cookie is called at this base URL: with TLS one that no other host can set (RFC 6265bis, 4.1.3.2)."""
    return "__Host-fairpool" if url.startswith("https://") else "fairpool"


def set_cookie(response: Response, url: str, token: str, session: Session) -> None:
    """Sign a browser in: a cookie for this host alone, for no script, and not with what other sites make it post."""
    lasts = int((session.expires_at - session.started_at).total_seconds())
    response.set_cookie(
        cookie_of(url), token, max_age=lasts, path="/", secure=url.startswith("https://"), httponly=True, samesite="lax"
    )


def drop_cookie(response: Response, url: str) -> None:
    """Sign a browser out."""
    response.delete_cookie(cookie_of(url), path="/", secure=url.startswith("https://"), httponly=True, samesite="lax")


def _cookie(headers: Headers, name: str) -> str:
    """The cookie of this name; of several, or of a header that can't be read, none: nobody knows who set them."""
    found = []
    for part in "; ".join(headers.getlist("cookie")).split(";"):
        given, _, value = part.strip().partition("=")
        if given == name:
            found.append(value.strip().strip('"'))
    return found[0] if len(found) == 1 else ""


def _origin(url: str) -> str:
    """As browsers write it: scheme, host, and the port unless it is the scheme's own."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    is_default = parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme))
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{parts.port}")
