"""Several of each process at once, and whatever ends one of them: nothing lost, nothing twice, no cap exceeded."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from deploy.demo import writing
from deploy.local.services import NAMES
from tests.faults.crowd import QUIET, Crowd, gather_crowd
from tests.stack import Stack
from tests.waiting import until

_BROKER_AWAY_SECONDS = 20.0
_THIRD_GATEWAY = "outreach_gateway-3"

pytestmark = [pytest.mark.timeout(300), pytest.mark.replicas]


@pytest.fixture(scope="module")
async def whole_crowd() -> AsyncIterator[Crowd]:
    """Two of each process, and three gateways, that drain as in production before they stop."""
    stack = Stack(replicas={**dict.fromkeys(NAMES, 2), "outreach_gateway": 3})
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FAIRPOOL_DRAIN_FOR", "PT2S")
        stack.start()
    try:
        async with gather_crowd(stack) as crowd:
            yield crowd
    finally:
        stack.stop()


@pytest.fixture
async def crowd(whole_crowd: Crowd) -> Crowd:
    """The same with all parts up."""
    await whole_crowd.until_ready()
    return whole_crowd


async def test_three_gateways_share_the_work_two_go_on_when_one_is_killed_and_one_when_two_are(crowd: Crowd) -> None:
    world = crowd.wave(40)
    await crowd.join(world)
    await crowd.write(world)
    shared = await crowd.decided_by()
    assert len(shared) == 3
    assert all(shared.values()), f"each decided something: {shared}"

    world = crowd.wave(20)
    await crowd.join(world)
    with crowd.stack.held_down(_THIRD_GATEWAY):
        before = await crowd.decided_by()
        assert _THIRD_GATEWAY not in before
        await crowd.write(world)
        after = await crowd.decided_by()
        assert all(after[name] > before[name] for name in before), f"both decided something: {before}, {after}"
    await crowd.until_ready(_THIRD_GATEWAY)

    with crowd.stack.held_down("outreach_gateway"), crowd.stack.held_down("outreach_gateway-2"):
        await writing.time_passes(crowd.whole, QUIET, moves=2, days=9)
        alone = await crowd.decided_by()
        assert alone.keys() == {_THIRD_GATEWAY}
        assert alone[_THIRD_GATEWAY] > 0, "the last one decided what came due"
    await crowd.until_ready()
    await crowd.promises_are_kept()


async def test_one_of_two_replicas_of_each_process_killed_in_mid_traffic_loses_nothing_and_sends_nothing_twice(
    crowd: Crowd,
) -> None:
    with crowd.stack.held_down(_THIRD_GATEWAY):
        world = crowd.wave(60)

        async def kill_signup() -> None:
            await crowd.until_links(world, 5)
            await crowd.kill("signup")

        async def kill_consent_and_matching() -> None:
            known = len(crowd.whole.topics.consent)
            await until(lambda: len(crowd.whole.topics.consent) > known + 5, what="people have chosen")
            await crowd.kill("consent-2")
            await crowd.kill("pool_matching")

        async def kill_gateway() -> None:
            await crowd.until_written(world, 0.4)
            await crowd.kill("outreach_gateway-2")

        async def kill_courier() -> None:
            await crowd.until_admitted(3)
            await crowd.kill("courier")

        await crowd.join(world, while_reported=kill_signup, while_choosing=kill_consent_and_matching)
        sent, mails = len(crowd.whole.sent), len(crowd.whole.arrived())
        await crowd.write(world, kill_gateway, kill_courier)
        assert len(crowd.whole.sent) - sent > 60, "the traffic was real"
        assert len(crowd.whole.arrived()) - mails > 10, "mails were sent"
    await crowd.until_ready()
    history = await crowd.promises_are_kept()
    assert {decision.outcome for decision in history.decisions} >= {"admitted", "delayed", "dropped"}


async def test_the_broker_killed_in_mid_traffic_and_back_after_20_seconds_loses_nothing_and_sends_nothing_twice(
    crowd: Crowd,
) -> None:
    if crowd.stack.broker.nature.keeps_nothing:
        pytest.skip(
            f"the {crowd.stack.broker} broker keeps nothing, so a kill of it ends the stack by design: "
            f"run with FAIRPOOL_BROKER=apache"
        )
    world = crowd.wave(40)
    await crowd.join(world)
    taken: list[int] = []
    services = crowd.parts
    before = {part: crowd.stack.part(part).restarts for part in services}

    async def kill_broker() -> None:
        await crowd.until_written(world, 0.3)
        with crowd.stack.held_down("kafka"):
            taken.append(len(crowd.whole.sent))
            await asyncio.sleep(_BROKER_AWAY_SECONDS)
            taken.append(len(crowd.whole.sent))
        await crowd.until_ready("kafka")

    await crowd.write(world, kill_broker)
    assert taken[1] > taken[0], "messages were taken while the broker was away"
    assert {part: crowd.stack.part(part).restarts for part in services} == before, "no process ended because of it"
    await crowd.until_ready()
    await crowd.promises_are_kept()


async def restarted(crowd: Crowd, part: str) -> None:
    before = crowd.stack.part(part).restarts
    crowd.stack.kill(part, signal.SIGTERM)
    await until(lambda: crowd.stack.part(part).restarts > before, what=f"{part} has stopped")
    await crowd.until_ready(part)


async def test_a_rolling_restart_of_everything_fails_no_request_loses_nothing_and_sends_nothing_twice(
    crowd: Crowd,
) -> None:
    balancer = crowd.balancer
    balancer.failures.clear()
    balancer.answered.clear()
    parts = crowd.parts

    async def roll() -> None:
        for part in parts:
            await restarted(crowd, part)

    sent = len(crowd.whole.sent)
    async with crowd.steady_requests():
        rolling = asyncio.create_task(roll())
        while not rolling.done():
            world = crowd.wave(12)
            await crowd.join(world)
            await crowd.write(world)
        await rolling
    assert len(crowd.whole.sent) > sent
    assert balancer.failures == []
    edges = {part for part in parts if not part.startswith("courier")}
    assert edges <= balancer.answered.keys(), "each replica served"
    await crowd.until_ready()
    await crowd.promises_are_kept()
