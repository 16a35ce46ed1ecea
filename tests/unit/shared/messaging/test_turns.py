"""Which shards of the outbox are looked at next."""

import asyncio
from collections.abc import Coroutine, Sequence
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
        return await self._now(self.turns.next())

    async def trial(self) -> list[int] | None:
        """What is to be tried alone now."""
        return await self._now(self.turns.next_trial())

    async def _now(self, turn: Coroutine[None, None, Sequence[int]]) -> list[int] | None:
        asked = asyncio.ensure_future(turn)
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
    hand.turns.try_alone([0, 1, 2])
    hand.turns.failed([0, 1, 2])
    assert hand.turns.in_doubt
    assert await hand.trial() is None, "after a pause"
    hand.clock.now += 0.1
    for shard in range(3):
        assert await hand.next() is None
        assert await hand.trial() == [shard]
        hand.turns.sent([shard], more=[])
    assert not hand.turns.in_doubt
    hand.turns.wake([0, 1, 2])
    assert await hand.trial() is None
    assert await hand.next() == [0, 1, 2]


async def test_while_one_is_tried_alone_the_others_go_on_and_each_that_is_to_be_tried_has_its_turn(hand: Hand) -> None:
    hand.turns.wake([0, 1])
    assert await hand.next() == [0, 1]
    hand.turns.try_alone([0, 1])
    hand.turns.failed([0, 1])
    hand.clock.now += 10
    assert await hand.trial() == [0]
    for _ in range(3):
        hand.turns.wake([0, 1, 2, 3])
        assert await hand.next() == [2, 3]
        hand.turns.sent([2, 3], more=[])
    hand.turns.try_alone([0])
    hand.turns.failed([0])
    hand.clock.now += 10
    assert await hand.trial() == [1], "before the other once more"
    hand.turns.sent([1], more=[1])
    assert await hand.trial() == [0]
    assert await hand.next() == [1]


async def test_who_waits_for_a_trial_is_told_of_one_and_who_waits_for_the_others_of_its_end(hand: Hand) -> None:
    hand.turns.wake([0])
    assert await hand.next() == [0]
    trial, common = (asyncio.ensure_future(turn) for turn in (hand.turns.next_trial(), hand.turns.next()))
    await others_run()
    hand.turns.try_alone([0])
    hand.turns.others_have([0])
    assert list(await asyncio.wait_for(_going_on(hand.clock, trial), 5)) == [0]
    hand.turns.sent([0], more=[0])
    assert list(await asyncio.wait_for(common, 5)) == [0]


async def _going_on(clock: Clock, asked: asyncio.Future[Sequence[int]]) -> Sequence[int]:
    clock.now += 10
    return await asked


async def test_pauses_grow_and_begin_anew_once_it_went_through(hand: Hand) -> None:
    for _ in range(8):
        hand.turns.wake([0])
        assert await hand.after(10) == [0]
        hand.turns.failed([0])
    assert await hand.after(1) is None
    assert not hand.turns.in_doubt, "a database that is away says nothing of the batch"
    assert await hand.after(4) == [0]
    hand.turns.sent([0], more=[])
    hand.turns.wake([0])
    assert await hand.next() == [0]
    hand.turns.failed([0])
    assert await hand.after(0.1) == [0]
