"""The sliding windows in Redis: one script call places the queues of a whole batch, and holds them against the rows."""

import re
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from services.outreach_gateway.adapters.metrics import WINDOWS_DIFFERED
from services.outreach_gateway.decisions import KEPT
from services.outreach_gateway.model import Answer, Ask, NoSlot, Place, Policy, Queue, Rule, Slot, Window
from services.outreach_gateway.ports import Booked, Epoch
from shared import tracing
from shared.clock import Clock
from shared.messaging.errors import TransientError

SHARDS = 64
MANY_DIFFER = 100
"""When the windows of so many people were not what the rows say, all are built anew."""

# What a server says of its own state, first in its answer or inside what the script reports of a command.
_STATE = re.compile(
    r"^-?(?!WRONGTYPE|ERR)[A-Z]{3,} |\b(OOM|READONLY|MISCONF|BUSY|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|LOADING|NOAUTH|NOPERM)\b"
)
_SCRIPT = (Path(__file__).parent / "book.lua").read_text(encoding="utf-8")
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS = -1
_log = structlog.get_logger(__name__)
_NO_SLOT = -1
_AT_ONCE = 1000
_ANSWERS_WITHIN = 5.0
_ASKS_A_CALL = 500
"""About an eighth of a second of Redis' time, where everybody has a dozen slots."""


class WindowsLostError(TransientError):
    """The Redis that answers does not have this epoch's windows; they are being built anew."""

    WAITS_FOR = "windows"
    MAY_END_THE_PROCESS = False


class WindowsAwayError(TransientError):
    """Redis does not answer, or says that it can't now: it is full, read-only, busy, or does not let us in."""

    WAITS_FOR = "windows"
    MAY_END_THE_PROCESS = False


class RedisWindows:
    """The windows of all people, one sorted set each, under the hash tag of the person's shard.

    Keys carry the epoch's name: what an older Redis or a slow process writes under another name is never read.
    `at` fixes the time in tests; otherwise it is Redis' own, plus the clock's offset.
    """

    @classmethod
    def at_url(cls, url: str, policy: Policy, clock: Clock) -> "RedisWindows":
        """On a server that is asked for an answer within 5 s."""
        redis: Redis = Redis.from_url(
            url, socket_timeout=_ANSWERS_WITHIN, socket_connect_timeout=_ANSWERS_WITHIN, health_check_interval=15
        )
        return cls(redis, policy, clock)

    def __init__(
        self, redis: Redis, policy: Policy, clock: Clock, *, prefix: str = "fp", at: datetime | None = None
    ) -> None:
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self._policy = policy
        self._clock = clock
        self._prefix = prefix
        self.at = at
        self._different = ("", 0)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Its connections are closed when the block ends."""
        try:
            yield
        finally:
            await self._redis.aclose()

    async def book(self, queues: Sequence[Queue], epoch: Epoch) -> list[list[Answer]]:
        """For each queue one answer an ask, in order; see `Windows`."""
        return [answer for some in _in_parts(queues) for answer in await self._book(some, epoch)]

    async def _book(self, queues: Sequence[Queue], epoch: Epoch) -> list[list[Answer]]:
        shards = sorted({_shard(queue.candidate) for queue in queues})
        keys = [self._marker(shard, epoch) for shard in shards]
        keys += [self._log(queue.candidate, epoch) for queue in queues]
        now_ms, *answers = await self._run(keys, [len(shards), *self._settings(), *_arguments(queues)], queues)
        now, found, different = _time(now_ms), [], 0
        answer = iter(answers)
        for queue in queues:
            different += next(answer)
            found.append([_answer(ask, queue, next(answer), next(answer), now) for ask in queue.waiting])
        if different:
            self._note_differences(different, epoch)
        return found

    async def _run(self, keys: Sequence[str], arguments: Sequence[str | int], queues: Sequence[Queue]) -> list[int]:
        asks = sum(len(queue.waiting) for queue in queues)
        try:
            # A look at the fence, many times a minute, would tell nothing in a trace.
            with tracing.span("redis book", "client", asks=asks) if asks else nullcontext():
                return [int(found) for found in await self._script(keys=keys, args=arguments)]
        except ResponseError as error:
            if "FENCED" in str(error):
                raise WindowsLostError("the windows are being built anew") from error
            if not is_state_of_the_server(error):
                raise
            raise WindowsAwayError(type(error).__name__) from error
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error

    def _note_differences(self, people: int, epoch: Epoch) -> None:
        WINDOWS_DIFFERED.inc(people)
        _log.warning("windows_differed", people=people, epoch=epoch.name)
        before = self._different[1] if self._different[0] == epoch.name else 0
        self._different = (epoch.name, before + people)

    async def is_intact(self, epoch: Epoch) -> bool:
        """Runs the script with every marker and no message; TransientError when Redis does not answer."""
        if self._different[0] == epoch.name and self._different[1] >= MANY_DIFFER:
            return False
        markers = [self._marker(shard, epoch) for shard in range(SHARDS)]
        try:
            await self._run(markers, [len(markers), *self._settings(), *_arguments([])], [])
        except WindowsLostError:
            return False
        return True

    async def refuses_eviction(self) -> bool:
        """Whether Redis would rather refuse a write than forget a slot (`maxmemory-policy noeviction`)."""
        try:
            memory = await self._redis.info("memory")
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error
        return bool(memory.get("maxmemory_policy") == "noeviction")

    async def build(self, booked: AsyncIterator[Sequence[Booked]], epoch: Epoch) -> None:
        """Fills a new epoch, the earliest slots first; its markers, which let it be used, are written last and name the server it was built on."""
        try:
            run = (await self._redis.info("server"))["run_id"]
            async for some in booked:
                await self._add(some, epoch)
            async with self._redis.pipeline(transaction=False) as pipeline:
                for shard in range(SHARDS):
                    pipeline.set(self._marker(shard, epoch), run)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error

    async def clear(self) -> AsyncIterator[int]:
        """Some thousand at a time; a Redis that is full lets go of keys all the same."""
        cursor = -1
        try:
            while cursor != 0:
                cursor, keys = await self._redis.scan(max(cursor, 0), match=f"{self._prefix}:{{s*", count=_AT_ONCE)
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for key in keys:
                        pipeline.unlink(key)
                    await pipeline.execute()
                yield len(keys)
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error

    async def _add(self, booked: Sequence[Booked], epoch: Epoch) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for slot in booked:
                key = self._log(slot.candidate, epoch)
                pipeline.zadd(key, {_member(slot.outreach, slot.employer): _ms(slot.slot_at)})
                pipeline.pexpireat(key, _ms(max(slot.slot_at, self._clock.now()) + KEPT))
            await pipeline.execute()

    def _settings(self) -> list[str | int]:
        at = "" if self.at is None else _ms(self.at)
        policy = self._policy
        return [
            self._clock.offset_ms,
            at,
            policy.slot_good_for // _MILLISECOND,
            KEPT // _MILLISECOND,
            policy.unanswered_after // _MILLISECOND,
            policy.halve_after_unanswered,
        ]

    def _marker(self, shard: int, epoch: Epoch) -> str:
        return f"{self._prefix}:{{s{shard}}}:{epoch.name}"

    def _log(self, candidate: str, epoch: Epoch) -> str:
        return f"{self._prefix}:{{s{_shard(candidate)}}}:{epoch.name}:{candidate}"


def is_state_of_the_server(error: ResponseError) -> bool:
    """Whether it is Redis that can't do it now, rather than we who asked for what can't be done."""
    return type(error) is not ResponseError or _STATE.search(str(error)) is not None


def _in_parts(queues: Sequence[Queue]) -> Iterator[Sequence[Queue]]:
    """People who are asked for in one call: while it runs, Redis answers nobody else."""
    some: list[Queue] = []
    asks = 0
    for queue in queues:
        if some and asks + len(queue.waiting) > _ASKS_A_CALL:
            yield some
            some, asks = [], 0
        some.append(queue)
        asks += len(queue.waiting)
    if some:
        yield some


def _arguments(queues: Sequence[Queue]) -> list[str | int]:
    """The batch's own arguments; a calendar or a set of windows that several people share is sent once."""
    calendars: dict[int, tuple[int, list[str | int]]] = {}
    sets: dict[int, tuple[int, list[str | int]]] = {}
    people: list[str | int] = []
    for queue in queues:
        calendar = calendars.get(id(queue.open_hours)) or calendars.setdefault(
            id(queue.open_hours), (len(calendars) + 1, _calendar(queue.open_hours))
        )
        windows = sets.get(id(queue.windows)) or sets.setdefault(
            id(queue.windows), (len(sets) + 1, _windows(queue.windows))
        )
        people += (calendar[0], windows[0], *_places(queue.taken), *_places(queue.leaving), len(queue.waiting))
        for ask in queue.waiting:
            slot = _NO_SLOT if ask.slot_at is None else _ms(ask.slot_at)
            people += (_member(ask.outreach, ask.employer), _ms(ask.until), slot)
    return [
        len(calendars),
        *chain.from_iterable(arguments for _, arguments in calendars.values()),
        len(sets),
        *chain.from_iterable(arguments for _, arguments in sets.values()),
        *people,
    ]


def _places(places: Sequence[Place]) -> list[str | int]:
    flat: list[str | int] = [len(places)]
    for place in places:
        flat += (_member(place.outreach, place.employer), _ms(place.at))
    return flat


def _calendar(intervals: tuple[tuple[int, int], ...]) -> list[str | int]:
    return [len(intervals), *chain.from_iterable(intervals)]


def _windows(windows: tuple[Window, ...]) -> list[str | int]:
    flat: list[str | int] = [len(windows)]
    for window in windows:
        flat += (window.length // _MILLISECOND, window.cap, window.halved, int(window.scope == "employer"))
    return flat


def _answer(ask: Ask, queue: Queue, slot_ms: int, against: int, now: datetime) -> Answer:
    if against == 0:
        rule = None
    elif against == _HOURS:
        rule = Rule.HOURS
    else:
        rule = queue.windows[against - 1].rule
    if slot_ms == _NO_SLOT:
        return NoSlot(rule or Rule.EXPIRED)
    return Slot(_time(slot_ms), now, rule)


def _member(outreach: str, employer: str) -> str:
    return f"{outreach}|{employer}"


def _shard(candidate: str) -> int:
    return zlib.crc32(candidate.encode()) % SHARDS


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _time(ms: int | bytes | str) -> datetime:
    return _EPOCH + int(ms) * _MILLISECOND
