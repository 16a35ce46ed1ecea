"""In which language a page is answered: what its address asks for, else what was chosen before, else what the browser prefers.

Only browsers on pages are asked (`Accept: text/html`): to programs everything is said in English. What a person's record
says of their language comes by the addresses in their emails (`?lang=es`), and by the cookie of a sign-in.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import i18n
from shared.i18n import Language, Locale, locale_of

COOKIE = "language"
PARAMETER = "lang"
_LASTS = 365 * 24 * 3600
_SAFE = frozenset({"GET", "HEAD"})
_VARIES = ("Accept-Language", "Cookie")
_MOST_RANGES = 20


class Languages:
    """Sets the language of each request of a browser, keeps what its address asked for in a cookie, and says in the answer's
    head in which language it is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and complete the answer's head."""
        if scope["type"] != "http" or "text/html" not in (headers := Headers(scope=scope)).get("accept", ""):
            await self._app(scope, receive, send)
            return
        language, asked = _language(scope, headers)

        async def completing(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(MutableHeaders(raw=message.setdefault("headers", [])), language.locale)
                if asked is not None and asked != _remembered(headers):
                    message["headers"] = [*message["headers"], _cookie(asked, is_secure=scope.get("scheme") == "https")]
            await send(message)

        with i18n.reading(language):
            await self._app(scope, receive, completing)


def with_language(url: str, locale: Locale | None) -> str:
    """The address of a page, so that it opens in that language; as it is where none is known."""
    if locale is None:
        return url
    return f"{url}{'&' if '?' in url else '?'}{PARAMETER}={locale}"


def preferred(accept_language: str) -> Locale | None:
    """The best of ours for an `Accept-Language` (RFC 9110, 12.5.4): `es-MX` is Spanish; None where it names none of ours."""
    best: tuple[float, Locale] | None = None
    for part in accept_language.split(",")[:_MOST_RANGES]:
        name, _, parameters = part.partition(";")
        locale = locale_of(name.strip().lower().partition("-")[0])
        weight = _weight(parameters)
        if locale is not None and weight > (best[0] if best else 0):
            best = weight, locale
    return best[1] if best else None


def _language(scope: Scope, headers: Headers) -> tuple[Language, Locale | None]:
    """What holds for the request, and what its address asks for."""
    pairs = _pairs(scope)
    asked = next((locale_of(value) for name, value in reversed(pairs) if name == PARAMETER), None)
    chosen = asked or _remembered(headers)
    locale = chosen or preferred(headers.get("accept-language", "")) or "en"
    others: tuple[tuple[Locale, str], ...] = ()
    if scope["method"] in _SAFE or _has_a_page(scope):
        kept = [(name, value) for name, value in pairs if name != PARAMETER]
        others = tuple((one, f"?{urlencode([*kept, (PARAMETER, one)])}") for one in i18n.LOCALES if one != locale)
    return Language(locale, others, chosen is not None), asked


def _has_a_page(scope: Scope) -> bool:
    """Whether the address of what was posted can be opened: its other language is the form, or what is so by now."""
    routes: Iterable[BaseRoute] = getattr(scope.get("app"), "routes", ())
    opened = {**scope, "method": "GET"}
    return any(route.matches(opened)[0] is Match.FULL for route in routes)


def _pairs(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(scope.get("query_string", b"").decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:  # no query that we made
        return []


def _remembered(headers: Mapping[str, str]) -> Locale | None:
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return locale_of(value)
    return None


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0


def _complete(head: MutableHeaders, locale: Locale) -> None:
    if head.get("content-type", "").startswith("text/html"):
        head.setdefault("Content-Language", locale)
        for one in _VARIES:
            head.add_vary_header(one)


def _cookie(locale: Locale, *, is_secure: bool) -> tuple[bytes, bytes]:
    made = Response()
    made.set_cookie(COOKIE, locale, max_age=_LASTS, path="/", secure=is_secure, httponly=True, samesite="lax")
    return b"set-cookie", made.headers["set-cookie"].encode("latin-1")
