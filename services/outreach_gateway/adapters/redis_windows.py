"""The sliding windows in Redis: one script call decides a whole batch."""

import re
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from services.outreach_gateway.decisions import KEPT
from services.outreach_gateway.model import Answer, Ask, NoSlot, Outreach, Policy, Rule, Slot, Window
from services.outreach_gateway.ports import Booked, Epoch
from shared import tracing
from shared.clock import Clock
from shared.messaging.errors import TransientError

SHARDS = 64

# What a server says of its own state, first in its answer or inside what the script reports of a command.
_STATE = re.compile(
    r"^-?(?!WRONGTYPE|ERR)[A-Z]{3,} |\b(OOM|READONLY|MISCONF|BUSY|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|LOADING|NOAUTH|NOPERM)\b"
)
_SCRIPT = (Path(__file__).parent / "book.lua").read_text(encoding="utf-8")
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS = -1
_NO_SLOT = -1


class WindowsLostError(TransientError):
    """The Redis that answers does not have this epoch's windows; they are being built anew."""

    WAITS_FOR = "windows"


class WindowsAwayError(TransientError):
    """Redis does not answer, or says that it can't now: it is full, read-only, busy, or does not let us in."""

    WAITS_FOR = "windows"


class RedisWindows:
    """The windows of all people, one sorted set each, under the hash tag of the person's shard.

    Keys carry the epoch's name: what an older Redis or a slow process writes under another name is never read.
    `at` fixes the time in tests; otherwise it is Redis' own, plus the clock's offset.
    """

    def __init__(
        self, redis: Redis, policy: Policy, clock: Clock, *, prefix: str = "fp", at: datetime | None = None
    ) -> None:
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self._policy = policy
        self._clock = clock
        self._prefix = prefix
        self.at = at

    async def book(self, asks: Sequence[Ask], epoch: Epoch) -> list[Answer]:
        """One answer an ask, in order; see `Windows`."""
        candidates = [ask.candidate for ask in asks]
        keys = [self._marker(_shard(candidates[0]) if asks else 0, epoch)]
        keys += [self._log(candidate, epoch) for candidate in candidates]
        arguments = [*self._settings(), *_arguments(asks)]
        try:
            now_ms, *pairs = await self._run(keys, arguments, len(asks))
        except ResponseError as error:
            if "FENCED" in str(error):
                raise WindowsLostError("the windows are being built anew") from error
            if not is_state_of_the_server(error):
                raise
            raise WindowsAwayError(type(error).__name__) from error
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error
        now = _time(now_ms)
        return [
            _answer(ask, int(slot), int(against), now)
            for ask, slot, against in zip(asks, pairs[::2], pairs[1::2], strict=True)
        ]

    async def _run(self, keys: Sequence[str], arguments: Sequence[str | int], asks: int) -> list[int]:
        # A look at the fence, many times a minute, would tell nothing in a trace.
        with tracing.span("redis book", "client", asks=asks) if asks else nullcontext():
            answer: list[int] = await self._script(keys=keys, args=arguments)
        return answer

    async def release(self, outreach: Sequence[Outreach], epoch: Epoch) -> None:
        """Gives slots back."""
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for row in outreach:
                    pipeline.zrem(self._log(row.candidate, epoch), _member(row.id, row.employer))
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error

    async def is_intact(self, epoch: Epoch) -> bool:
        """Runs the script with no message; TransientError when Redis does not answer."""
        try:
            await self.book([], epoch)
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
            await self._clear_others(epoch)
        except (RedisError, OSError) as error:
            raise WindowsAwayError(type(error).__name__) from error

    async def _add(self, booked: Sequence[Booked], epoch: Epoch) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for slot in booked:
                key = self._log(slot.candidate, epoch)
                pipeline.zadd(key, {_member(slot.outreach, slot.employer): _ms(slot.slot_at)})
                pipeline.pexpireat(key, _ms(max(slot.slot_at, self._clock.now()) + KEPT))
            await pipeline.execute()

    async def _clear_others(self, epoch: Epoch) -> None:
        own = f"}}:{epoch.name}"
        async for key in self._redis.scan_iter(match=f"{self._prefix}:{{s*", count=1000):
            name = key.decode() if isinstance(key, bytes) else str(key)
            if own not in name:
                await self._redis.unlink(key)

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


def _arguments(asks: Sequence[Ask]) -> list[str | int]:
    """The batch's own arguments; a calendar or a set of windows that several people share is sent once."""
    calendars: dict[int, tuple[int, list[str | int]]] = {}
    sets: dict[int, tuple[int, list[str | int]]] = {}
    messages: list[str | int] = []
    for ask in asks:
        calendar = calendars.get(id(ask.open_hours)) or calendars.setdefault(
            id(ask.open_hours), (len(calendars) + 1, _calendar(ask.open_hours))
        )
        windows = sets.get(id(ask.windows)) or sets.setdefault(id(ask.windows), (len(sets) + 1, _windows(ask.windows)))
        messages += (_member(ask.outreach, ask.employer), _ms(ask.until), calendar[0], windows[0])
    return [
        len(calendars),
        *chain.from_iterable(arguments for _, arguments in calendars.values()),
        len(sets),
        *chain.from_iterable(arguments for _, arguments in sets.values()),
        *messages,
    ]


def _calendar(intervals: tuple[tuple[int, int], ...]) -> list[str | int]:
    return [len(intervals), *chain.from_iterable(intervals)]


def _windows(windows: tuple[Window, ...]) -> list[str | int]:
    flat: list[str | int] = [len(windows)]
    for window in windows:
        flat += (window.length // _MILLISECOND, window.cap, window.halved, int(window.scope == "employer"))
    return flat


def _answer(ask: Ask, slot_ms: int, against: int, now: datetime) -> Answer:
    if against == 0:
        rule = None
    elif against == _HOURS:
        rule = Rule.HOURS
    else:
        rule = ask.windows[against - 1].rule
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
