"""The last acts: senders hear at their own ticks what was sent, and by its last day of everything else that it was not."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from deploy.checks import told
from deploy.checks.history import USED
from deploy.checks.told import Answer, Told
from deploy.demo.joining import gather
from deploy.demo.steps import Step
from deploy.demo.watching import TooSlowError
from deploy.demo.world import World
from deploy.demo.writing import time_passes

_WITHIN = timedelta(seconds=90)
_PAUSE_SECONDS = 0.5
_HEARD_WITHIN = timedelta(minutes=30)
"""A day is told at the first tick from so long after its end."""
_LOOKS = 60
"""So many messages are looked at one by one each time, beside the feeds."""


async def what_was_sent_is_told(world: World, step: Step) -> None:
    """A tick after the day is over, each sender knows what went out until then; for all it can see, the rest waits."""
    sent = {one for one, found in world.topics.outcome.items() if one in world.sent and found.outcome in USED}
    world.move_clock(_over(world.now.date()) + _HEARD_WITHIN + world.tick)
    await _until_told(world, dict.fromkeys(sent, "sent"))
    latest = max(one.known_by for one in world.sent.values())
    step.say(
        f"{len(sent)} sent; {len(world.sent) - len(sent)} wait for a place in their person's week, and their senders will "
        f"hear by {latest:%B} {latest.day} at the latest"
    )


async def everything_comes_to_its_end(world: World, step: Step, *, moves: int) -> None:
    """Days go by until every message came to its own end; what was not sent by then is told so, to nobody with a reason."""
    await time_passes(world, step, moves=moves, days=14)
    world.move_clock(_over(max(one.known_by for one in world.sent.values())) + world.tick)
    await _until_told(world, dict.fromkeys(world.sent, ""))
    ends = told.last_of(_rows(world)).values()
    step.say(", ".join(f"{sum(row.state == state for row in ends)} {state}" for state in ("sent", "not_sent")))


async def _until_told(world: World, wanted: Mapping[str, str]) -> None:
    """Until the feeds say this of each (nothing: any end); then some senders look at their messages one by one."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _WITHIN.total_seconds()
    while missing := await _not_told(world, wanted):
        if loop.time() > deadline:
            raise TooSlowError(
                f"expected within {_WITHIN.total_seconds():g} s that senders hear of {len(wanted)} messages, "
                f"found {missing} that they were not told of"
            )
        await asyncio.sleep(_PAUSE_SECONDS)
    await gather([_look(world, outreach) for outreach in list(world.sent)[:: max(1, len(world.sent) // _LOOKS)]])


async def _not_told(world: World, wanted: Mapping[str, str]) -> int:
    await gather([_read_feed(world, employer) for employer in {one.employer for one in world.sent.values()}])
    last = told.last_of(_rows(world))
    return sum(one not in last or (bool(state) and last[one].state != state) for one, state in wanted.items())


async def _read_feed(world: World, employer: str) -> None:
    rows = await world.client.told(world.employer(employer).key)
    ours = [row for row in rows if row["outreach"] in world.sent]
    world.told[employer] = [Told.of(employer, row) for row in ours]
    world.feeds[employer] = [Answer("feed", employer, row) for row in ours]


async def _look(world: World, outreach: str) -> None:
    employer = world.sent[outreach].employer
    answer = await world.client.outreach(world.employer(employer).key, outreach)
    world.answers.append(Answer("outreach", employer, answer))


def _rows(world: World) -> list[Told]:
    return [row for rows in world.told.values() for row in rows]


def _over(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)
