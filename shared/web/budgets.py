"""What a process has in hand at a time: requests of programs, of people and of whoever watches it, each with a budget of its own, and streams."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import metrics
from shared.web import problems
from shared.web.gates import PLACE
from shared.web.http_limits import HEALTH_REQUESTS, HttpLimits
from shared.web.origins import network_of
from shared.web.problems import Problem

_SOON = {"Retry-After": "1"}
_STREAMS_RETRY_AFTER = 15


class Kind(StrEnum):
    """What is in hand: each has places that no other can take."""

    API = "api"
    PAGE = "page"
    HEALTH = "health"
    STREAM = "stream"


def kind_of(path: str) -> Kind:
    """By its path alone: nothing has been looked at yet when a request is refused."""
    if path.startswith("/v1/"):
        return Kind.API
    return Kind.HEALTH if path.startswith(("/health/", "/metrics")) else Kind.PAGE


class Budgets:
    """Refuses what is too much before its body is read: 503 for a full process, 429 for an address or a tenant that has its share."""

    def __init__(self, app: ASGIApp, *, limits: HttpLimits) -> None:
        self._app = app
        self._most: Mapping[Kind, int] = {
            Kind.API: limits.api_requests,
            Kind.PAGE: limits.page_requests,
            Kind.HEALTH: HEALTH_REQUESTS,
        }
        self._most_of_one = limits.origin_requests
        self._in_hand: Counter[Kind] = Counter()
        self._of: Counter[tuple[Kind, str]] = Counter()
        self._of_tenant: Counter[tuple[Kind, str]] = Counter()
        for kind in self._most:  # counted when somebody looks, not for each request
            metrics.HTTP_IN_HAND.labels(kind).set_function(partial(self._in_hand.__getitem__, kind))
        for reason in ("requests", "origin", "tenant"):
            metrics.HTTP_REFUSED.labels(reason)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on while it has a place, or answer that it has none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kind, origin = kind_of(scope["path"]), _origin(scope)
        if (refusal := self._refusal(kind, origin)) is not None:
            await problems.response(scope, refusal)(scope, receive, send)
            return
        place = Place(self, kind, origin)
        scope[PLACE] = place
        try:
            await self._app(scope, place.leaves_while(receive) if kind is Kind.PAGE else receive, send)
        finally:
            place.give_back()

    def _refusal(self, kind: Kind, origin: str) -> Problem | None:
        if self._in_hand[kind] >= self._most[kind]:
            metrics.HTTP_REFUSED.labels("requests").inc()
            return busy()
        if kind is not Kind.HEALTH and self._of[kind, origin] >= self._most_of_one:
            metrics.HTTP_REFUSED.labels("origin").inc()
            return _too_many_at_once(self._most_of_one, "from your address")
        return None

    def charge(self, kind: Kind, tenant: str) -> None:
        """Count a request as this tenant's, whatever addresses it writes from; raise a 429 when it has its share."""
        if self._of_tenant[kind, tenant] >= self._most_of_one:
            metrics.HTTP_REFUSED.labels("tenant").inc()
            raise _too_many_at_once(self._most_of_one, "with your keys")
        self._of_tenant[kind, tenant] += 1

    def discharge(self, kind: Kind, tenant: str) -> None:
        """It is answered."""
        self._of_tenant[kind, tenant] -= 1
        if not self._of_tenant[kind, tenant]:
            del self._of_tenant[kind, tenant]

    def count(self, kind: Kind, origin: str, by: int) -> None:
        """Note a place that was taken (1) or given back (-1)."""
        self.count_in_all(kind, by)
        self._of[kind, origin] += by
        if not self._of[kind, origin]:
            del self._of[kind, origin]

    def count_in_all(self, kind: Kind, by: int) -> None:
        """The same, where the address keeps its share."""
        self._in_hand[kind] += by


class Place:
    """One request's; given back once."""

    def __init__(self, budgets: Budgets, kind: Kind, origin: str) -> None:
        self._budgets: Budgets | None = budgets
        self._mine = (kind, origin)
        self._tenant: str | None = None
        budgets.count(*self._mine, 1)

    def charge(self, tenant: str) -> None:
        """It is this tenant's, which is proved now; once. Raises a 429 when the tenant has its share."""
        if self._budgets is not None and self._tenant is None:
            self._budgets.charge(self._mine[0], tenant)
            self._tenant = tenant

    def leaves_while(self, receive: Receive) -> Receive:
        """While a body is on its way its request is in nobody's way: pages that are only looked at are not refused for it.

        Its address keeps its share. A body that is whole is handled, also where that is one more than there are places.
        """
        is_whole = False

        async def receiving() -> Message:
            nonlocal is_whole
            if is_whole or self._budgets is None:
                return await receive()
            budgets, kind = self._budgets, self._mine[0]
            budgets.count_in_all(kind, -1)
            try:
                message = await receive()
            finally:
                budgets.count_in_all(kind, 1)
            is_whole = not message.get("more_body", False)
            return message

        return receiving

    def give_back(self) -> None:
        """Make room for another request."""
        if self._budgets is not None:
            self._budgets.count(*self._mine, -1)
            if self._tenant is not None:
                self._budgets.discharge(self._mine[0], self._tenant)
            self._budgets = None


class Streams:
    """The streams that a process has open: so many in all, so many of each tenant."""

    def __init__(self, limits: HttpLimits) -> None:
        self._most, self._most_of_one = limits.streams, limits.tenant_streams
        self._of: Counter[str] = Counter()
        for reason in ("streams", "tenant_streams"):
            metrics.HTTP_REFUSED.labels(reason)

    def refuse_if_full(self, tenant: str) -> None:
        """Raise a 429 where the tenant has its streams, a 503 where the process has."""
        if self._of[tenant] >= self._most_of_one:
            metrics.HTTP_REFUSED.labels("tenant_streams").inc()
            raise _too_many_streams(self._most_of_one)
        if self._of.total() >= self._most:
            metrics.HTTP_REFUSED.labels("streams").inc()
            raise busy()

    @contextmanager
    def place(self, tenant: str) -> Iterator[None]:
        """A stream's place as long as it is open; raises as `refuse_if_full`."""
        self.refuse_if_full(tenant)
        self._count(tenant, 1)
        try:
            yield
        finally:
            self._count(tenant, -1)

    def _count(self, tenant: str, by: int) -> None:
        self._of[tenant] += by
        if not self._of[tenant]:
            del self._of[tenant]
        metrics.HTTP_IN_HAND.labels(Kind.STREAM).inc(by)


class EventStream(StreamingResponse):
    """Server-sent events to a tenant. It has a stream's place until its caller is gone, and no request's: those are short."""

    media_type = "text/event-stream"

    def __init__(self, frames: Any, *, streams: Streams, tenant: str) -> None:  # noqa: ANN401 - as Starlette's
        super().__init__(
            frames, headers={"X-Accel-Buffering": "no"}
        )  # else an nginx with its defaults holds events back
        self._streams, self._tenant = streams, tenant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream, or raise a 429 or 503 before anything is sent."""
        with self._streams.place(self._tenant):
            if (place := scope.get(PLACE)) is not None:
                place.give_back()
            await super().__call__(scope, receive, send)


def _origin(scope: Scope) -> str:
    return network_of(scope["client"][0]) if scope.get("client") else ""


def busy() -> Problem:
    """A 503 for whoever finds no place; nothing of the request was looked at."""
    return Problem(
        503,
        "Too busy at the moment",
        "Nothing of this request was done. Send the same again in a second.",
        type=problems.kind("busy"),
        headers=_SOON,
    )


def _too_many_at_once(most: int, whose: str) -> Problem:
    return Problem(
        429,
        "Too many requests at once",
        f"{most} requests {whose} are being answered at this moment, and no more are taken. Nothing of this one was "
        "done. Wait for an answer before you send the next, and send this one again.",
        type=problems.kind("too-many-at-once"),
        headers=_SOON,
    )


def _too_many_streams(most: int) -> Problem:
    return Problem(
        429,
        "Too many streams",
        f"You have {most} streams open, which is the most. Read all pools from one stream, close those that you do not need, "
        "and try again. A stream whose connection broke counts until we notice, at most a minute. Without "
        "Accept: text/event-stream this address answers once, and `next` says where to go on.",
        type=problems.kind("too-many-streams"),
        headers={"Retry-After": str(_STREAMS_RETRY_AFTER)},
    )
