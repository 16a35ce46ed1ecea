"""Scripts on a Redis Cluster: one round trip a node, and a node that is away holds the calls of its own slots alone.

redis-py's client of clusters closes all connections when one node is lost, under whoever uses them; here each node has a
client of its own, and redis-py's knowledge of slots and redirections is used.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, NoScriptError, RedisError, ResponseError

from services.outreach_gateway.adapters.redis_servers import ANSWERS_WITHIN, Call, OneServer, Script, packed, send, told
from services.outreach_gateway.ports.windows import WindowsAwayError

Address = tuple[str, int]
_TRIES = 5
_TELLS_WITHIN = 1.5


@dataclass(slots=True)
class _Try:
    """A call on its way: where it goes next, and how."""

    call: Call
    slot: int
    moved_to: Address | None = None
    asking: bool = False
    by_text: bool = False
    answer: Any = None
    is_over: bool = False


class ClusterServers:
    """Each call on the node that has its slot now, as the cluster says it; asked again when a call is sent elsewhere or a node is away."""

    ONE_SLOT_A_CALL: ClassVar[bool] = True

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: dict[Address, Redis] = {}
        self._owners: dict[tuple[int, int], Address] = {}
        self._learning = asyncio.Lock()

    async def run(self, script: Script, calls: Sequence[Call], *, within: float = ANSWERS_WITHIN) -> list[Any]:
        """Side by side on the nodes; a call that is sent elsewhere goes there in the next round."""
        tries = [_Try(call, key_slot(call.keys[0].encode())) for call in calls]
        if not self._owners:
            await self._learn()
        for _ in range(_TRIES):
            rounds: dict[Address, list[_Try]] = {}
            for one in tries:
                if not one.is_over:
                    address = one.moved_to or self._owner(one.slot)
                    if address is None:
                        one.answer, one.is_over = WindowsAwayError("no node has the slot"), True
                    else:
                        rounds.setdefault(address, []).append(one)
            if not rounds:
                break
            elsewhere = await asyncio.gather(
                *(self._send(script, address, some, within) for address, some in rounds.items())
            )
            if any(elsewhere):
                await self._learn()
                for address, some in rounds.items():
                    for one in some:
                        one.is_over = one.is_over or (one.moved_to is None and self._owner(one.slot) == address)
        return [one.answer if isinstance(one.answer, WindowsAwayError) else told(one.answer) for one in tries]

    async def _send(self, script: Script, address: Address, some: Sequence[_Try], within: float) -> bool:
        """Whether the cluster is not what we know of it."""
        commands: list[bytes] = []
        for one in some:
            if one.asking:
                commands.append(packed("ASKING"))
            by = ("EVAL", script.text) if one.by_text else ("EVALSHA", script.sha)
            commands.append(one.call.packed(*by))
        answers = iter(await send(self._client(address), commands, within))
        learn = False
        for one in some:
            if one.asking:
                next(answers)
            one.answer = answer = next(answers)
            if isinstance(answer, AskError):  # a MovedError, to redis-py
                one.moved_to, one.asking = (answer.host, answer.port), True
            elif isinstance(answer, MovedError):
                one.moved_to, one.asking, learn = (answer.host, answer.port), False, True
            elif isinstance(answer, NoScriptError):
                one.moved_to, one.by_text = address, True
            elif isinstance(answer, ClusterDownError):
                one.is_over, learn = True, True  # this node serves the slot no more: for the next call another may
            elif isinstance(answer, Exception) and not isinstance(answer, ResponseError):
                one.moved_to, one.asking, learn = None, False, True  # no answer: who has the slot may be another by now
            else:
                one.is_over = True
        return learn

    def _owner(self, slot: int) -> Address | None:
        for (first, last), address in self._owners.items():
            if first <= slot <= last:
                return address
        return None

    def _client(self, address: Address) -> Redis:
        if address not in self._clients:
            parts = urlsplit(self._url)
            host, port = address
            who = parts.netloc.rpartition("@")
            place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            url = parts._replace(netloc=f"{who[0]}{who[1]}{place}").geturl()
            self._clients[address] = Redis.from_url(
                url,
                socket_timeout=ANSWERS_WITHIN,
                socket_connect_timeout=_TELLS_WITHIN,
                health_check_interval=15,
                retry=Retry(NoBackoff(), 1),
            )
        return self._clients[address]

    async def _learn(self) -> None:
        """From the first node that answers; what was known stays where none does."""
        async with self._learning:
            parts = urlsplit(self._url)
            first = (parts.hostname or "localhost", parts.port or 6379)
            for address in dict.fromkeys([*self._owners.values(), first]):
                try:
                    async with asyncio.timeout(_TELLS_WITHIN):
                        found = await self._client(address).execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]  # redis-py's own
                except (RedisError, OSError, TimeoutError):
                    continue
                if not found:
                    continue  # a node that was reset knows of nobody
                self._owners = {
                    (first_slot, last): (master[0].decode() or address[0], master[1])
                    for first_slot, last, master, *_ in found
                }
                return

    async def _masters(self) -> list[OneServer]:
        await self._learn()
        if not self._owners:
            raise WindowsAwayError("no node answers")
        return [OneServer(self._client(address)) for address in dict.fromkeys(self._owners.values())]

    async def policies(self) -> Sequence[str]:
        """Of each master."""
        found = await asyncio.gather(*(master.policies() for master in await self._masters()))
        return [policy for of_one in found for policy in of_one]

    async def forget(self, pattern: str) -> AsyncIterator[int]:
        """By a scan of each master."""
        for master in await self._masters():
            async for gone in master.forget(pattern):
                yield gone

    async def aclose(self) -> None:
        """The clients of all nodes."""
        for client in self._clients.values():
            await client.aclose()
