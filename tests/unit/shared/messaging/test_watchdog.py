"""When the watchdog calls something stuck, and when it waits."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from shared.messaging import watchdog
from shared.messaging.errors import FatalError
from shared.messaging.progress import Progress, Standing
from shared.messaging.watchdog import Watchdog
from shared.metrics import LAG_RECORDS
from tests.waiting import until

TURN = timedelta(milliseconds=5)
STUCK_AFTER = timedelta(milliseconds=60)
LONG = 0.3


@dataclass
class FakeReader:
    """A reader that stands where the test puts it."""

    name: str = "test.numbers"
    progress: Progress = field(default_factory=Progress)
    lag: int = 0
    position: int = 0
    joined: bool = True
    dead_task: str | None = None
    each_look: Callable[[], None] = lambda: None

    def dead(self) -> str | None:
        self.each_look()
        return self.dead_task

    async def look_ahead(self) -> None: ...

    def standing(self) -> Standing | None:
        return Standing({("numbers", 0): self.position}, {"numbers": self.lag}) if self.joined else None


async def barks(
    reader: FakeReader, *, stuck_after: timedelta = STUCK_AFTER, clock: Callable[[], float] = time.monotonic
) -> str | None:
    """What the watchdog said within the time, if anything."""
    try:
        async with asyncio.timeout(LONG):
            await Watchdog(stuck_after, (reader,), every=TURN, clock=clock).run()
    except FatalError as error:
        return str(error)
    except TimeoutError:
        return None
    raise AssertionError("a watchdog that is neither cancelled nor fatal")


async def test_records_that_wait_while_nothing_moves_are_fatal() -> None:
    assert "test.numbers is stuck: 7 records wait and none is taken" in (await barks(FakeReader(lag=7)) or "")


async def test_nobody_is_stuck_while_kafka_answers_nobody() -> None:
    asked = 0

    async def is_there() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    dog = Watchdog(STUCK_AFTER, (FakeReader(lag=7),), kafka_answers=is_there, every=TURN)
    with pytest.raises(FatalError, match="is stuck: 7 records wait"):
        async with asyncio.timeout(10):
            await dog.run()
    assert asked == 4, "it was asked each time that patience was over"


async def test_that_kafka_is_away_is_shown_as_held_work_until_it_is_back() -> None:
    async def is_away() -> bool:
        return False

    def held() -> float | None:
        return REGISTRY.get_sample_value("fairpool_holding", {"part": "readers", "waits_for": "kafka"})

    reader = FakeReader(lag=7)
    dog = asyncio.create_task(Watchdog(STUCK_AFTER, (reader,), kafka_answers=is_away, every=TURN).run())
    await until(lambda: held() == 1, what="the readers are held")
    reader.lag = 0
    await until(lambda: held() == 0, what="they are held no longer")
    dog.cancel()


async def test_a_reader_with_nothing_to_do_may_stand_still_for_ever() -> None:
    assert await barks(FakeReader(lag=0)) is None


async def test_a_reader_that_moves_may_lag_as_much_as_it_likes() -> None:
    reader = FakeReader(lag=1_000_000)

    def move() -> None:
        reader.position += 1

    reader.each_look = move
    assert await barks(reader) is None


async def test_a_slow_handler_is_not_stuck() -> None:
    reader = FakeReader(lag=500)
    reader.progress.take(500)
    assert await barks(reader) is None


async def test_a_handler_that_never_ends_is_stuck_once_kafka_would_drop_its_member(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "HANDLED_WITHIN", STUCK_AFTER)
    reader = FakeReader()
    reader.progress.take(500)
    assert "a batch of 500 records is in hand and does not end" in (await barks(reader) or "")


async def test_whoever_tries_again_a_transient_error_is_not_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "HANDLED_WITHIN", STUCK_AFTER)
    reader = FakeReader(lag=500)
    reader.progress.take(500)
    reader.each_look = reader.progress.step
    assert await barks(reader) is None


async def test_joining_a_group_has_more_time_and_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = FakeReader(joined=False)
    assert await barks(reader) is None
    monkeypatch.setattr(watchdog, "JOINED_WITHIN", STUCK_AFTER)
    assert "no partitions or no position" in (await barks(reader) or "")


async def test_a_dead_task_is_fatal_at_the_first_look() -> None:
    assert await barks(FakeReader(dead_task="heartbeat")) == (
        "test.numbers: the heartbeat task of its Kafka client has died"
    )


async def test_time_in_which_the_process_was_stopped_does_not_count() -> None:
    hours = itertools.count(step=3600)
    assert await barks(FakeReader(lag=7), stuck_after=timedelta(seconds=5), clock=lambda: float(next(hours))) is None


async def test_the_lag_is_a_metric_by_reader_and_topic() -> None:
    await barks(FakeReader(name="test.lagging", lag=41))
    assert LAG_RECORDS.labels("test.lagging", "numbers")._value.get() == 41
