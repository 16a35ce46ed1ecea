"""The sliding windows in Redis: one script call a batch places the queues of its people, and holds them against the rows."""

from collections.abc import AsyncIterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from pathlib import Path

import structlog

from services.outreach_gateway.adapters.booking import MILLISECOND, Asked, Part, answered, ask, in_calls, ms, shards_of
from services.outreach_gateway.adapters.metrics import WINDOWS_DIFFERED
from services.outreach_gateway.adapters.redis_cluster import ClusterServers
from services.outreach_gateway.adapters.redis_servers import Call, OneServer, Script, Servers
from services.outreach_gateway.decisions import KEPT
from services.outreach_gateway.model import SHARDS, Answer, Policy, Queue
from services.outreach_gateway.ports.windows import Booked, Epoch, Found, Shard, WindowsAwayError
from shared import tracing
from shared.clock import Clock

MANY_DIFFER = 20
"""When the windows of so many people of a shard were not what the rows say, the shard is built anew."""

_BOOK = Script.of(Path(__file__).parent / "book.lua")
_FILL = Script.of(Path(__file__).parent / "fill.lua")
_LOOKS_WITHIN = 1.5
_ITS_OWN_TIME = -1
_ONCE_KEPT = ("{s*}:" + "?" * 16, "{s*}:" + "?" * 16 + ":*")
"""Before each shard had an epoch, its name of 16 letters was in the keys."""
_log = structlog.get_logger(__name__)


class RedisWindows:
    """The windows of all people, one string each, under the hash tag of the person's shard; beside them a marker that
    says on which run of which server, and under which epoch, they were built.

    What is known of a shard is kept between calls: one that is held is not asked until a `look` finds it open, so that a
    server which is away costs the others no time. `at` fixes the time in tests; otherwise it is Redis' own, plus the
    clock's offset.
    """

    @classmethod
    def at_url(cls, url: str, policy: Policy, clock: Clock, *, is_cluster: bool) -> "RedisWindows":
        """On a server, or on the cluster that it is of."""
        return cls(ClusterServers(url) if is_cluster else OneServer.at_url(url), policy, clock)

    def __init__(
        self, redis: Servers, policy: Policy, clock: Clock, *, prefix: str = "fp", at: datetime | None = None
    ) -> None:
        self._redis = redis
        self._policy = policy
        self._clock = clock
        self._prefix = prefix
        self._beside = [f"{self._marker(shard)}:" for shard in range(SHARDS)]
        self.at = at
        self._held: frozenset[int] = frozenset()
        self._failed: set[int] = set()
        self._different: dict[int, tuple[Epoch, int]] = {}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Its connections are closed when the block ends."""
        try:
            yield
        finally:
            await self._redis.aclose()

    @property
    def held(self) -> frozenset[int]:
        """As the last call found them."""
        return self._held

    async def book(self, queues: Sequence[Queue], epochs: Mapping[int, Epoch]) -> list[list[Answer] | None]:
        """For each queue one answer an ask, or None; see `Windows`."""
        shards = shards_of(queues)
        wanted = set(shards)
        self._hold(wanted - epochs.keys())
        there = {shard: epochs[shard] for shard in sorted(wanted - self._held)}
        parts = list(in_calls(there, queues, shards, one_shard_a_call=self._redis.ONE_SLOT_A_CALL))
        asked = [ask(self._settings(), part) for part in parts]
        calls = [self._call(part, one) for part, one in zip(parts, asked, strict=True)]
        asks = sum([len(queue.waiting) for queue in queues])
        with tracing.span("redis book", "client", asks=asks) if calls else nullcontext():
            found = await self._redis.run(_BOOK, calls)
        booked: list[list[Answer] | None] = [None] * len(queues)
        for part, one, answer in zip(parts, asked, found, strict=True):
            if isinstance(answer, WindowsAwayError):
                self._hold(part.epochs.keys())
                self._failed |= part.epochs.keys()
                continue
            told = answered(part, one, answer)
            for place, answers in zip(part.places, told.answers, strict=True):
                booked[place] = answers
            for shard, people in told.different.items():
                if people is None:
                    self._hold({shard})
                elif people:
                    self._note_differences(shard, part.epochs[shard], people)
        return booked

    def _call(self, part: Part, asked: Asked) -> Call:
        """Of people of some shards: of one, where each slot may be on another server."""
        beside = self._beside
        keys = [beside[shard] + queue.candidate for shard, queue in zip(part.shards, part.queues, strict=True)]
        return Call([*map(self._marker, part.epochs), *keys], asked.arguments)

    def _hold(self, shards: Set[int]) -> None:
        if shards - self._held:
            _log.warning("shards_held", shards=sorted(shards - self._held))
            self._held |= shards

    def _note_differences(self, shard: int, epoch: Epoch, people: int) -> None:
        WINDOWS_DIFFERED.inc(people)
        _log.warning("windows_differed", people=people, shard=shard)
        of_epoch, before = self._different.get(shard, (epoch, 0))
        self._different[shard] = (epoch, people + (before if of_epoch == epoch else 0))

    async def look(self, shards: Mapping[int, Shard]) -> dict[int, Found]:
        """Runs the script for the markers of the shards and nobody.

        A shard where a booking failed since the last look was away, whatever it says now (a server that is full answers
        who writes nothing); the next booking tries it again.
        """
        failed = self._failed & shards.keys()
        self._failed -= failed
        epochs = {shard: known.epoch for shard, known in shards.items()}
        parts = list(in_calls(epochs, (), (), one_shard_a_call=self._redis.ONE_SLOT_A_CALL))
        asked = [ask(self._settings(), part) for part in parts]
        calls = [self._call(part, one) for part, one in zip(parts, asked, strict=True)]
        found: dict[int, Found] = {}
        answers = await self._redis.run(_BOOK, calls, within=_LOOKS_WITHIN)
        for part, one, answer in zip(parts, asked, answers, strict=True):
            if isinstance(answer, WindowsAwayError):
                found |= dict.fromkeys(part.epochs, Found.AWAY)
                continue
            for shard, people in answered(part, one, answer).different.items():
                found[shard] = self._found(shard, shards[shard], is_there=people is not None)
        self._held -= shards.keys()
        self._held |= {shard for shard, what in found.items() if what is not Found.OPEN}
        return found | {shard: Found.AWAY for shard in failed if found[shard] is Found.OPEN}

    def _found(self, shard: int, known: Shard, *, is_there: bool) -> Found:
        if known.building is not None:
            return Found.BUILDING
        of_epoch, people = self._different.get(shard, (known.epoch, 0))
        is_sound = of_epoch != known.epoch or people < MANY_DIFFER
        return Found.OPEN if is_sound and is_there else Found.LOST

    async def begin(self, shard: int, epoch: Epoch) -> None:
        """The marker names the server and the epoch, and that it is not done."""
        await self._fill("begin", shard, epoch)

    async def place(self, shard: int, epoch: Epoch, page: Sequence[Booked]) -> None:
        """One call; a person's set makes way for what is given, whatever it was."""
        beside = self._beside[shard]
        keys = [beside + person.candidate for person in page]
        places = ",".join([person.places for person in page])
        await self._fill("place", shard, epoch, keys, [ms(self._clock.now()), KEPT // MILLISECOND, f"[{places}]"])

    async def open(self, shard: int, epoch: Epoch) -> None:
        """The marker is what batches look for."""
        await self._fill("open", shard, epoch)

    async def _fill(
        self, what: str, shard: int, epoch: Epoch, logs: Sequence[str] = (), given: Sequence[str | int] = ()
    ) -> None:
        call = Call([self._marker(shard), *logs], [what, epoch.name, *given])
        (answer,) = await self._redis.run(_FILL, [call])
        if isinstance(answer, Exception):
            raise answer

    async def refuses_eviction(self) -> bool:
        """Whether each server would rather refuse a write than forget a slot (`maxmemory-policy noeviction`)."""
        return set(await self._redis.policies()) <= {"noeviction"}

    async def sweep(self) -> AsyncIterator[int]:
        """By two scans."""
        for pattern in _ONCE_KEPT:
            async for gone in self._redis.forget(f"{self._prefix}:{pattern}"):
                yield gone

    def _settings(self) -> list[int]:
        at = _ITS_OWN_TIME if self.at is None else ms(self.at)
        policy = self._policy
        return [
            self._clock.offset_ms,
            at,
            policy.slot_good_for // MILLISECOND,
            KEPT // MILLISECOND,
            policy.unanswered_after // MILLISECOND,
            policy.halve_after_unanswered,
        ]

    def _marker(self, shard: int) -> str:
        return f"{self._prefix}:{{s{shard}}}"
