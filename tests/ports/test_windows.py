"""The sliding windows: one suite on the brute-force fake and on Redis, and Redis against two oracles."""

import asyncio
import secrets
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError, ResponseError

from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.adapters.redis_windows import (
    RedisWindows,
    WindowsAwayError,
    WindowsLostError,
    is_state_of_the_server,
)
from services.outreach_gateway.calendar import open_hours
from services.outreach_gateway.decisions import windows_of
from services.outreach_gateway.model import Ask, Consent, NoSlot, Outreach, Policy, Rule, Slot, State, Window
from services.outreach_gateway.ports import Booked, Epoch
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.outreach_gateway import FakeWindows
from tests.stack import Servers

POLICY = read_policy("2026-12")
PERSON = Consent("c", 1, contact=True, time_zone="America/Denver")
EPOCH = Epoch("one")
WEEK = timedelta(days=7, minutes=10)
DAY = timedelta(hours=24, minutes=10)
Anyone = FakeWindows | RedisWindows


def ask(outreach: str, employer: str, *, at: datetime = NOON, candidate: str = "c", days: float = 14) -> Ask:
    return Ask(
        outreach,
        employer,
        candidate,
        at + timedelta(days=days),
        windows_of(POLICY, PERSON),
        open_hours(POLICY, PERSON, at=at),
    )


def row(outreach: str, employer: str, candidate: str = "c") -> Outreach:
    return Outreach(outreach, 1, State.DELAYED, employer, candidate, NOON, NOON + timedelta(days=14))


async def nothing() -> AsyncIterator[Sequence[Booked]]:
    no_slots: tuple[Sequence[Booked], ...] = ()
    for some in no_slots:
        yield some


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    client = Redis.from_pool(BlockingConnectionPool.from_url(servers.redis, max_connections=40))
    yield client
    await client.aclose()


async def on_redis(redis: Redis, policy: Policy = POLICY) -> RedisWindows:
    windows = RedisWindows(redis, policy, FixedClock(), prefix=f"t{secrets.token_hex(4)}", at=NOON)
    await windows.build(nothing(), EPOCH)
    return windows


@pytest.fixture(params=["fake", "redis"])
async def windows(request: pytest.FixtureRequest, redis: Redis) -> Anyone:
    return FakeWindows(POLICY, epoch=EPOCH) if request.param == "fake" else await on_redis(redis)


async def test_the_first_message_may_go_now(windows: Anyone) -> None:
    assert await windows.book([ask("o1", "emp_a")], EPOCH) == [Slot(NOON, NOON, None)]


async def test_the_second_waits_for_the_gap_and_the_third_for_the_week(windows: Anyone) -> None:
    answers = await windows.book([ask("o1", "emp_a"), ask("o2", "emp_b"), ask("o3", "emp_c")], EPOCH)
    assert answers == [
        Slot(NOON, NOON, None),
        Slot(NOON + DAY, NOON, Rule.NETWORK_GAP),
        Slot(NOON + WEEK, NOON, Rule.NETWORK_WINDOW),
    ]


async def test_a_slot_exactly_one_window_later_is_allowed(windows: Anyone) -> None:
    await windows.book([ask("o1", "emp_a")], EPOCH)
    windows.at = NOON + DAY
    assert await windows.book([ask("o2", "emp_b", at=windows.at)], EPOCH) == [Slot(windows.at, windows.at, None)]


async def test_one_millisecond_earlier_is_not(windows: Anyone) -> None:
    await windows.book([ask("o1", "emp_a")], EPOCH)
    windows.at = NOON + DAY - timedelta(milliseconds=1)
    (answer,) = await windows.book([ask("o2", "emp_b", at=windows.at, days=1 / 86_400_000)], EPOCH)
    assert answer == Slot(NOON + DAY, windows.at, Rule.NETWORK_GAP) or answer == NoSlot(Rule.NETWORK_GAP)


async def test_the_same_employer_has_one_first_message(windows: Anyone) -> None:
    first, second = await windows.book([ask("o1", "emp_a"), ask("o2", "emp_a")], EPOCH)
    assert isinstance(first, Slot)
    assert second == NoSlot(Rule.SAME_EMPLOYER)


async def test_the_same_id_twice_takes_one_slot(windows: Anyone) -> None:
    await windows.book([ask("o1", "emp_a")], EPOCH)
    again = await windows.book([ask("o1", "emp_a"), ask("o1", "emp_a")], EPOCH)
    assert [answer for answer in again if answer == Slot(NOON, NOON, None)] == again
    (other,) = await windows.book([ask("o2", "emp_b")], EPOCH)
    assert isinstance(other, Slot)
    assert other.at == NOON + DAY


async def test_a_reservation_is_kept_until_it_is_due_and_then_admits(windows: Anyone) -> None:
    await windows.book([ask("o1", "emp_a"), ask("o2", "emp_b")], EPOCH)
    windows.at = NOON + timedelta(hours=3)
    (early,) = await windows.book([ask("o2", "emp_b", at=windows.at)], EPOCH)
    assert isinstance(early, Slot)
    assert (early.at, early.is_due) == (NOON + DAY, False)
    windows.at = NOON + DAY + timedelta(minutes=1)
    (due,) = await windows.book([ask("o2", "emp_b", at=windows.at)], EPOCH)
    assert due == Slot(NOON + DAY, windows.at, None)


async def test_a_slot_over_ten_minutes_old_moves_to_now(windows: Anyone) -> None:
    await windows.book([ask("o1", "emp_a")], EPOCH)
    windows.at = NOON + timedelta(minutes=10)
    assert await windows.book([ask("o1", "emp_a", at=windows.at)], EPOCH) == [Slot(windows.at, windows.at, None)]


async def test_a_released_slot_is_free_for_others(windows: Anyone) -> None:
    await windows.book([ask("o1", "emp_a"), ask("o2", "emp_b")], EPOCH)
    await windows.release([row("o1", "emp_a"), row("o2", "emp_b"), row("never", "emp_z")], EPOCH)
    assert await windows.book([ask("o3", "emp_c")], EPOCH) == [Slot(NOON, NOON, None)]


async def test_outside_hours_waits_for_the_opening(windows: Anyone) -> None:
    windows.at = NOON + timedelta(hours=10)  # 22:00 in Denver
    (answer,) = await windows.book([ask("o1", "emp_a", at=windows.at)], EPOCH)
    assert answer == Slot(NOON + timedelta(hours=20), windows.at, Rule.HOURS)


async def test_no_slot_before_the_expiry_is_a_no_and_books_nothing(windows: Anyone) -> None:
    await windows.book([ask("o1", "emp_a")], EPOCH)
    assert await windows.book([ask("o2", "emp_b", days=0.5)], EPOCH) == [NoSlot(Rule.NETWORK_GAP)]
    await windows.release([row("o1", "emp_a")], EPOCH)
    assert await windows.book([ask("o3", "emp_c")], EPOCH) == [Slot(NOON, NOON, None)]


@pytest.mark.parametrize("kind", ["fake", "redis"])
async def test_three_unanswered_messages_halve_the_caps_where_the_policy_says_so(kind: str, redis: Redis) -> None:
    halving = replace(POLICY, halve_after_unanswered=3)
    windows: Anyone = FakeWindows(halving) if kind == "fake" else await on_redis(redis, halving)
    booked = [Booked(f"old{n}", f"emp_{n}", "c", NOON - timedelta(days=n)) for n in (8, 10, 12)]

    async def log() -> AsyncIterator[Sequence[Booked]]:
        yield booked

    await windows.build(log(), Epoch("two"))
    two = Epoch("two")
    windows.at = NOON
    first, second = await windows.book([ask("o1", "emp_a"), ask("o2", "emp_b")], two)
    # 30-day cap is 3 now and full with the old ones until the first of them leaves
    assert first == Slot(NOON + timedelta(days=18, minutes=10), NOON, Rule.NETWORK_WINDOW) or first == NoSlot(
        Rule.NETWORK_WINDOW
    )
    assert second == NoSlot(Rule.NETWORK_WINDOW)


async def test_a_slot_that_went_by_costs_delay_and_those_behind_it_move_on(windows: Anyone) -> None:
    """Our own outage of two hours on the day of the second slot."""
    everybody = [("o1", "emp_a"), ("o2", "emp_b"), ("o3", "emp_c"), ("o4", "emp_d")]
    answers = await windows.book([ask(*one) for one in everybody], EPOCH)
    assert [answer.at for answer in answers if isinstance(answer, Slot)] == [
        NOON, NOON + DAY, NOON + WEEK, NOON + DAY + WEEK
    ]  # fmt: skip
    windows.at = late = NOON + DAY + timedelta(hours=2)
    assert await windows.book([ask("o2", "emp_b", at=late)], EPOCH) == [Slot(late, late, None)]
    windows.at = week = NOON + WEEK
    third, fourth = await windows.book([ask("o3", "emp_c", at=week), ask("o4", "emp_d", at=week)], EPOCH)
    assert third == Slot(week, week, None)
    assert isinstance(fourth, Slot)
    assert fourth.at == late + WEEK


async def test_what_was_moved_on_past_its_own_end_is_told_so(windows: Anyone) -> None:
    for one in (("o1", "emp_a"), ("o2", "emp_b"), ("o3", "emp_c"), ("o4", "emp_d")):
        await windows.book([ask(*one)], EPOCH)
    windows.at = late = NOON + DAY + timedelta(hours=2)
    await windows.book([ask("o2", "emp_b", at=late)], EPOCH)
    windows.at = due = NOON + DAY + WEEK
    ends = timedelta(hours=1) / timedelta(days=1)
    assert await windows.book([ask("o4", "emp_d", at=due, days=ends)], EPOCH) == [NoSlot(Rule.NETWORK_WINDOW)]


async def test_who_leaves_messages_unanswered_keeps_their_caps_where_the_policy_never_halves(windows: Anyone) -> None:
    async def log() -> AsyncIterator[Sequence[Booked]]:
        yield [Booked(f"old{n}", f"emp_{n}", "c", NOON - timedelta(days=n)) for n in (8, 10, 12)]

    await windows.build(log(), Epoch("two"))
    answers = await windows.book([ask("o1", "emp_a"), ask("o2", "emp_b")], Epoch("two"))
    assert answers == [Slot(NOON, NOON, None), Slot(NOON + DAY, NOON, Rule.NETWORK_GAP)]


async def test_windows_that_end_later_hold_too(windows: Anyone) -> None:
    reserved = [Booked("later", "emp_x", "c", NOON + timedelta(hours=20))]

    async def log() -> AsyncIterator[Sequence[Booked]]:
        yield reserved

    two = Epoch("two")
    await windows.build(log(), two)
    (answer,) = await windows.book([ask("o1", "emp_a")], two)
    assert isinstance(answer, Slot)
    assert answer.at >= NOON + timedelta(hours=20) + DAY


async def test_200_at_once_at_cap_1_admit_exactly_1(redis: Redis) -> None:
    windows = await on_redis(redis)
    each = await asyncio.gather(*(windows.book([ask(f"o{n}", f"emp_{n}")], EPOCH) for n in range(200)))
    assert sum(isinstance(answer, Slot) and answer.is_due for (answer,) in each) == 1


async def test_one_batch_of_200_admits_exactly_1_too(redis: Redis) -> None:
    windows = await on_redis(redis)
    answers = await windows.book([ask(f"o{n}", f"emp_{n}") for n in range(200)], EPOCH)
    assert sum(isinstance(answer, Slot) and answer.is_due for answer in answers) == 1


async def test_another_epochs_windows_are_fenced(redis: Redis) -> None:
    windows = await on_redis(redis)
    assert await windows.is_intact(EPOCH)
    assert not await windows.is_intact(Epoch("another"))
    with pytest.raises(WindowsLostError):
        await windows.book([ask("o1", "emp_a")], Epoch("another"))


async def test_a_marker_of_another_server_is_fenced(redis: Redis) -> None:
    windows = await on_redis(redis)
    async for key in redis.scan_iter(match=f"{windows._prefix}:*"):
        await redis.set(key, "0" * 40)  # as after a failover: the data came along, the run did not
    assert not await windows.is_intact(EPOCH)


async def test_a_new_epoch_clears_the_old_ones_away(redis: Redis) -> None:
    windows = await on_redis(redis)
    await windows.book([ask("o1", "emp_a")], EPOCH)
    await windows.build(nothing(), Epoch("two"))
    names = [key.decode() async for key in redis.scan_iter(match=f"{windows._prefix}:*")]
    assert names
    assert all(":two" in name for name in names)


async def lives(redis: Redis, windows: RedisWindows) -> timedelta:
    (key,) = [name async for name in redis.scan_iter(match=f"{windows._prefix}:*:c")]
    return timedelta(milliseconds=await redis.pttl(key))


async def test_a_nearer_slot_never_shortens_the_memory_of_a_later_one(redis: Redis) -> None:
    windows = await on_redis(redis)
    windows.at = now = datetime.now(UTC)
    later = now + timedelta(days=12)
    hours = ((int(later.timestamp() * 1000), int((later + timedelta(hours=1)).timestamp() * 1000)),)
    (far,) = await windows.book([replace(ask("o1", "emp_a", at=now), open_hours=hours)], EPOCH)
    assert isinstance(far, Slot)
    before = await lives(redis, windows)
    (near,) = await windows.book([replace(ask("o2", "emp_b", at=now), open_hours=((0, 10**15),))], EPOCH)
    assert isinstance(near, Slot)
    assert near.at < far.at
    assert await lives(redis, windows) > before - timedelta(hours=1)


async def test_rebuilt_windows_live_as_long_as_their_last_slot_wants(redis: Redis) -> None:
    windows, now = await on_redis(redis), datetime.now(UTC)

    async def log() -> AsyncIterator[Sequence[Booked]]:
        yield [Booked("o1", "emp_a", "c", now), Booked("o2", "emp_b", "c", now + timedelta(days=12))]

    await windows.build(log(), Epoch("two"))
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
    async with state(redis):
        with pytest.raises(WindowsAwayError):
            await windows.book([ask("o1", "emp_a")], EPOCH)
    assert await windows.book([ask("o1", "emp_a")], EPOCH) == [Slot(NOON, NOON, None)]


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
steps = st.lists(
    st.one_of(
        st.tuples(st.just("book"), st.integers(0, 5), st.sampled_from("abcdef"), st.integers(0, 120)),
        st.tuples(st.just("wait"), st.integers(1, 40), st.just(""), st.just(0)),
        st.tuples(st.just("release"), st.integers(0, 9), st.just(""), st.just(0)),
    ),
    max_size=25,
)
hours = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 80)), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, hours=hours)
@example(steps=[("book", n, "abcdef"[n], 100) for n in range(6)], hours=[(0, 500)])
@example(  # three wait, the first goes by unused, and those behind it move on
    steps=[
        *(("book", n, "abcdef"[n], 100) for n in range(4)),
        ("wait", 15, "", 0),
        ("book", 1, "b", 100),
        *(("book", n, "abcdef"[n], 100) for n in (2, 3)),
        ("wait", 30, "", 0),
        *(("book", n, "abcdef"[n], 100) for n in (3, 2)),
    ],
    hours=[(0, 500)],
)
async def test_redis_books_what_trying_every_millisecond_finds(
    redis: Redis, steps: list[tuple[str, int, str, int]], hours: list[tuple[int, int]]
) -> None:
    real, model = RedisWindows(redis, SMALL, FixedClock(), prefix="model", at=NOON), FakeWindows(SMALL, step=MS)
    epoch = Epoch(secrets.token_hex(4))
    await real.build(nothing(), epoch)
    base, opening, calendar = int(NOON.timestamp() * 1000), 0, []
    for closed, opened in hours:
        calendar.append((base + opening + closed, base + opening + closed + opened))
        opening += closed + opened
    employers: dict[int, str] = {}
    for verb, number, employer, ahead in steps:
        if verb == "wait":
            real.at = model.at = model.at + number * MS
        elif verb == "release":
            gone = [row(f"o{number}", employers.get(number, "z"))]
            await real.release(gone, epoch)
            await model.release(gone, epoch)
        else:
            name = employers.setdefault(number, employer)
            asked = [Ask(f"o{number}", name, "c", model.at + ahead * MS, SMALL_WINDOWS, tuple(calendar))]
            assert await real.book(asked, epoch) == await model.book(asked, epoch)
            booked: Any = await redis.zrange(
                f"model:{{s{zlib.crc32(b'c') % 64}}}:{epoch.name}:c", 0, -1, withscores=True
            )
            assert [int(score) for _, score in booked if score > base - 100] == [
                base + (slot - NOON) // MS for slot in model.slots_of("c")
            ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cap=st.integers(1, 4), waits=st.lists(st.integers(0, 100), min_size=1, max_size=40))
async def test_with_one_rule_it_admits_what_limits_moving_window_admits(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, cap: int, waits: list[int]
) -> None:
    real = RedisWindows(redis, SMALL, FixedClock(), prefix="limits", at=NOON)
    epoch = Epoch(secrets.token_hex(4))
    await real.build(nothing(), epoch)
    now = NOON
    monkeypatch.setattr("limits.storage.memory.time", SimpleNamespace(time=lambda: now.timestamp()))
    theirs, limit = MovingWindowRateLimiter(MemoryStorage()), RateLimitItemPerSecond(cap)
    window = (Window(timedelta(seconds=1), cap, cap, Rule.NETWORK_WINDOW),)
    start = int(NOON.timestamp() * 1000)
    for number, wait in enumerate(waits):
        now += 7 * wait * MS  # never exactly a second apart: there `limits` says no, and our edge says yes
        real.at = now
        asked = Ask(f"o{number}", "emp", "c", now, window, ((start, start + 10**9),))
        (answer,) = await real.book([asked], epoch)
        assert isinstance(answer, Slot) == theirs.hit(limit, "c")
