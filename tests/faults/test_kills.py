"""SIGKILL in the middle of the demo's traffic: nothing lost, nothing twice, no cap exceeded."""

import asyncio
import signal
from collections import Counter
from datetime import timedelta

import pytest

from deploy.demo import writing
from tests.faults.conftest import DECIDES, QUIET, TAKES_IN, TAKES_IN_AGAIN, Begin, Traffic, Work
from tests.waiting import until

pytestmark = pytest.mark.slow  # leases of two minutes among it


@pytest.mark.timeout(600)
async def test_gateway_and_courier_killed_in_mid_traffic_lose_nothing_and_send_nothing_twice(begin: Begin) -> None:
    traffic = await begin(70)
    async with asyncio.TaskGroup() as group:
        group.create_task(writing.employers_write(traffic.world, QUIET))
        group.create_task(_kill_gateway_while_it_is_asked(traffic))
        group.create_task(_kill_courier_while_it_takes_in_and_while_it_sends(traffic))
    await writing.gateway_decides(traffic.world, QUIET)
    await traffic.until_all_ready()
    history = await traffic.promises_are_kept()
    assert len(history.mails) > 20, "the traffic was real"
    assert {decision.outcome for decision in history.decisions} >= {"admitted", "delayed", "dropped"}


@pytest.mark.timeout(600)
async def test_gateway_and_courier_killed_while_slots_come_due_lose_nothing_and_send_nothing_twice(
    begin: Begin,
) -> None:
    traffic = await begin(30)
    await writing.employers_write(traffic.world, QUIET)
    await writing.gateway_decides(traffic.world, QUIET)
    topics = traffic.world.topics
    waiting = {id: topics.decided[id].version for id in traffic.world.sent if topics.decided[id].outcome == "delayed"}
    async with asyncio.TaskGroup() as group:
        group.create_task(writing.time_passes(traffic.world, QUIET, moves=2, days=3))
        group.create_task(_kill_courier_and_then_gateway_as_slots_come_due(traffic))
    await traffic.until_all_ready()
    history = await traffic.promises_are_kept()
    came = {id for id, version in waiting.items() if topics.decided[id].version > version}
    assert came & history.mails_of.keys(), "what had waited for its slot arrived"


@pytest.mark.timeout(600)
async def test_two_hours_without_the_gateway_when_slots_come_due_cost_delay_and_no_message(begin: Begin) -> None:
    traffic = await begin(45)
    await writing.employers_write(traffic.world, QUIET)
    await writing.gateway_decides(traffic.world, QUIET)
    topics = traffic.world.topics
    promised = {
        id: decision.until
        for id in traffic.world.sent
        if (decision := topics.decided[id]).outcome == "delayed" and decision.until is not None
    }
    soon = [slot for slot in promised.values() if slot < min(promised.values()) + timedelta(days=2)]
    over = max(soon) + timedelta(hours=2)
    with traffic.stack.held_down("outreach_gateway"):
        traffic.world.move_clock(over)
    due = {id: topics.decided[id].version for id, slot in promised.items() if slot <= over}
    assert len(due) > 3, Counter((topics.decided[id].outcome, topics.decided[id].rule) for id in traffic.world.sent)

    def came() -> bool:
        return all(topics.decided[id].version > before and topics.is_settled(id) for id, before in due.items())

    await until(came, what="what was due is decided again and sent")
    await traffic.until_all_ready()
    history = await traffic.promises_are_kept()
    # Some are urgent: they come to their own end while they wait.
    lasting = {item.outreach for item in history.requests if item.expires_at > over + timedelta(days=9)}
    assert lasting & due.keys()
    ends = {item.outreach: item.rule for item in history.decisions if item.outcome in ("dropped", "cancelled")}
    lost = {id: ends[id] for id in lasting & due.keys() & ends.keys()}
    assert lost == {}


@pytest.mark.timeout(600)
async def test_redis_killed_and_back_empty_holds_rebuilds_and_exceeds_no_cap(begin: Begin) -> None:
    traffic = await begin(40)
    async with asyncio.TaskGroup() as group:
        group.create_task(writing.employers_write(traffic.world, QUIET))
        group.create_task(_empty_redis_twice(traffic))
    await writing.gateway_decides(traffic.world, QUIET)
    await writing.time_passes(traffic.world, QUIET, moves=1, days=3)
    await traffic.until_all_ready()
    history = await traffic.promises_are_kept()
    assert any(decision.outcome == "delayed" for decision in history.decisions), "the windows were in use"


async def _kill_gateway_while_it_is_asked(traffic: Traffic) -> None:
    await traffic.until_sent(0.5)
    await traffic.kill_at_work("outreach_gateway", Work.SUBMITTED)


async def _kill_courier_while_it_takes_in_and_while_it_sends(traffic: Traffic) -> None:
    await traffic.until_admitted(3)
    await traffic.kill_as_it_writes("courier", TAKES_IN)
    # The relay stands still with mails that it has but has not answered for: nobody can know of those.
    await traffic.freeze_at_work("mail", Work.ON_THE_WAY)
    await traffic.kill("courier")
    traffic.stack.kill("mail", signal.SIGCONT)


async def _kill_courier_and_then_gateway_as_slots_come_due(traffic: Traffic) -> None:
    """In this order: what a gateway has claimed is claimed again after its lease, and the courier has nothing to take in until then."""
    await traffic.kill_as_it_writes("courier", TAKES_IN_AGAIN)
    await traffic.kill_as_it_writes("outreach_gateway", DECIDES)


async def _empty_redis_twice(traffic: Traffic) -> None:
    for share in (0.3, 0.7):
        await traffic.until_sent(share)
        await traffic.kill_at_work("redis", Work.SUBMITTED)
