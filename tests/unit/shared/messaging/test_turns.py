"""Which shards of the outbox are looked at next."""

import asyncio
from dataclasses import dataclass, field

import pytest

from shared.messaging.turns import Turns
from tests.waiting import others_run


@dataclass
class Clock:
    """Seconds that go on when they are told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Hand:
    """Four shards, and a clock."""

    clock: Clock = field(default_factory=Clock)
    turns: Turns = field(init=False)

    def __post_init__(self) -> None:
        self.turns = Turns(4, now=self.clock)

    async def next(self) -> list[int] | None:
        """What is to be looked at now; None: nothing."""
        asked = asyncio.ensure_future(self.turns.next())
        await others_run()
        if asked.done():
            return list(asked.result())
        asked.cancel()
        return None

    async def after(self, seconds: float) -> list[int] | None:
        self.clock.now += seconds
        return await self.next()


@pytest.fixture
async def hand() -> Hand:
    """One for which the first look, at all four, is over."""
    made = Hand()
    assert await made.next() == [0, 1, 2, 3]
    made.turns.sent([0, 1, 2, 3], more=[])
    return made


async def test_what_was_woken_is_looked_at_together_and_once(hand: Hand) -> None:
    assert await hand.next() is None
    hand.turns.wake([3])
    hand.turns.wake([1, 3])
    assert await hand.next() == [1, 3]
    hand.turns.sent([1, 3], more=[])
    assert await hand.next() is None


async def test_who_waits_is_woken(hand: Hand) -> None:
    asked = asyncio.ensure_future(hand.turns.next())
    await others_run()
    hand.turns.wake([2])
    assert await asyncio.wait_for(asked, 5) == [2]


async def test_what_is_woken_while_it_is_looked_at_is_looked_at_once_more(hand: Hand) -> None:
    hand.turns.wake([1])
    assert await hand.next() == [1]
    hand.turns.wake([1])
    hand.turns.sent([1], more=[])
    assert await hand.next() == [1]


async def test_where_there_may_be_more_nobody_has_to_say_so(hand: Hand) -> None:
    hand.turns.wake([0, 1])
    assert await hand.next() == [0, 1]
    hand.turns.sent([0, 1], more=[1])
    assert await hand.next() == [1]


async def test_what_others_have_is_looked_at_again_soon_and_keeps_nothing_back(hand: Hand) -> None:
    hand.turns.wake([0, 1])
    assert await hand.next() == [0, 1]
    hand.turns.others_have([1])
    hand.turns.sent([0], more=[])
    hand.turns.wake([0, 1])
    assert await hand.next() == [0]
    hand.turns.sent([0], more=[])
    assert await hand.next() is None
    assert await hand.after(0.1) == [1]


async def test_what_was_not_acknowledged_is_tried_shard_by_shard_and_goes_together_again_once_it_was(
    hand: Hand,
) -> None:
    hand.turns.wake([0, 1, 2])
    assert await hand.next() == [0, 1, 2]
    hand.turns.failed([0, 1, 2], apart=True)
    assert hand.turns.in_doubt
    assert await hand.next() is None, "after a pause"
    for shard in range(3):
        assert await hand.after(0.1) == [shard]
        hand.turns.sent([shard], more=[])
    assert not hand.turns.in_doubt
    hand.turns.wake([0, 1, 2])
    assert await hand.next() == [0, 1, 2]


async def test_one_that_kafka_takes_nothing_of_gives_way_to_the_others_and_they_to_it(hand: Hand) -> None:
    hand.turns.wake([0])
    assert await hand.next() == [0]
    hand.turns.failed([0], apart=True)
    hand.turns.wake([1, 2])
    assert await hand.next() == [1, 2]
    hand.turns.sent([1, 2], more=[1, 2])
    assert await hand.after(0.1) == [0]
    hand.turns.failed([0], apart=True)
    hand.clock.now += 10
    assert await hand.next() == [1, 2], "also where its pause is over"
    hand.turns.sent([1, 2], more=[1, 2])
    assert await hand.next() == [0]


async def test_pauses_grow_and_begin_anew_once_it_went_through(hand: Hand) -> None:
    for _ in range(8):
        hand.turns.wake([0])
        assert await hand.after(10) == [0]
        hand.turns.failed([0], apart=False)
    assert await hand.after(1) is None
    assert not hand.turns.in_doubt, "a database that is away says nothing of the batch"
    assert await hand.after(4) == [0]
    hand.turns.sent([0], more=[])
    hand.turns.wake([0])
    assert await hand.next() == [0]
    hand.turns.failed([0], apart=False)
    assert await hand.after(0.1) == [0]
