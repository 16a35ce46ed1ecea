"""A merge names a record of another partition: two consumers at once, on a real database."""

import asyncio

import httpx
import pytest

from services.signup.handlers import on_candidate_reported
from services.signup.model.people import Change
from shared.contracts.signup import CandidateMergedV1, CandidateReportedV1
from shared.messaging.envelope import Received, Record
from tests.integration.signup.conftest import Edge
from tests.integration.signup.test_story import SECRETS, arriving, handle, post, store
from tests.waiting import until

LOSER, WINNER = "1", "2"


def received(
    edge: Edge, event: CandidateMergedV1 | CandidateReportedV1
) -> Received[CandidateReportedV1 | CandidateMergedV1]:
    return Received("e" + event.record, "/fairpool/signup", edge.clock.now(), event, Record("t", 0, 0, None, None, ()))


def told(edge: Edge, change: Change) -> Received[CandidateReportedV1 | CandidateMergedV1]:
    at = edge.clock.now()
    return received(
        edge,
        CandidateReportedV1(
            vendor="acme", record=WINNER, employer="emp_one", change=change, reported_at=at, intake_key=at.date(), sealed=""
        ),
    )  # fmt: skip


async def beside_the_merge(edge: Edge, other: Received[CandidateReportedV1 | CandidateMergedV1]) -> None:
    """The other consumer begins after the merge looked at the winner, and before the merge is committed."""
    at = edge.clock.now()
    merged = CandidateMergedV1(vendor="acme", record=LOSER, into=WINNER, employer="emp_one", reported_at=at)

    async def second() -> None:
        async with store(edge) as two:
            await on_candidate_reported(two, [other], SECRETS)

    async with store(edge) as one:
        await on_candidate_reported(one, [received(edge, merged)], SECRETS)
        task = asyncio.create_task(second())

        async def stands() -> bool:
            waiting = "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database WHERE NOT granted AND datname = current_database()"
            return task.done() or await edge.pool.fetchval(waiting) > 0

        await until(stands)
    await task


async def test_a_deletion_beside_a_merge_into_its_record_removes_the_claim(http: httpx.AsyncClient, edge: Edge) -> None:
    await post(http, "acme", LOSER, "a@example.org")
    await handle(edge, await arriving(edge))
    await beside_the_merge(edge, told(edge, "deleted"))
    assert await edge.pool.fetchval("SELECT count(*) FROM claims") == 0
    assert await edge.pool.fetchval("SELECT count(*) FROM kept_reports WHERE NOT counted") == 0
    assert await edge.pool.fetchval("SELECT lapse_reason FROM candidates") == "deleted"


@pytest.mark.parametrize("mail", ["a@example.org", "b@example.org"])
async def test_a_creation_beside_a_merge_into_its_record_leaves_no_stub_without_a_claim(
    http: httpx.AsyncClient, edge: Edge, mail: str
) -> None:
    await post(http, "acme", LOSER, "a@example.org")
    await handle(edge, await arriving(edge))
    await post(http, "acme", WINNER, mail)
    (created,) = await arriving(edge)
    await beside_the_merge(edge, created)
    assert await edge.pool.fetchval("SELECT count(*) FROM claims") == 1
    alive = (
        "SELECT count(*) FROM candidates WHERE lapse_reason IS NULL AND candidate NOT IN (SELECT candidate FROM claims)"
    )
    assert await edge.pool.fetchval(alive) == 0
