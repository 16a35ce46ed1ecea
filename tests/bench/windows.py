"""The sliding windows beside `limits`, `pyrate-limiter` and Redis' own `EVAL "return 1"`, on one Redis.

All of them are asked in a time that the bench says, 13 hours further at each turn, so that logs fill up and slots leave them again. Each
is asked with the same three rules (1 in 24 hours, 2 in 7 days, 6 in 30 days), and what it answers is what a loop over plain
lists answers.

- **admit or refuse**: may this message go now? It is all that the peers do.
- **with reservations**: the shipped policy with hours: who may not go now is given a slot within two weeks, everybody who waits
  keeps their turn, and what comes due goes. Compared, for some people, with the model that tries every moment.
"""

import asyncio
import importlib.util
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock
from uuid import UUID

import uvloop
from limits import RateLimitItemPerHour
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import BlockingConnectionPool, Redis

from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.adapters.redis_servers import OneServer
from services.outreach_gateway.adapters.redis_windows import RedisWindows
from services.outreach_gateway.calendar import open_hours
from services.outreach_gateway.decisions import KEPT, windows_of
from services.outreach_gateway.model import (
    SHARDS,
    Answer,
    Ask,
    Consent,
    NoSlot,
    Place,
    Queue,
    Rule,
    Slot,
    Window,
    shard_of,
)
from services.outreach_gateway.ports.windows import Epoch
from shared.lifetime import keep_what_is_there
from tests.bench.harness import Contender
from tests.fakes.clock import FixedClock
from tests.fakes.outreach_gateway import FakeWindows, booked

T = TypeVar("T")
POLICY = read_policy("2026-12")
RULES = ((1, 24), (2, 7 * 24), (6, 30 * 24))
"""How many, in how many hours."""
LIMITS = tuple(Window(timedelta(hours=hours), cap, cap, Rule.NETWORK_WINDOW) for cap, hours in reversed(RULES))
STEP, TURNS, BATCH, AT_ONCE = timedelta(hours=13), 24, 500, 64
PEOPLE, OF_PEERS = 4_000, 200
ALWAYS = ((0, 10**15),)
ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Phoenix", None)
EVERY = dict.fromkeys(range(SHARDS), Epoch("bench"))
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def run(work: Callable[[], Coroutine[Any, Any, float]]) -> Contender:
    """On the loop that our processes have, with Python's collector as they set it: whoever contends."""
    keep_what_is_there()

    def contend() -> float:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work())

    return contend


def person(number: int) -> str:
    """Of another shard than the one before."""
    return str(UUID(int=(number << 64) + number % 256))


def obvious(turns: int) -> list[bool]:
    """Whether a message of each turn may go: counted in a plain list."""
    gone: list[timedelta] = []
    for turn in range(turns):
        now = turn * STEP
        if all(sum(now - at < timedelta(hours=hours) for at in gone) < cap for cap, hours in RULES):
            gone.append(now)
    return [turn * STEP in gone for turn in range(turns)]


@dataclass
class Person:
    """What the rows say of somebody."""

    consent: Consent
    limits: tuple[Window, ...]
    taken: list[Place] = field(default_factory=list)
    waiting: list[Ask] = field(default_factory=list)

    def queue(self, hours: tuple[tuple[int, int], ...]) -> Queue:
        return Queue(self.consent.candidate, self.limits, hours, tuple(self.taken), (), tuple(self.waiting))

    def commit(self, answers: Sequence[Answer], *, at: datetime) -> None:
        still: list[Ask] = []
        for ask, answer in zip(self.waiting, answers, strict=True):
            if isinstance(answer, Slot) and answer.is_due:
                self.taken.append(Place(ask.outreach, ask.employer, answer.at))
            elif isinstance(answer, Slot):
                still.append(Ask(ask.outreach, ask.employer, ask.until, answer.at))
        self.waiting = still
        self.taken = [place for place in self.taken if place.at > at - KEPT]


class Ours:
    """Batches of 500 people, `in_flight` of them on their way."""

    def __init__(self, url: str, *, in_flight: int, reserves: bool, people: int = PEOPLE) -> None:
        self._url, self._in_flight, self._reserves, self._count = url, in_flight, reserves, people

    async def __call__(self) -> float:
        async with Redis.from_pool(BlockingConnectionPool.from_url(self._url, max_connections=8)) as redis:
            await redis.flushall()
            windows = RedisWindows(OneServer(redis), POLICY, FixedClock(START), at=START)
            for shard in range(SHARDS):
                await windows.begin(shard, EVERY[shard])
                await windows.open(shard, EVERY[shard])
            return await self._decide(windows)

    async def _decide(self, windows: RedisWindows) -> float:
        people = [self._person(number) for number in range(self._count)]
        took, asked, expected = 0.0, 0, obvious(TURNS)
        for turn in range(TURNS):
            windows.at = at = START + turn * STEP
            ahead = timedelta(days=7) if self._reserves else timedelta(0)
            for number, one in enumerate(people):
                name = f"o_{number:011x}{turn:011x}"
                one.waiting.append(Ask(name, f"emp_{(number + turn) % 40:02}", at + ahead))
            queues = [one.queue(open_hours(POLICY, one.consent, at=at) if self._reserves else ALWAYS) for one in people]
            batches = [queues[first : first + BATCH] for first in range(0, len(queues), BATCH)]
            began = time.perf_counter()
            found = await _at_once(self._in_flight, (windows.book(batch, EVERY) for batch in batches))
            took += time.perf_counter() - began
            asked += len(people)
            for one, answers in zip(people, (answers for batch in found for answers in batch), strict=True):
                assert answers is not None, "a shard is held"
                if not self._reserves:
                    assert [isinstance(answer, Slot) for answer in answers] == [expected[turn]], "not what a loop says"
                one.commit(answers, at=at)
        if self._reserves:
            await _is_as_the_model_says(people)
        return asked / took

    def _person(self, number: int) -> Person:
        consent = Consent(person(number), 1, contact=True, time_zone=ZONES[number % len(ZONES)])
        return Person(consent, windows_of(POLICY, consent) if self._reserves else LIMITS)


async def _is_as_the_model_says(people: Sequence[Person]) -> None:
    """Of one person of each zone, everything that was decided, tried moment by moment."""
    for number in range(len(ZONES)):
        real = people[number]
        model, one = FakeWindows(POLICY, epoch=EVERY[0]), Person(real.consent, real.limits)
        for turn in range(TURNS):
            model.at = at = START + turn * STEP
            one.waiting.append(
                Ask(f"o_{number:011x}{turn:011x}", f"emp_{(number + turn) % 40:02}", at + timedelta(days=7))
            )
            (answers,) = await model.book([one.queue(open_hours(POLICY, one.consent, at=at))], EVERY)
            assert answers is not None
            one.commit(answers, at=at)
        assert (one.taken, one.waiting) == (real.taken, real.waiting), "not what trying every moment says"


async def _at_once(many: int, work: Iterable[Awaitable[T]]) -> list[T]:
    """So many on their way at each moment; the results in order."""
    jobs = list(work)
    found: list[Any] = [None] * len(jobs)
    places = iter(range(len(jobs)))

    async def go_on() -> None:
        for place in places:
            found[place] = await jobs[place]

    await asyncio.gather(*(go_on() for _ in range(many)))
    return found


async def limits(url: str) -> float:
    """`limits`' async moving window: a hit of each rule, the shortest first, until one says no; 64 people at once."""
    async with Redis.from_url(url) as redis:
        await redis.flushall()
    connections: Any = BlockingConnectionPool.from_url(url, max_connections=AT_ONCE)
    storage = RedisStorage(f"async+{url}", implementation="redispy", connection_pool=connections)
    limiter = MovingWindowRateLimiter(storage)
    items = [RateLimitItemPerHour(cap, hours) for cap, hours in RULES]
    people = [person(number) for number in range(OF_PEERS)]
    took, now = 0.0, START.timestamp()
    logs: list[list[float]] = [[] for _ in RULES]

    async def may(who: str) -> bool:
        for item in items:
            if not await limiter.hit(item, who):
                return False
        return True

    with mock.patch("limits.aio.storage.redis.redispy.time", SimpleNamespace(time=lambda: now)):
        for turn in range(TURNS):
            now = (START + turn * STEP).timestamp()
            began = time.perf_counter()
            found = await _at_once(AT_ONCE, (may(who) for who in people))
            took += time.perf_counter() - began
            assert found == [_hits(logs, now)] * OF_PEERS, "`limits` does not say what a loop says"
    return OF_PEERS * TURNS / took


def _hits(logs: list[list[float]], now: float) -> bool:
    """As `limits` does it: what was hit before the rule that says no stays hit."""
    for log, (cap, hours) in zip(logs, RULES, strict=True):
        if sum(now - at <= hours * 3600 for at in log) >= cap:
            return False
        log.append(now)
    return True


async def pyrate(url: str) -> float:
    """`pyrate-limiter`: a bucket a person, all rates in one script call, 64 people at once; without its Limiter around it."""
    from pyrate_limiter import Rate, RateItem, RedisBucket

    took = 0.0
    async with Redis.from_pool(BlockingConnectionPool.from_url(url, max_connections=AT_ONCE)) as redis:
        await redis.flushall()
        rates = [Rate(cap, hours * 3_600_000) for cap, hours in RULES]
        buckets: list[Any] = [
            await RedisBucket.init(rates, redis, f"bucket:{person(number)}") for number in range(OF_PEERS)
        ]
        expected = obvious(TURNS)
        for turn in range(TURNS):
            now = int((START + turn * STEP).timestamp() * 1000)
            began = time.perf_counter()
            found = await _at_once(AT_ONCE, (bucket.put(RateItem("o", now)) for bucket in buckets))
            took += time.perf_counter() - began
            assert found == [expected[turn]] * OF_PEERS, "`pyrate-limiter` does not say what a loop says"
    return OF_PEERS * TURNS / took


async def return_1(url: str) -> float:
    """As fast as Redis answers a script that does nothing, 500 in a pipeline that is packed before the clock runs."""
    rounds, took = 120, 0.0
    async with Redis.from_url(url) as redis:
        sha = await redis.script_load("return 1")
        connection: Any = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py's own
        packed = connection.pack_commands([("EVALSHA", sha, 0)] * BATCH)
        for _ in range(rounds):
            began = time.perf_counter()
            await connection.send_packed_command(packed)
            answers = [await connection.read_response() for _ in range(BATCH)]
            took += time.perf_counter() - began
            assert answers == [1] * BATCH
        await redis.connection_pool.release(connection)
    return rounds * BATCH / took


class FullWindows:
    """Bytes of Redis for a person whose windows are full: six slots in 30 days."""

    def __init__(self, url: str, *, people: int = 20_000, slots: int = 6) -> None:
        self._url, self._people, self._slots = url, people, slots

    async def __call__(self) -> float:
        async with Redis.from_url(self._url) as redis:
            await redis.flushall()
            before = (await redis.info("memory"))["used_memory"]
            await fill(RedisWindows(OneServer(redis), POLICY, FixedClock(START)), self._people, self._slots)
            return float((await redis.info("memory"))["used_memory"] - before) / self._people


class Among:
    """Decisions in a second for 10,000 people (or `decided`), wherever they are among so many with three slots each."""

    def __init__(self, url: str, people: int, *, decided: int = 10_000) -> None:
        self._url, self._people, self._decided = url, people, decided

    async def __call__(self) -> float:
        async with Redis.from_url(self._url) as redis:
            windows = RedisWindows(OneServer(redis), POLICY, FixedClock(START), at=START)
            if await redis.dbsize() != self._people + SHARDS:
                await redis.flushall()
                await fill(windows, self._people, 3)
            step = self._people // self._decided
            queues = [
                Queue(
                    person(number), LIMITS, ALWAYS, places(number, 3), (), (Ask(f"o_{number:022}", "emp_new", START),)
                )
                for number in range(0, self._people, step)
            ]
            began = time.perf_counter()
            for first in range(0, len(queues), BATCH):
                for answers in await windows.book(queues[first : first + BATCH], EVERY):
                    assert answers == [NoSlot(Rule.NETWORK_WINDOW)], "their week is full"
            return len(queues) / (time.perf_counter() - began)


def places(number: int, slots: int) -> tuple[Place, ...]:
    """One each five days, the last two days ago and the one before four days ago."""
    days = [2, *(4 + 5 * earlier for earlier in range(slots - 1))]
    return tuple(
        Place(f"o_{number:011x}{day:011x}", f"emp_{day:04}", START - timedelta(days=day)) for day in reversed(days)
    )


async def fill(windows: RedisWindows, people: int, slots: int) -> None:
    """As a rebuild does it, shard by shard."""
    of_shard: dict[int, list[int]] = {shard: [] for shard in range(SHARDS)}
    for number in range(people):
        of_shard[shard_of(person(number))].append(number)
    for shard, numbers in of_shard.items():
        await windows.begin(shard, EVERY[shard])
        for first in range(0, len(numbers), BATCH):
            page = [booked(person(number), *places(number, slots)) for number in numbers[first : first + BATCH]]
            await windows.place(shard, EVERY[shard], page)
        await windows.open(shard, EVERY[shard])


def has_pyrate() -> bool:
    """Whether the peer of the extra `bench` is installed."""
    return importlib.util.find_spec("pyrate_limiter") is not None
