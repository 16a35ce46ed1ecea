"""The sliding windows: one suite on the brute-force fake and on Redis, and Redis against two oracles."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from prometheus_client import REGISTRY
from redis.asyncio import BlockingConnectionPool, Redis
from redis.crc import key_slot
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError, ResponseError

from services.outreach_gateway.adapters.booking import Asked, Part
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.adapters.redis_servers import Call, OneServer, Script, is_state_of_the_server
from services.outreach_gateway.adapters.redis_windows import MANY_DIFFER, RedisWindows
from services.outreach_gateway.calendar import open_hours
from services.outreach_gateway.decisions import windows_of
from services.outreach_gateway.model import (
    SHARDS,
    Answer,
    Ask,
    Consent,
    NoSlot,
    Place,
    Policy,
    Queue,
    Rule,
    Slot,
    Window,
    shard_of,
)
from services.outreach_gateway.ports.windows import (
    Booked,
    Building,
    Epoch,
    Found,
    Shard,
    WindowsAwayError,
    WindowsLostError,
)
from tests import window_logs
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.outreach_gateway import FakeWindows, booked
from tests.stack import Servers

POLICY = read_policy("2026-12")
PERSON = Consent("c", 1, contact=True, time_zone="America/Denver")
EPOCH = Epoch("one")
EVERY = dict.fromkeys(range(SHARDS), EPOCH)
OF_C = shard_of("c")
WEEK = timedelta(days=7, minutes=10)
DAY = timedelta(hours=24, minutes=10)
Anyone = FakeWindows | RedisWindows


def ask(outreach: str, employer: str, *, at: datetime = NOON, days: float = 14) -> Ask:
    return Ask(outreach, employer, at + timedelta(days=days))


@dataclass
class Rows:
    """What the gateway's rows say of one person, and a way to ask the windows about them."""

    windows: Anyone
    candidate: str = "c"
    limits: tuple[Window, ...] = windows_of(POLICY, PERSON)
    hours: tuple[tuple[int, int], ...] | None = None
    epoch: Epoch = EPOCH
    sent: dict[str, Place] = field(default_factory=dict)
    waiting: dict[str, Ask] = field(default_factory=dict)
    """By arrival."""

    def queue(self) -> Queue:
        hours = self.hours or open_hours(POLICY, PERSON, at=self.windows.at or NOON)
        return Queue(
            self.candidate, self.limits, hours, taken=tuple(self.sent.values()), waiting=tuple(self.waiting.values())
        )

    async def book(self, *asks: Ask, is_committed: bool = True) -> list[Answer]:
        """The answers to these; everybody else who waits is asked for as well."""
        for one in asks:
            known = self.waiting.get(one.outreach)
            if one.outreach not in self.sent:
                self.waiting[one.outreach] = one._replace(slot_at=known.slot_at if known else None)
        asked = dict(self.waiting)
        (found,) = await self.windows.book([self.queue()], {shard_of(self.candidate): self.epoch})
        assert found is not None, "the shard is held"
        answers = dict(zip(asked, found, strict=True))
        if is_committed:
            self.commit(answers)
        return [answers[one.outreach] for one in asks if one.outreach in answers]

    def commit(self, answers: dict[str, Answer]) -> None:
        for outreach, answer in answers.items():
            known = self.waiting[outreach]
            if isinstance(answer, NoSlot) and known.slot_at is None:
                del self.waiting[outreach]
            elif isinstance(answer, NoSlot):
                self.waiting[outreach] = known._replace(slot_at=None)
            elif answer.is_due:
                del self.waiting[outreach]
                self.sent[outreach] = Place(outreach, known.employer, answer.at)
            else:
                self.waiting[outreach] = known._replace(slot_at=answer.at)

    def forget(self, outreach: str) -> None:
        """It was taken back, withheld or bounced."""
        self.waiting.pop(outreach, None)
        self.sent.pop(outreach, None)

    def slots(self) -> list[datetime]:
        reserved = [one.slot_at for one in self.waiting.values() if one.slot_at is not None]
        return sorted([*(place.at for place in self.sent.values()), *reserved])


async def build(
    windows: RedisWindows, epoch: Epoch = EPOCH, *people: Booked, shards: Iterable[int] = range(SHARDS)
) -> None:
    for shard in shards:
        await windows.begin(shard, epoch)
        if page := [person for person in people if shard_of(person.candidate) == shard]:
            await windows.place(shard, epoch, page)
        await windows.open(shard, epoch)


async def look(windows: Anyone, epoch: Epoch = EPOCH, shard: int = OF_C) -> Found:
    return (await windows.look({shard: Shard(epoch)}))[shard]


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    client = Redis.from_pool(BlockingConnectionPool.from_url(servers.redis, max_connections=40))
    yield client
    await client.aclose()


async def on_redis(redis: Redis, policy: Policy = POLICY) -> RedisWindows:
    windows = RedisWindows(OneServer(redis), policy, FixedClock(), prefix=f"t{secrets.token_hex(4)}", at=NOON)
    await build(windows)
    return windows


@pytest.fixture(params=["fake", "redis"])
async def windows(request: pytest.FixtureRequest, redis: Redis) -> Anyone:
    return FakeWindows(POLICY, epoch=EPOCH) if request.param == "fake" else await on_redis(redis)


@pytest.fixture
def rows(windows: Anyone) -> Rows:
    return Rows(windows)


async def test_the_first_message_may_go_now(rows: Rows) -> None:
    assert await rows.book(ask("o1", "emp_a")) == [Slot(NOON, NOON, None)]


async def test_the_second_waits_for_the_gap_and_the_third_for_the_week(rows: Rows) -> None:
    assert await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b"), ask("o3", "emp_c")) == [
        Slot(NOON, NOON, None),
        Slot(NOON + DAY, NOON, Rule.NETWORK_GAP),
        Slot(NOON + WEEK, NOON, Rule.NETWORK_WINDOW),
    ]


async def test_a_slot_exactly_one_window_later_is_allowed(rows: Rows) -> None:
    await rows.book(ask("o1", "emp_a"))
    rows.windows.at = at = NOON + DAY
    assert await rows.book(ask("o2", "emp_b", at=at)) == [Slot(at, at, None)]


async def test_one_millisecond_earlier_is_not(rows: Rows) -> None:
    await rows.book(ask("o1", "emp_a"))
    rows.windows.at = at = NOON + DAY - timedelta(milliseconds=1)
    if isinstance(rows.windows, FakeWindows):
        rows.windows.step = timedelta(milliseconds=1)
    assert await rows.book(ask("o2", "emp_b", at=at, days=0)) == [NoSlot(Rule.NETWORK_GAP)]
    assert await rows.book(ask("o2", "emp_b", at=NOON + DAY, days=0)) == [Slot(NOON + DAY, at, Rule.NETWORK_GAP)]


async def test_the_same_employer_has_one_first_message(rows: Rows) -> None:
    first, second = await rows.book(ask("o1", "emp_a"), ask("o2", "emp_a"))
    assert isinstance(first, Slot)
    assert second == NoSlot(Rule.SAME_EMPLOYER)


async def test_a_batch_that_was_rolled_back_holds_nobody_back(rows: Rows) -> None:
    await rows.book(ask("o1", "emp_a"), is_committed=False)
    rows.forget("o1")
    assert await rows.book(ask("o2", "emp_b")) == [Slot(NOON, NOON, None)]


async def test_people_do_not_share_windows(windows: Anyone) -> None:
    for candidate in ("c", "d"):
        assert await Rows(windows, candidate).book(ask("o1", "emp_a")) == [Slot(NOON, NOON, None)]


async def test_a_reservation_is_kept_until_it_is_due_and_then_admits(rows: Rows) -> None:
    await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b"))
    rows.windows.at = NOON + timedelta(hours=3)
    (early,) = await rows.book(ask("o2", "emp_b"))
    assert isinstance(early, Slot)
    assert (early.at, early.is_due) == (NOON + DAY, False)
    rows.windows.at = NOON + DAY + timedelta(minutes=1)
    assert await rows.book(ask("o2", "emp_b")) == [Slot(NOON + DAY, rows.windows.at, None)]


async def test_a_slot_over_ten_minutes_old_moves_to_now(rows: Rows) -> None:
    await rows.book(ask("o1", "emp_a"), is_committed=False)
    rows.waiting["o1"] = rows.waiting["o1"]._replace(slot_at=NOON)
    rows.windows.at = NOON + timedelta(minutes=10)
    assert await rows.book(ask("o1", "emp_a")) == [Slot(rows.windows.at, rows.windows.at, None)]


async def test_a_slot_that_is_given_up_is_free_for_others(rows: Rows) -> None:
    await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b"))
    queue = rows.queue()._replace(taken=(), leaving=tuple(rows.sent.values()), waiting=(ask("o3", "emp_c"),))
    assert await rows.windows.book([queue], EVERY) == [[Slot(NOON, NOON, None)]]


async def test_outside_hours_waits_for_the_opening(rows: Rows) -> None:
    rows.windows.at = at = NOON + timedelta(hours=10)  # 22:00 in Denver
    assert await rows.book(ask("o1", "emp_a", at=at)) == [Slot(NOON + timedelta(hours=20), at, Rule.HOURS)]


async def test_no_slot_before_its_end_is_a_no_and_books_nothing(rows: Rows) -> None:
    await rows.book(ask("o1", "emp_a"))
    assert await rows.book(ask("o2", "emp_b", days=0.5)) == [NoSlot(Rule.NETWORK_GAP)]
    rows.forget("o1")
    assert await rows.book(ask("o3", "emp_c")) == [Slot(NOON, NOON, None)]


@pytest.mark.parametrize("kind", ["fake", "redis"])
async def test_three_unanswered_messages_halve_the_caps_where_the_policy_says_so(kind: str, redis: Redis) -> None:
    halving = replace(POLICY, halve_after_unanswered=3)
    windows: Anyone = FakeWindows(halving, epoch=EPOCH) if kind == "fake" else await on_redis(redis, halving)
    rows = Rows(windows, sent=old(8, 10, 28))
    # The 30-day cap is 3 now, and full with the old ones until the first of them leaves.
    assert await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b")) == [
        Slot(NOON + timedelta(days=2, minutes=10), NOON, Rule.NETWORK_WINDOW),
        NoSlot(Rule.NETWORK_WINDOW),
    ]


def old(*days: int) -> dict[str, Place]:
    return {f"old{n}": Place(f"old{n}", f"emp_{n}", NOON - timedelta(days=n)) for n in days}


async def test_who_leaves_messages_unanswered_keeps_their_caps_where_the_policy_never_halves(windows: Anyone) -> None:
    rows = Rows(windows, sent=old(8, 10, 12))
    assert await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b")) == [
        Slot(NOON, NOON, None),
        Slot(NOON + DAY, NOON, Rule.NETWORK_GAP),
    ]


async def test_a_slot_that_went_by_costs_delay_and_those_behind_it_move_on(rows: Rows) -> None:
    """Our own outage of two hours on the day of the second slot."""
    await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b"), ask("o3", "emp_c"), ask("o4", "emp_d"))
    assert rows.slots() == [NOON, NOON + DAY, NOON + WEEK, NOON + DAY + WEEK]
    rows.windows.at = late = NOON + DAY + timedelta(hours=2)
    assert await rows.book(ask("o2", "emp_b")) == [Slot(late, late, None)]
    assert rows.slots() == [NOON, late, NOON + WEEK, late + WEEK]


async def test_windows_that_end_later_hold_too(rows: Rows) -> None:
    later = NOON + timedelta(hours=20)
    rows.sent["later"] = Place("later", "emp_x", later)
    assert await rows.book(ask("o1", "emp_a")) == [Slot(later + DAY, NOON, Rule.NETWORK_GAP)]


async def test_as_many_slots_as_the_cap_hold_only_what_is_in_one_window_with_all_of_them(rows: Rows) -> None:
    for days in (5, 8):
        rows.sent[f"in{days}"] = Place(f"in{days}", f"emp_{days}", NOON + timedelta(days=days))
    assert await rows.book(ask("o1", "emp_a")) == [Slot(NOON, NOON, None)]


async def test_another_epochs_windows_are_fenced_and_hold_no_other_shard(windows: Anyone) -> None:
    assert (await look(windows), await look(windows, Epoch("another"))) == (Found.OPEN, Found.LOST)
    assert await look(windows) is Found.OPEN
    queues = [Rows(windows, who).queue()._replace(waiting=(ask("o1", "emp_a"),)) for who in ("c", "d")]
    fenced, booked = await windows.book(queues, {**EVERY, OF_C: Epoch("another")})
    assert (fenced, booked) == (None, [Slot(NOON, NOON, None)])
    assert windows.held == {OF_C}
    assert await look(windows) is Found.OPEN
    assert windows.held == frozenset()


async def test_a_shard_that_is_being_built_is_held_and_goes_on_where_it_was(windows: Anyone) -> None:
    fresh = Epoch("two")
    await windows.begin(OF_C, fresh)
    await windows.place(OF_C, fresh, [booked("c", Place("o1", "emp_a", NOON))])
    building = Shard(EPOCH, Building(OF_C, fresh))
    assert (await windows.look({OF_C: building}))[OF_C] is Found.BUILDING
    assert windows.held == {OF_C}
    assert await windows.book([Rows(windows).queue()], {OF_C: fresh}) == [None]
    with pytest.raises(WindowsLostError):
        await windows.place(OF_C, EPOCH, [booked("c", Place("o1", "emp_a", NOON))])
    await windows.place(OF_C, fresh, [booked("c", Place("o1", "emp_a", NOON))])
    await windows.open(OF_C, fresh)
    await windows.open(OF_C, fresh)
    assert await look(windows, fresh) is Found.OPEN
    sent = {"o1": Place("o1", "emp_a", NOON)}
    before = differed()
    answers = await Rows(windows, epoch=fresh, sent=sent).book(ask("o2", "emp_b"))
    assert answers == [Slot(NOON + DAY, NOON, Rule.NETWORK_GAP)]
    assert differed() == before, "it was placed"


async def test_what_was_there_makes_way_for_what_is_built(redis: Redis) -> None:
    windows = await on_redis(redis)
    log = f"{windows._prefix}:{{s{OF_C}}}:c"
    await redis.set(log, "no log")
    await build(windows, Epoch("two"), booked("c", Place("o1", "emp_a", NOON)), shards=[OF_C])
    await build(windows, Epoch("three"), booked("c", Place("o2", "emp_b", NOON)), shards=[OF_C])
    assert await window_logs.read(redis, log) == {"o2|emp_b": NOON.timestamp() * 1000}


async def test_a_person_with_thousands_of_slots_is_built(redis: Redis) -> None:
    windows = await on_redis(redis)
    places = tuple(Place(f"o{n}", "emp_a", NOON + timedelta(seconds=n)) for n in range(9000))
    await build(windows, Epoch("two"), booked("c", *places), shards=[OF_C])
    assert len(await window_logs.read(redis, f"{windows._prefix}:{{s{OF_C}}}:c")) == 9000
    before, rows = differed(), Rows(windows, epoch=Epoch("two"), sent={place.outreach: place for place in places})
    windows.at = NOON + 2 * WEEK
    assert await rows.book(ask("another", "emp_b", at=windows.at)) == [NoSlot(Rule.NETWORK_WINDOW)]
    assert differed() == before


async def test_of_a_person_redis_holds_the_id_in_the_declared_key_alone_and_not_for_ever(redis: Redis) -> None:
    windows, who = await on_redis(redis), str(uuid4())
    rows = Rows(windows, candidate=who)
    await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b"), ask("o3", "emp_c"))
    await build(windows, Epoch("two"), booked(who, Place("o1", "emp_a", NOON)), shards=[shard_of(who)])
    await Rows(windows, epoch=Epoch("two"), candidate=who).book(ask("o4", "emp_d"))
    holding = set()
    async for key in redis.scan_iter(f"*{windows._prefix}*"):
        match await redis.type(key):
            case b"string":
                held = await redis.get(key)
            case other:
                raise AssertionError(f"{key!r} is a {other!r}: look into it here")
        if who in f"{key!r}{held!r}":
            holding.add(key)
    assert holding == {f"{windows._prefix}:{{s{shard_of(who)}}}:{who}".encode()}, "the pattern of adapters/kept.py"
    assert 0 < await redis.ttl(holding.pop()) <= timedelta(days=115).total_seconds()


async def test_one_batch_of_200_admits_exactly_1(redis: Redis) -> None:
    rows = Rows(await on_redis(redis))
    answers = await rows.book(*(ask(f"o{n}", f"emp_{n}") for n in range(200)))
    assert sum(isinstance(answer, Slot) and answer.is_due for answer in answers) == 1


async def test_people_with_much_in_their_queues_are_asked_for_in_several_calls(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = await on_redis(redis)
    asked: list[int] = []
    call = windows._call

    def counted(part: Part, what: Asked) -> Call:
        asked.append(sum(len(queue.waiting) for queue in part.queues))
        return call(part, what)

    monkeypatch.setattr(windows, "_call", counted)
    waiting = tuple(ask(f"o{n}", f"emp_{n}") for n in range(150))
    queues = [Rows(windows, f"{who}c").queue()._replace(waiting=waiting) for who in (0, 4, 8)]  # one shard
    queues += [Rows(windows, f"{who}d").queue()._replace(waiting=waiting) for who in (0, 4, 8, 12)]
    answers = await windows.book(queues, EVERY)
    assert asked == [450, 450, 150]
    assert [some and len(some) for some in answers] == [150] * 7


@pytest.mark.parametrize("one_slot_a_call", [True, False])
async def test_no_call_has_keys_of_two_slots_of_a_cluster_and_a_server_that_forgot_the_script_is_sent_it(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, one_slot_a_call: bool
) -> None:
    """One server is asked in one call; a cluster, where each shard may be elsewhere, in one for each shard."""
    monkeypatch.setattr(OneServer, "ONE_SLOT_A_CALL", one_slot_a_call)
    windows = await on_redis(redis)
    tags: list[set[int]] = []
    run = windows._redis.run

    async def seen(script: Script, calls: Sequence[Call], **how: Any) -> list[Any]:
        tags.extend({key_slot(key.encode()) for key in call.keys} for call in calls)
        return await run(script, calls, **how)

    monkeypatch.setattr(windows._redis, "run", seen)
    await redis.script_flush()
    queues = [Rows(windows, f"{n:02x}").queue()._replace(waiting=(ask("o1", "emp_a"),)) for n in range(200)]
    assert await windows.book(queues, EVERY) == [[Slot(NOON, NOON, None)]] * 200
    if one_slot_a_call:
        assert ({len(tag) for tag in tags}, len(tags)) == ({1}, SHARDS)
    else:
        assert len(tags) == 1


@pytest.mark.parametrize("what", ["another run", "one is gone"])
async def test_a_marker_that_is_not_of_this_server_fences_its_shard_alone(redis: Redis, what: str) -> None:
    windows = await on_redis(redis)
    marker = f"{windows._prefix}:{{s{OF_C}}}"
    if what == "another run":
        await redis.set(marker, f"{'0' * 40}:{EPOCH.name}")  # as after a failover: the data came along, the run did not
    else:
        await redis.delete(marker)
    found = await windows.look({shard: Shard(EPOCH) for shard in range(SHARDS)})
    assert {shard for shard, what in found.items() if what is Found.LOST} == {OF_C}
    assert [what for shard, what in found.items() if shard != OF_C] == [Found.OPEN] * (SHARDS - 1)
    assert await windows.book([Rows(windows).queue()], EVERY) == [None]


async def test_a_building_that_was_begun_on_another_server_begins_again(redis: Redis) -> None:
    windows, fresh = await on_redis(redis), Epoch("two")
    await windows.begin(OF_C, fresh)
    await redis.set(f"{windows._prefix}:{{s{OF_C}}}", f"building:{'0' * 40}:{fresh.name}")
    with pytest.raises(WindowsLostError):
        await windows.place(OF_C, fresh, [booked("c", Place("o1", "emp_a", NOON))])
    with pytest.raises(WindowsLostError):
        await windows.open(OF_C, fresh)


async def test_what_an_earlier_version_kept_is_swept_away_and_nothing_else(redis: Redis) -> None:
    windows = await on_redis(redis)
    candidate = "01890000-0000-7000-8000-00000000000c"
    await Rows(windows, candidate).book(ask("o1", "emp_a"))
    for old in ("{s7}:0123456789abcdef", "{s7}:0123456789abcdef:01890000-0000-7000-8000-00000000000c"):
        await redis.set(f"{windows._prefix}:{old}", "x")
    there = {key async for key in redis.scan_iter(match=f"{windows._prefix}:*")}
    assert sum([gone async for gone in windows.sweep()]) == 2
    kept = {key async for key in redis.scan_iter(match=f"{windows._prefix}:*")}
    assert len(there) - len(kept) == 2
    assert len(kept) == SHARDS + 1


def differed() -> float:
    return REGISTRY.get_sample_value("fairpool_windows_differed_total") or 0.0


async def is_deleted(redis: Redis, log: str) -> None:
    await redis.delete(log)


async def is_forged(redis: Redis, log: str) -> None:
    forged = {"forged|emp_x": (NOON + timedelta(days=3)).timestamp() * 1000, "o2|emp_b": 1.0}
    await window_logs.write(redis, log, await window_logs.read(redis, log) | forged)


async def is_moved(redis: Redis, log: str) -> None:
    """As many slots as there are, in the same order."""
    moved = {"o2|emp_b": (NOON + timedelta(hours=1)).timestamp() * 1000}
    await window_logs.write(redis, log, await window_logs.read(redis, log) | moved)


async def is_restored_in_part(redis: Redis, log: str) -> None:
    held = await window_logs.read(redis, log)
    await window_logs.write(redis, log, {name: slot for name, slot in held.items() if name != "o1|emp_a"})


async def is_of_another_kind(redis: Redis, log: str) -> None:
    await redis.delete(log)
    await redis.lpush(log, "x")


async def is_cut(redis: Redis, log: str) -> None:
    await redis.set(log, (await redis.get(log) or b"")[:-1])


async def is_text(redis: Redis, log: str) -> None:
    await redis.set(log, "x")


async def is_filled_in(redis: Redis, log: str) -> None:
    forged = {"forged|emp_x": (NOON + timedelta(days=3)).timestamp() * 1000}
    await window_logs.write(redis, log, await window_logs.read(redis, log) | forged)


async def is_in_another_order(redis: Redis, log: str) -> None:
    held = await window_logs.read(redis, log)
    await window_logs.write(redis, log, dict(reversed(held.items())))


async def is_as_versions_before_had_it(redis: Redis, log: str) -> None:
    """A sorted set."""
    held = await window_logs.read(redis, log)
    await redis.delete(log)
    await redis.zadd(log, held)


async def is_of_before_and_lacks_one(redis: Redis, log: str) -> None:
    await is_as_versions_before_had_it(redis, log)
    await redis.zrem(log, "o1|emp_a")


@pytest.mark.parametrize(
    ("damage", "is_told"),
    [
        (is_deleted, 1),
        (is_forged, 1),
        (is_moved, 1),
        (is_restored_in_part, 1),
        (is_of_another_kind, 1),
        (is_cut, 1),
        (is_text, 1),
        (is_filled_in, 0),
        (is_in_another_order, 0),
        (is_as_versions_before_had_it, 0),
        (is_of_before_and_lacks_one, 1),
    ],
)
async def test_whatever_redis_says_of_a_person_the_rows_decide(
    redis: Redis, damage: Callable[[Redis, str], Awaitable[None]], is_told: int
) -> None:
    """Four employers' first messages, and something is done to the windows before each."""
    rows = Rows(await on_redis(redis))
    answers, before = await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b")), differed()
    (log,) = [name.decode() async for name in redis.scan_iter(match=f"{rows.windows._prefix}:*:c")]  # type: ignore[union-attr]  # on Redis
    for number, employer in ((3, "emp_c"), (4, "emp_d")):
        await damage(redis, log)
        answers += await rows.book(ask(f"o{number}", employer))
    assert [answer.at for answer in answers if isinstance(answer, Slot)] == [
        NOON, NOON + DAY, NOON + WEEK, NOON + DAY + WEEK
    ]  # fmt: skip
    assert differed() - before == 2 * is_told
    assert {name for name in await window_logs.read(redis, log) if not name.startswith("#")} == {
        "o1|emp_a", "o2|emp_b", "o3|emp_c", "o4|emp_d"
    }  # fmt: skip


async def test_a_slot_that_is_given_up_and_that_the_log_lacked_is_told(redis: Redis) -> None:
    windows, before = await on_redis(redis), differed()
    gone = Place("o1", "emp_a", NOON - DAY)
    queue = Rows(windows).queue()._replace(leaving=(gone,), waiting=(ask("o2", "emp_b"),))
    assert await windows.book([queue], EVERY) == [[Slot(NOON, NOON, None)]]
    assert differed() == before + 1


async def test_an_id_with_a_line_in_it_or_with_letters_of_two_bytes_shifts_nobody_elses_slots(redis: Redis) -> None:
    windows, before = await on_redis(redis), differed()
    people = [Rows(windows, who) for who in ("1c", "2c", "3c")]
    for one, employer in zip(people, ("emp_ä|", "emp\n\nx", "emp_b"), strict=True):
        one.waiting["o1"] = ask("o1", employer)
    answers = await windows.book([one.queue() for one in people], EVERY)
    assert answers == [[Slot(NOON, NOON, None)]] * 3
    for one in people:
        one.commit({"o1": Slot(NOON, NOON, None)})
    windows.at = NOON + DAY
    queues = [one.queue()._replace(waiting=(ask("o2", "emp_c", at=windows.at),)) for one in people]
    assert await windows.book(queues, EVERY) == [[Slot(windows.at, windows.at, None)]] * 3
    log = await window_logs.read(redis, f"{windows._prefix}:{{s{shard_of('1c')}}}:1c")
    assert [*log] == ["o1|emp_ä|", "o2|emp_c"], "as a rebuild writes them"
    assert differed() == before


async def writes(redis: Redis) -> int:
    found: Any = await redis.info("commandstats")
    return sum(found.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("set", "unlink", "pexpireat", "zadd"))


async def test_who_is_refused_or_waits_on_has_nothing_written_whatever_order_the_rows_come_in(redis: Redis) -> None:
    rows = Rows(await on_redis(redis))
    await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b"), ask("o3", "emp_c"))
    rows.windows.at = NOON + DAY
    await rows.book()
    assert len(rows.sent) == 2
    before, differed_before = await writes(redis), differed()
    for taken in (tuple(rows.sent.values()), tuple(reversed(rows.sent.values()))):
        queue = rows.queue()._replace(taken=taken, waiting=(*rows.waiting.values(), ask("o4", "emp_d", days=1.5)))
        assert (await rows.windows.book([queue], EVERY))[0] == [
            Slot(NOON + WEEK, NOON + DAY, Rule.NETWORK_WINDOW), NoSlot(Rule.NETWORK_WINDOW)
        ]  # fmt: skip
    assert (await writes(redis), differed()) == (before, differed_before)


async def test_a_move_that_was_rolled_back_is_no_difference(redis: Redis) -> None:
    rows, before = Rows(await on_redis(redis)), differed()
    await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b"), ask("o3", "emp_c"))
    kept = dict(rows.waiting)
    rows.windows.at = NOON + DAY + timedelta(hours=2)
    for _ in range(2):
        await rows.book(is_committed=False)
    assert rows.waiting == kept
    await rows.book()
    rows.forget("o3")
    await rows.book(ask("o4", "emp_d"))
    assert differed() == before


async def is_left(redis: Redis, log: str) -> None:
    pass


async def is_cut_in_a_mark(redis: Redis, log: str) -> None:
    await redis.set(log, (await redis.get(log) or b"")[:-8])


async def is_moved_before_its_marks(redis: Redis, log: str) -> None:
    held = await window_logs.read(redis, log)
    await window_logs.write(redis, log, held | {"o3|emp_c": held["o3|emp_c"] + 1})


async def has_another_among_its_marks(redis: Redis, log: str) -> None:
    """What is no mark could only hold people back; marks say what is done with."""
    held = await window_logs.read(redis, log)
    await window_logs.write(redis, log, held | {"forged|emp_x": 1.0, "#forged|emp_y": 1.0})


@pytest.mark.parametrize(
    ("damage", "is_told"),
    [(is_left, 0), (is_cut_in_a_mark, 1), (is_moved_before_its_marks, 1), (has_another_among_its_marks, 0)],
)
async def test_marks_of_a_move_that_was_committed_go_and_hide_nothing(
    redis: Redis, damage: Callable[[Redis, str], Awaitable[None]], is_told: int
) -> None:
    rows, before = Rows(await on_redis(redis)), differed()
    await rows.book(ask("o1", "emp_a"), ask("o2", "emp_b"), ask("o3", "emp_c"), ask("o4", "emp_d"))
    rows.windows.at = NOON + DAY + timedelta(hours=2)
    await rows.book()
    (log,) = [name.decode() async for name in redis.scan_iter(match=f"{rows.windows._prefix}:*:c")]  # type: ignore[union-attr]  # on Redis
    held = await window_logs.read(redis, log)
    assert {name for name in held if name.startswith("#")} == {"#o2|emp_b", "#o4|emp_d"}
    await damage(redis, log)
    await rows.book()
    assert await window_logs.read(redis, log) == {name: at for name, at in held.items() if not name.startswith("#")}
    assert differed() - before == is_told


async def test_when_the_windows_of_many_of_a_shard_differ_it_is_built_anew(redis: Redis) -> None:
    windows = await on_redis(redis)
    people = [Rows(windows, f"{n}-0c") for n in range(MANY_DIFFER)]
    for rows in people:
        await rows.book(ask("o1", "emp_a"))
    async for key in redis.scan_iter(match=f"{windows._prefix}:*:*-0c"):
        await redis.delete(key)
    assert await look(windows) is Found.OPEN
    await windows.book([rows.queue() for rows in people], EVERY)
    assert await look(windows) is Found.LOST
    assert await look(windows, shard=OF_C + 1) is Found.OPEN
    await build(windows, Epoch("two"), shards=[OF_C])
    assert await look(windows, Epoch("two")) is Found.OPEN


async def lives(redis: Redis, windows: RedisWindows) -> timedelta:
    (key,) = [name async for name in redis.scan_iter(match=f"{windows._prefix}:*:c")]
    return timedelta(milliseconds=await redis.pttl(key))


async def test_a_nearer_slot_never_shortens_the_memory_of_a_later_one(redis: Redis) -> None:
    windows = await on_redis(redis)
    windows.at = now = datetime.now(UTC)
    later = now + timedelta(days=12)
    rows = Rows(windows, hours=((int(later.timestamp() * 1000), int((later + timedelta(hours=1)).timestamp() * 1000)),))
    (far,) = await rows.book(ask("o1", "emp_a", at=now))
    assert isinstance(far, Slot)
    rows.sent["o1"], rows.hours = Place("o1", "emp_a", far.at), ((0, 10**15),)
    del rows.waiting["o1"]
    before = await lives(redis, windows)
    (near,) = await rows.book(ask("o2", "emp_b", at=now))
    assert isinstance(near, Slot)
    assert near.at < far.at
    assert await lives(redis, windows) > before - timedelta(hours=1)


async def test_rebuilt_windows_live_as_long_as_their_last_slot_wants(redis: Redis) -> None:
    windows, now = await on_redis(redis), datetime.now(UTC)

    places = (Place("o1", "emp_a", now), Place("o2", "emp_b", now + timedelta(days=12)))
    await build(windows, Epoch("two"), booked("c", *places), shards=[OF_C])
    assert await lives(redis, windows) > timedelta(days=111)


@asynccontextmanager
async def full(redis: Redis) -> AsyncIterator[None]:
    kept = int((await redis.config_get("maxmemory"))["maxmemory"] or 0)
    await redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        await redis.config_set("maxmemory", kept)


@asynccontextmanager
async def read_only(redis: Redis) -> AsyncIterator[None]:
    await redis.replicaof("127.0.0.1", 1)
    try:
        yield
    finally:
        await redis.replicaof("NO", "ONE")


@pytest.mark.parametrize("state", [full, read_only])
async def test_a_redis_that_can_not_write_now_is_away_and_no_fault_of_the_message(
    redis: Redis, state: Callable[[Redis], AbstractAsyncContextManager[None]]
) -> None:
    windows = await on_redis(redis)
    queue = Rows(windows).queue()._replace(waiting=(ask("o1", "emp_a"),))
    async with state(redis):
        assert await windows.book([queue], EVERY) == [None]
        assert windows.held == {OF_C}
        assert await look(windows) is Found.AWAY
        assert await windows.book([queue], EVERY) == [None], "it was tried again"
        assert await look(windows) is Found.AWAY
        assert await windows.refuses_eviction()
        with pytest.raises(WindowsAwayError):
            await windows.begin(OF_C, Epoch("two"))
    assert await look(windows) is Found.OPEN
    assert await Rows(windows).book(ask("o1", "emp_a")) == [Slot(NOON, NOON, None)]


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), True),
        (ReadOnlyError("You can't write against a read only replica."), True),
        (NoPermissionError("this user has no permissions"), True),
        (ResponseError("MISCONF Redis is configured to save RDB snapshots, but can't persist"), True),
        (ResponseError("BUSY Redis is busy running a script."), True),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (ResponseError("Error running script (call to f_1): @user_script:1: @user_script: 1: -OOM command not"), True),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), False),
        (ResponseError("Error running script (call to f_1): @user_script:9: attempt to index a nil value"), False),
        (ResponseError("value is not a valid float"), False),
    ],
)
def test_what_redis_says_of_itself_is_told_from_what_we_did_wrong(error: ResponseError, away: bool) -> None:
    assert is_state_of_the_server(error) is away


MS = timedelta(milliseconds=1)
SMALL = replace(
    POLICY, slot_good_for=5 * MS, unanswered_after=60 * MS, halve_after_unanswered=3, latest_slot=timedelta(days=14)
)
SMALL_WINDOWS = (
    Window(90 * MS, 1, 1, Rule.SAME_EMPLOYER, "employer"),
    Window(8 * MS, 1, 1, Rule.NETWORK_GAP),
    Window(30 * MS, 2, 1, Rule.NETWORK_WINDOW),
    Window(70 * MS, 4, 2, Rule.NETWORK_WINDOW),
)
TIGHTER = (*SMALL_WINDOWS[:2], Window(30 * MS, 1, 1, Rule.NETWORK_WINDOW), SMALL_WINDOWS[3])
moves = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(range(6)), st.integers(0, 120)),
        st.tuples(st.just("wait"), st.integers(1, 40), st.just(0)),  # an outage, where it is long
        st.tuples(st.just("end"), st.integers(0, 20), st.just(0)),  # taken back, withheld or bounced
        st.tuples(st.just("return"), st.integers(0, 20), st.just(0)),
        st.tuples(
            st.sampled_from(["tighten", "loosen", "close", "roll back", "delete", "forge"]), st.just(0), st.just(0)
        ),
    ),
    max_size=25,
)
hours = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 80)), min_size=1, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves, hours=hours)
@example(moves=[("write", n, 100) for n in range(6)], hours=[(0, 500)])
@example(  # three wait, the first goes by unused, and those behind it move on; then one is taken back
    moves=[*(("write", n, 100) for n in range(4)), ("wait", 15, 0), ("end", 2, 0), ("wait", 30, 0), ("return", 1, 0)],
    hours=[(0, 500)],
)
@example(  # as many slots as the cap, but never within one window: they keep nobody out between them
    moves=[
        *(("write", 0, 100), ("wait", 40, 0), ("wait", 17, 0), ("write", 2, 100), ("wait", 9, 0)),
        *(("write", 0, 120), ("write", 1, 120)),
    ],
    hours=[(0, 500)],
)
async def test_whatever_moves_a_queue_redis_places_it_as_trying_every_millisecond_does(
    redis: Redis, moves: list[tuple[str, int, int]], hours: list[tuple[int, int]]
) -> None:
    real = RedisWindows(OneServer(redis), SMALL, FixedClock(), prefix="model", at=NOON)
    epoch = Epoch(secrets.token_hex(4))
    epochs = {OF_C: epoch}
    model = FakeWindows(SMALL, step=MS, epoch=epoch)
    log, before, damages = f"model:{{s{OF_C}}}:c", differed(), 0
    await redis.delete(log)
    await build(real, epoch, shards=[OF_C])
    base, opening, calendar = int(NOON.timestamp() * 1000), 0, []
    for closed, opened in hours:
        calendar.append((base + opening + closed, base + opening + closed + opened))
        opening += closed + opened
    rows = Rows(real, limits=SMALL_WINDOWS, hours=tuple(calendar), epoch=epoch)
    for number, (move, what, ahead) in enumerate(moves):
        is_committed, now = True, real.at or NOON
        if move == "wait":
            real.at = model.at = now = now + what * MS
        elif move == "end":
            rows.forget(f"o{what}")
        elif move == "return" and (place := rows.sent.pop(f"o{what}", None)):
            rows.waiting = {
                place.outreach: Ask(place.outreach, place.employer, now + 50 * MS, place.at),
                **rows.waiting,
            }
        elif move in ("tighten", "loosen"):
            rows.limits = TIGHTER if move == "tighten" else SMALL_WINDOWS
        elif move == "close":
            rows.hours = (*((start + 3, end) for start, end in calendar if end > start + 3),)
        elif move == "roll back":
            is_committed = False
        elif move == "delete":
            damages += await redis.delete(log)
        elif move == "forge":
            forged = {"forged|x": base + 5, "#forged|y": base + 5}
            await window_logs.write(redis, log, await window_logs.read(redis, log) | forged)
        elif move == "write":
            rows.waiting[f"o{number}"] = Ask(f"o{number}", "abcdef"[what], now + ahead * MS)
        queue = rows.queue()
        assert await real.book([queue], epochs) == await model.book([queue], epochs)
        booked = await window_logs.read(redis, log)
        assert sorted(slot for name, slot in booked.items() if not name.startswith("#")) == [
            base + (slot - NOON) // MS for slot in model.slots_of("c")
        ]
        held = model.slots_of("c")
        for window in SMALL_WINDOWS[1:]:
            assert max((sum(end - window.length < at <= end for at in held) for end in held), default=0) <= window.cap
        if is_committed:
            await rows.book()
    assert differed() - before <= damages


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cap=st.integers(1, 4), waits=st.lists(st.integers(0, 100), min_size=1, max_size=40))
async def test_with_one_rule_it_admits_what_limits_moving_window_admits(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, cap: int, waits: list[int]
) -> None:
    real = RedisWindows(OneServer(redis), SMALL, FixedClock(), prefix="limits", at=NOON)
    epoch = Epoch(secrets.token_hex(4))
    await redis.delete(f"limits:{{s{OF_C}}}:c")
    await build(real, epoch, shards=[OF_C])
    now = NOON
    monkeypatch.setattr("limits.storage.memory.time", SimpleNamespace(time=lambda: now.timestamp()))
    theirs, limit = MovingWindowRateLimiter(MemoryStorage()), RateLimitItemPerSecond(cap)
    window = (Window(timedelta(seconds=1), cap, cap, Rule.NETWORK_WINDOW),)
    start = int(NOON.timestamp() * 1000)
    rows = Rows(real, limits=window, hours=((start, start + 10**9),), epoch=epoch)
    for number, wait in enumerate(waits):
        now += 7 * wait * MS  # never exactly a second apart: there `limits` says no, and our edge says yes
        real.at = now
        (answer,) = await rows.book(Ask(f"o{number}", "emp", now))
        assert isinstance(answer, Slot) == theirs.hit(limit, "c")
