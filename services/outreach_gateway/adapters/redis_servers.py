"""Scripts on one Redis or on a Redis Cluster: each call by itself, so that what one server can't do holds nobody else's."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from services.outreach_gateway.ports import WindowsAwayError, WindowsLostError

_ANSWERS_WITHIN = 5.0
_KEYS_AT_ONCE = 1000
_CALLS_AT_ONCE = 32
"""A call takes a connection of a cluster's client; it has up to a hundred a node."""
# What a server says of its own state, first in its answer or inside what the script reports of a command.
_STATE = re.compile(
    r"^-?(?!WRONGTYPE|ERR)[A-Z]{3,} |\b(OOM|READONLY|MISCONF|BUSY|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|LOADING|NOAUTH|NOPERM)\b"
)


@dataclass(frozen=True, slots=True)
class Script:
    """A script by its text, and by the name under which a server has it once it has run there."""

    text: str
    sha: str

    @classmethod
    def of(cls, file: Path) -> "Script":
        """A .lua file."""
        text = file.read_text(encoding="utf-8")
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script; its keys are of one hash slot."""

    keys: Sequence[str]
    arguments: Sequence[str | int]


class Servers(Protocol):
    """Where the windows are."""

    async def run(self, script: Script, calls: Sequence[Call], *, within: float = _ANSWERS_WITHIN) -> list[Any]:
        """What each call answered, or in its place WindowsLostError where it was fenced, WindowsAwayError where its server
        does not answer in so many seconds or says that it can't now. Raises where the call itself is wrong."""

    async def policies(self) -> Sequence[str]:
        """`maxmemory-policy` of each server that holds windows; WindowsAwayError when one does not answer."""

    def forget(self, pattern: str) -> AsyncIterator[int]:
        """Removes the keys of this pattern, some at a time; a Redis that is full lets go of keys all the same."""

    async def aclose(self) -> None:
        """Closes its connections."""


def servers(url: str, *, is_cluster: bool) -> Servers:
    """One Redis, or the cluster that this node is of."""
    if is_cluster:
        return ClusterServers(
            RedisCluster.from_url(
                url,
                socket_timeout=_ANSWERS_WITHIN,
                socket_connect_timeout=_ANSWERS_WITHIN,
                health_check_interval=15,
                require_full_coverage=False,
                retry=Retry(ExponentialBackoff(cap=0.1, base=0.01), 3),
            )
        )
    return OneServer(
        Redis.from_url(
            url, socket_timeout=_ANSWERS_WITHIN, socket_connect_timeout=_ANSWERS_WITHIN, health_check_interval=15
        )
    )


class OneServer:
    """All calls in one round trip."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def run(self, script: Script, calls: Sequence[Call], *, within: float = _ANSWERS_WITHIN) -> list[Any]:
        """In one pipeline; a second one where the server has forgotten the script."""
        return await _run(script, calls, lambda name, by, some: self._send(name, by, some, within))

    async def _send(self, name: str, by: str, calls: Sequence[Call], within: float) -> list[Any]:
        try:
            async with asyncio.timeout(within), self._redis.pipeline(transaction=False) as pipeline:
                for call in calls:
                    pipeline.execute_command(name, by, len(call.keys), *call.keys, *call.arguments)
                return await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError, TimeoutError) as error:
            return [error] * len(calls)

    async def policies(self) -> Sequence[str]:
        """One."""
        try:
            return [str((await self._redis.info("memory")).get("maxmemory_policy"))]
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error

    async def forget(self, pattern: str) -> AsyncIterator[int]:
        """By a scan."""
        cursor = -1
        try:
            while cursor != 0:
                cursor, keys = await self._redis.scan(max(cursor, 0), match=pattern, count=_KEYS_AT_ONCE)
                if keys:
                    await self._redis.unlink(*keys)
                yield len(keys)
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error

    async def aclose(self) -> None:
        """Its pool."""
        await self._redis.aclose()


class ClusterServers:
    """Each call on the node that has its slot now; the client follows MOVED and ASK, and asks who is there when one is away."""

    def __init__(self, cluster: RedisCluster) -> None:
        self._cluster = cluster
        self._turns = asyncio.Semaphore(_CALLS_AT_ONCE)

    async def run(self, script: Script, calls: Sequence[Call], *, within: float = _ANSWERS_WITHIN) -> list[Any]:
        """Side by side."""
        return await _run(
            script,
            calls,
            lambda name, by, some: asyncio.gather(*(self._send(name, by, call, within) for call in some)),
        )

    async def _send(self, name: str, by: str, call: Call, within: float) -> Any:  # noqa: ANN401 - as Redis answers
        async with self._turns:
            try:
                async with asyncio.timeout(within):
                    return await self._cluster.execute_command(name, by, len(call.keys), *call.keys, *call.arguments)
            except (RedisError, OSError, TimeoutError) as error:
                return error

    async def policies(self) -> Sequence[str]:
        """Of each primary."""
        try:
            await self._cluster.initialize()
            found = await self._cluster.info("memory", target_nodes=RedisCluster.PRIMARIES)
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error
        return [str(of_one.get("maxmemory_policy")) for of_one in found.values()]

    async def forget(self, pattern: str) -> AsyncIterator[int]:
        """By a scan of each primary."""
        try:
            await self._cluster.initialize()
            for node in self._cluster.get_primaries():
                cursor = "-1"
                while cursor != "0":
                    answer = await self._cluster.execute_command(
                        "SCAN", max(int(cursor), 0), "MATCH", pattern, "COUNT", _KEYS_AT_ONCE, target_nodes=node
                    )
                    (cursors, keys) = answer
                    cursor = str(next(iter(cursors.values()))) if isinstance(cursors, dict) else str(int(cursors))
                    await asyncio.gather(*(self._cluster.unlink(key) for key in keys))
                    yield len(keys)
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error

    async def aclose(self) -> None:
        """The pools of all nodes."""
        await self._cluster.aclose()


async def _run(
    script: Script, calls: Sequence[Call], send: Callable[[str, str, Sequence[Call]], Awaitable[list[Any]]]
) -> list[Any]:
    found = await send("EVALSHA", script.sha, calls) if calls else []
    unknown = [place for place, answer in enumerate(found) if isinstance(answer, NoScriptError)]
    if unknown:
        again = await send("EVAL", script.text, [calls[place] for place in unknown])
        for place, answer in zip(unknown, again, strict=True):
            found[place] = answer
    return [_told(answer) if isinstance(answer, Exception) else answer for answer in found]


def _told(error: Exception) -> Exception:
    if isinstance(error, ResponseError):
        if "FENCED" in str(error):
            return WindowsLostError("the windows are not on this server")
        if not is_state_of_the_server(error):
            raise error
    away = WindowsAwayError(type(error).__name__)
    away.__cause__ = error
    return away


def is_state_of_the_server(error: ResponseError) -> bool:
    """Whether it is Redis that can't do it now, rather than we who asked for what can't be done."""
    return type(error) is not ResponseError or _STATE.search(str(error)) is not None
