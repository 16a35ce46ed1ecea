"""What a service asks in a minute in which nobody wants anything of it: never more than `idle.toml` says.

Nothing waits here. One turn of everything that a process does by itself is done and counted, and how often it comes in a minute is
what it was declared with. The loops do not run: that one turns more often than it declares is not seen here, nor the gauges of the queues, or the question after the connection of the notices.
"""

import tomllib
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.signup.courier.sending import Sender
from shared.feed import sequencer
from shared.messaging import relay as relays
from shared.messaging.relay import Relay
from shared.runner import loop
from tests.counts.conftest import Process
from tests.counts.counting import Counts, counted
from tests.counts.test_counts import Starts, _ready

IDLE = Path(__file__).with_name("idle.toml")
MINUTE = timedelta(minutes=1)
SERVICES = "signup", "consent", "pool_matching", "outreach_gateway", "courier"
Turn = Callable[[], Awaitable[object]]
NOT_HERE = {"compare_topics"}
"""Asks Kafka alone, once a minute, over a connection that it makes for that."""


@pytest.fixture(scope="module")
def allowed() -> Mapping[str, Any]:
    """What each process may ask in a minute."""
    return tomllib.loads(IDLE.read_text(encoding="utf-8"))


async def _turns(process: Process) -> list[tuple[str, timedelta, Turn]]:
    """Everything that the process does by itself: its name, how often, and one turn of it."""
    parts, pool = process.service.parts, process.service.pool
    runner, relay = parts.runner, Relay(pool, process.kept)
    await runner._begin(runner._queues)
    found: list[tuple[str, timedelta, Turn]] = [
        (one.name, one.period, one.turn) for one in parts.timers if one.name not in NOT_HERE
    ]
    found += [("outbox", relays._POLL, relay.look), ("work", loop.POLL, runner.wake_due)]
    found += [(f"sequencer of {feed.name}", sequencer._POLL, feed.sequencer.look) for feed in parts.feeds]
    found += [
        (queue.name, queue.period, partial(_periodic, process, queue.name))
        for queue in runner.queues
        if queue.period is not None
    ]
    return found


async def _periodic(process: Process, name: str) -> Counts:
    """A turn of periodic work that has nothing to do, and the look that sees when it comes again where the turn does not know."""
    service, runner = process.service, process.service.parts.runner
    while True:
        at = service.clock.now()
        await service.pool.execute("UPDATE work SET run_at = $2 WHERE queue = $1", name, at)
        async with counted() as counts:
            assert await runner._batches.turn(runner._queues[name]) == 1
            rests = runner._batches.rests(runner._queues[name])
            if rests is None:
                await runner.wake_due()
        if rests is not None:
            return counts


async def _cost(act: Turn) -> Counts:
    await act()  # statements are prepared, what is new is known
    async with counted() as counts:
        cost = await act()
    return cost if isinstance(cost, Counts) else counts


@pytest.mark.parametrize("name", SERVICES)
async def test_an_idle_service_asks_no_more_than_it_is_allowed(
    name: str, starts: Starts, allowed: Mapping[str, Any]
) -> None:
    async with starts(name) as process:
        await _ready(process)
        asked = {"statements": 0.0, "redis": 0.0}
        said = []
        turns = await _turns(process)
        for job, run in process.service.parts.jobs:
            if isinstance(sender := getattr(run, "__self__", None), Sender):
                turns.append((job, timedelta(seconds=5), sender.look))
        for what, period, act in turns:
            cost = await _cost(act)
            asked["statements"] += cost.statements * (MINUTE / period)
            asked["redis"] += cost.redis * (MINUTE / period)
            said.append(f"{cost.statements * (MINUTE / period):7.1f} {what}: {cost.statements} every {period}")
        readers = len(process.service.subscriptions) + len(process.service.parts.followers)
        asked["fetches"] = readers * (MINUTE / type(process.service.settings).model_fields["kafka_fetch_wait"].default)
    now = {what: round(number) for what, number in asked.items() if number}
    line = f"[{name}]\n" + "\n".join(f"{what} = {number}" for what, number in now.items())
    listed = "\n".join(sorted(said, reverse=True))
    over = {what: number for what, number in now.items() if number > allowed[name].get(what, 0)}
    assert not over, f"a minute of {name} asks more than {IDLE.name} allows. Now:\n{line}\n{listed}"
