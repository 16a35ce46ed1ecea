"""What stands before replicas in production: spreads requests over those that are ready and remembers what went wrong."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx

_LOOKS_EVERY = 0.2
"""Seconds; the processes under test drain for several of these."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One process behind the edge of its service."""

    name: str
    port: int


@dataclass(slots=True)
class Balancer(httpx.AsyncBaseTransport):
    """Requests to the port of a service's first replica go to its ready replicas in turn; other ports go straight through.

    As nginx, Envoy or a Kubernetes Service would: it asks `/health/ready`, tries the next replica where no connection could be
    made, and never sends a request twice once it may have been read.
    """

    replicas: Mapping[int, Sequence[Replica]]
    """By the port that clients know."""
    failures: list[str] = field(default_factory=list)
    """Requests that were not answered, or with a 5xx."""
    answered: Counter[str] = field(default_factory=Counter)
    """Answers by replica."""
    _out: set[str] = field(default_factory=set)
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _inner: httpx.AsyncHTTPTransport = field(default_factory=httpx.AsyncHTTPTransport)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Ask each replica how it is, again and again."""
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            looks = [asyncio.create_task(self._look(http, one)) for known in self.replicas.values() for one in known]
            try:
                yield
            finally:
                for look in looks:
                    look.cancel()
                await asyncio.gather(*looks, return_exceptions=True)

    async def _look(self, http: httpx.AsyncClient, replica: Replica) -> None:
        while True:
            ready = False
            with suppress(httpx.TransportError):
                ready = (await http.get(f"http://127.0.0.1:{replica.port}/health/ready")).is_success
            (self._out.discard if ready else self._out.add)(replica.name)
            await asyncio.sleep(_LOOKS_EVERY)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer of a replica in rotation."""
        known = self.replicas.get(request.url.port or 0)
        if not known:
            return await self._inner.handle_async_request(request)
        there = [replica for replica in known if replica.name not in self._out] or known
        first = next(self._turns)
        for number in range(len(there)):
            replica = there[(first + number) % len(there)]
            with suppress(httpx.ConnectError):
                return await self._answer(replica, request)
        self.failures.append(f"{request.method} {request.url.path}: no replica of {[one.name for one in there]}")
        raise httpx.ConnectError("no replica takes connections")

    async def _answer(self, replica: Replica, request: httpx.Request) -> httpx.Response:
        what = f"{replica.name}: {request.method} {request.url.path}"
        request.url = request.url.copy_with(port=replica.port)
        try:
            answer = await self._inner.handle_async_request(request)
            await answer.aread()
        except httpx.ConnectError:
            raise
        except httpx.TransportError as error:
            self.failures.append(f"{what}: {type(error).__name__}: {error}")
            raise
        self.answered[replica.name] += 1
        if answer.is_server_error:
            self.failures.append(f"{what}: {answer.status_code} {answer.text}")
        return answer

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()
