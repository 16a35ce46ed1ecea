"""Scripts on Redis: each call has an answer of its own, so that what can't be done for one holds nobody else's."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from services.outreach_gateway.ports.windows import WindowsAwayError, WindowsLostError

ANSWERS_WITHIN = 5.0
_KEYS_AT_ONCE = 1000
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
    """One run of a script; its keys are of one hash slot, where the servers are `ONE_SLOT_A_CALL`."""

    keys: Sequence[str]
    arguments: Sequence[str | int | bytes]

    def packed(self, *by: str) -> bytes:
        """As the protocol has it, by EVAL and a script or by EVALSHA and its name."""
        count = len(by) + 1 + len(self.keys) + len(self.arguments)
        before, behind = [*map(_part, by), _part(len(self.keys))], map(_part, self.arguments)
        return b"".join([b"*%d\r\n" % count, *before, _texts(self.keys), *behind])


class Servers(Protocol):
    """Where the windows are."""

    ONE_SLOT_A_CALL: ClassVar[bool]
    """Whether a call has to have all of its keys in one hash slot, since each may be on another server."""

    async def run(self, script: Script, calls: Sequence[Call], *, within: float = ANSWERS_WITHIN) -> list[Any]:
        """What each call answered, or in its place WindowsLostError where it was fenced, WindowsAwayError where its server
        does not answer in so many seconds or says that it can't now. Raises where the call itself is wrong."""

    async def policies(self) -> Sequence[str]:
        """`maxmemory-policy` of each server that holds windows; WindowsAwayError when one does not answer."""

    def forget(self, pattern: str) -> AsyncIterator[int]:
        """Removes the keys of this pattern, some at a time; a Redis that is full lets go of keys all the same."""

    async def aclose(self) -> None:
        """Closes its connections."""


class OneServer:
    """All calls in one round trip."""

    ONE_SLOT_A_CALL: ClassVar[bool] = False

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @classmethod
    def at_url(cls, url: str) -> "OneServer":
        """A server that is asked for an answer within 5 s."""
        return cls(
            Redis.from_url(
                url, socket_timeout=ANSWERS_WITHIN, socket_connect_timeout=ANSWERS_WITHIN, health_check_interval=15
            )
        )

    async def run(self, script: Script, calls: Sequence[Call], *, within: float = ANSWERS_WITHIN) -> list[Any]:
        """In one pipeline; a second one where the server has forgotten the script."""
        found = await send(self._redis, [call.packed("EVALSHA", script.sha) for call in calls], within)
        unknown = [place for place, answer in enumerate(found) if isinstance(answer, NoScriptError)]
        again = await send(self._redis, [calls[place].packed("EVAL", script.text) for place in unknown], within)
        for place, answer in zip(unknown, again, strict=True):
            found[place] = answer
        return [told(answer) for answer in found]

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
                await send(self._redis, [packed("UNLINK", key) for key in keys], ANSWERS_WITHIN)
                yield len(keys)
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error

    async def aclose(self) -> None:
        """Its pool."""
        await self._redis.aclose()


async def send(redis: Redis, commands: Sequence[bytes], within: float) -> list[Any]:
    """What each command (`packed`) answered, or its error: in one round trip, and the same error for all where there is no answer.

    redis-py packs each argument by itself, in 2 µs; a batch has hundreds, so its commands are packed here. All else is done
    as its pipelines do it: the health check and the retries are the connection's.
    """
    if not commands:
        return []
    pool: Any = redis.connection_pool

    async def exchanged(connection: Any) -> list[Any]:  # noqa: ANN401 - redis-py's, which has no types here
        await connection.send_packed_command(commands)
        return [await _answer(connection) for _ in commands]

    try:
        async with asyncio.timeout(within):
            connection = await pool.get_connection()
            try:
                found: list[Any] = await connection.retry.call_with_retry(
                    lambda: exchanged(connection), lambda _: connection.disconnect()
                )
                return found
            finally:
                await pool.release(connection)
    except (RedisError, OSError, TimeoutError) as error:
        return [error] * len(commands)


async def _answer(connection: Any) -> Any:  # noqa: ANN401 - as Redis answers, over redis-py's connection
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def packed(*command: str | int | bytes) -> bytes:
    """As the protocol has it: how many parts, then each part behind its length."""
    return b"".join([b"*%d\r\n" % len(command), *map(_part, command)])


def _part(part: str | int | bytes) -> bytes:
    raw = part if isinstance(part, bytes) else str(part).encode()
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


def _texts(texts: Sequence[str]) -> bytes:
    """Many parts at once, where a character is a byte."""
    together = "".join([f"${len(text)}\r\n{text}\r\n" for text in texts])
    return together.encode() if together.isascii() else b"".join(map(_part, texts))


def told(answer: Any) -> Any:  # noqa: ANN401 - as Redis answers
    """The answer, or WindowsLostError or WindowsAwayError in its place; raises where the call itself is wrong."""
    if not isinstance(answer, Exception):
        return answer
    if isinstance(answer, ResponseError):
        if "FENCED" in str(answer):
            return WindowsLostError("the windows are not on this server")
        if not is_state_of_the_server(answer):
            raise answer
    away = WindowsAwayError(type(answer).__name__)
    away.__cause__ = answer
    return away


def is_state_of_the_server(error: ResponseError) -> bool:
    """Whether it is Redis that can't do it now, rather than we who asked for what can't be done."""
    return type(error) is not ResponseError or _STATE.search(str(error)) is not None
