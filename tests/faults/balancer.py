"""What stands before replicas in production: spreads requests over those in rotation and remembers what went wrong."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.waiting import until


@dataclass(frozen=True, slots=True)
class Replica:
    """One process behind the edge of its service."""

    name: str
    port: int


@dataclass(slots=True)
class Balancer(httpx.AsyncBaseTransport):
    """Requests to the port of a service's first replica go to its replicas in turn; all other ports go straight through."""

    replicas: Mapping[int, Sequence[Replica]]
    """By the port that clients know."""
    failures: list[str] = field(default_factory=list)
    """Requests that were not answered, or with a 5xx."""
    answered: Counter[str] = field(default_factory=Counter)
    """Answers by replica."""
    _out: set[str] = field(default_factory=set)
    _in_hand: Counter[str] = field(default_factory=Counter)
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _inner: httpx.AsyncHTTPTransport = field(default_factory=httpx.AsyncHTTPTransport)

    @asynccontextmanager
    async def without(self, name: str) -> AsyncIterator[None]:
        """Send nothing to this replica; the block begins when it has answered what it had in hand."""
        self._out.add(name)
        try:
            await until(lambda: not self._in_hand[name], what=f"{name} has answered")
            yield
        finally:
            self._out.discard(name)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer of a replica in rotation."""
        replica = self._choose(request.url.port)
        if replica is None:
            return await self._inner.handle_async_request(request)
        request.url = request.url.copy_with(port=replica.port)
        self._in_hand[replica.name] += 1
        try:
            answer = await self._inner.handle_async_request(request)
            await answer.aread()
        except httpx.TransportError as error:
            self.failures.append(f"{replica.name}: {request.method}: {type(error).__name__}: {error}")
            raise
        finally:
            self._in_hand[replica.name] -= 1
        self.answered[replica.name] += 1
        if answer.is_server_error:
            self.failures.append(f"{replica.name}: {request.method}: {answer.status_code}")
        return answer

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()

    def _choose(self, port: int | None) -> Replica | None:
        known = self.replicas.get(port or 0, ())
        there = [replica for replica in known if replica.name not in self._out] or known
        return there[next(self._turns) % len(there)] if there else None
