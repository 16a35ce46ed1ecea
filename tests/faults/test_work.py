"""Workers that are killed between claim, work, effect and end: work is done once, or again harmlessly."""

import asyncio
import json
import secrets
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import pytest
from redis.asyncio import Redis

from services.outreach_gateway.adapters.kept import SQL
from services.outreach_gateway.adapters.postgres import PostgresOutreach
from services.outreach_gateway.model import SHARDS, Consent, Memberships
from services.outreach_gateway.ports.outreach import DUE
from services.outreach_gateway.ports.windows import Epoch
from services.pool_matching.ports import EVALUATIONS
from services.signup.adapters.postgres import PostgresStore
from services.signup.model.records import Claim, Showing, Stub
from services.signup.ports.store import INVITATIONS, SHOWINGS
from services.signup.vault.sealing import Identity, seal_identity
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool, open_pool
from shared.runner.model import TURN, Wanted
from shared.runner.postgres import PostgresWork
from shared.security.words import KeyPair
from tests import window_logs
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.keeper import intake_keys
from tests.faults.workers import BATCH, LAPSES, SECRETS, Moment, Place, windows_of, worked
from tests.integration.pool_matching.kit import (
    NURSE,
    PostgresKit,
    consent,
    keep_pool,
    pool,
    profile,
    tell_persons,
    tell_pools,
)
from tests.ports.test_outreach_store import LAST_DAY, POLICY, TICKS, feed
from tests.stack import Servers

PEOPLE = [str(UUID(int=100 + number)) for number in range(3 * BATCH)]
BAD = PEOPLE[BATCH + 1]
"""In the middle: their zone is one that no tzdata knows."""
_KILLED = -signal.SIGKILL


@dataclass
class Work:
    """What is due of one queue, where it is done, and what is to come of it."""

    place: Place
    pool: Pool
    topic: str
    """Where each of the people is to be told of."""
    batch: int
    """At which a worker is killed."""

    async def told(self) -> Counter[str]:
        """Of whom it is said how often."""
        rows = await self.pool.fetch("SELECT key, value FROM outbox WHERE topic = $1", self.topic)
        return Counter(json.loads(row["value"])["candidate"] for row in rows)

    async def others_take_over(self) -> None:
        """Whoever was killed is silent for longer than its leases last."""
        await self.pool.execute("UPDATE work SET leased_until = now() WHERE lease IS NOT NULL")

    async def left(self) -> int:
        """Rows that are due and not done."""
        return int(
            await self.pool.fetchval(
                "SELECT count(*) FROM work WHERE queue = $1 AND run_at <= $2", self.place.queue, self.place.at
            )
        )


@pytest.fixture(
    params=[DUE, SHOWINGS, *(pytest.param(one, marks=pytest.mark.slow) for one in (INVITATIONS, LAPSES, EVALUATIONS))]
)
async def work(request: pytest.FixtureRequest, servers: Servers, databases: Databases) -> AsyncIterator[Work]:
    """Three batches that are due."""
    async with work_of(request.param, servers, databases) as made:
        yield made


@asynccontextmanager
async def work_of(queue: str, servers: Servers, databases: Databases, bad: str | None = None) -> AsyncIterator[Work]:
    service = {DUE: "outreach_gateway", EVALUATIONS: "pool_matching"}.get(queue, "signup")
    async with databases.lent(*MIGRATIONS_OF[service]) as dsn, await open_pool(dsn, name="test") as opened:
        place = Place(queue, dsn, servers.redis, f"t{secrets.token_hex(4)}")
        if queue == DUE:
            await submitted(opened, place, bad)
            yield Work(place, opened, "outreach-decisions", 2)
        elif queue == EVALUATIONS:
            await waiting_pool(opened)
            yield Work(replace(place, at=NOON + timedelta(minutes=1)), opened, "memberships", 2)
        else:
            await known_to_signup(opened, queue)
            late = replace(place, at=NOON + timedelta(days=15))
            if queue == LAPSES:
                yield Work(late, opened, "candidate-events", 1)
            else:
                yield Work(place, opened, {INVITATIONS: "notices", SHOWINGS: "candidate-profiles"}[queue], 2)


async def known_to_signup(opened: Pool, queue: str) -> None:
    async with unit_of_work(opened, at=NOON, source="test") as unit:
        store = PostgresStore(unit, intake_keys())
        await store.register([Stub(one, one.encode(), NOON + timedelta(days=14)) for one in PEOPLE])
        await store.save_identities(
            [
                seal_identity(one, Identity(f"{number}@b.example"), KeyPair.generate(), SECRETS.epochs)
                for number, one in enumerate(PEOPLE)
            ]
        )
        await store.save_claims([Claim("acme", one, one, "emp_one", registered=True) for one in PEOPLE])
        if queue == INVITATIONS:
            await store.ask_to_invite(dict.fromkeys(PEOPLE, "acme"))
        if queue == SHOWINGS:
            await store.save_showings(
                [Showing(one, 1, True, True, None, None, NURSE, 0, None, look_again_at=NOON) for one in PEOPLE]
            )
        if queue == LAPSES:
            await PostgresWork(unit.connection).schedule([Wanted(LAPSES, TURN, NOON)])


async def submitted(opened: Pool, place: Place, bad: str | None) -> None:
    async with unit_of_work(opened, at=NOON, source="test") as unit:
        store = PostgresOutreach(unit, POLICY, feed, TICKS)
        zone = "America/Denver"
        await store.keep_consents(
            [Consent(one, 1, contact=True, time_zone="Mars/Olympus" if one == bad else zone) for one in PEOPLE]
        )
        await store.keep_memberships({one: (1, Memberships(frozenset({"emp_a"}))) for one in PEOPLE})
        until = NOON + timedelta(days=14)
        for one in PEOPLE:
            row = (
                f"o{one[-2:]}",
                "emp_a",
                one,
                "m_x",
                b"d",
                "sealed",
                NOON,
                until,
                NOON,
                None,
                None,
                None,
                LAST_DAY,
                until,
                False,
                "29-1141",
                "CO",
                None,
            )
            await unit.connection.execute(SQL["submit"], *row)
        store.decide_for(PEOPLE, NOON)
    async with windows_of(place) as windows:
        for shard in range(SHARDS):
            await windows.begin(shard, Epoch("none"))
            await windows.open(shard, Epoch("none"))


async def waiting_pool(opened: Pool) -> None:
    kit = PostgresKit(opened)
    await tell_persons(kit, *map(profile, PEOPLE), *map(consent, PEOPLE))
    await opened.execute("DELETE FROM outbox")
    await keep_pool(kit, pool())
    await tell_pools(kit, pool())


async def slots(place: Place) -> int:
    """Of everybody, in the windows; a mark (`#`) of where one had been is none."""
    client = Redis.from_url(place.redis)
    try:
        logs = [key async for key in client.scan_iter(f"{place.prefix}:*:*")]
        return sum([not name.startswith("#") for key in logs for name in await window_logs.read(client, key)])
    finally:
        await client.aclose()


@pytest.mark.parametrize("moment", [one for one in Moment if one is not Moment.NEVER], ids=lambda one: one.name.lower())
async def test_a_worker_that_is_killed_costs_nobody_their_work_and_nobody_is_told_twice(
    work: Work, moment: Moment
) -> None:
    assert await worked(work.place, moment, batch=work.batch) == _KILLED
    before = await work.told()
    assert max(before.values(), default=0) <= 1
    if moment is not Moment.COMMITTED:
        assert await work.left() > 0
    await work.others_take_over()
    assert await worked(work.place, Moment.NEVER) == 0
    assert await work.told() == Counter(PEOPLE)
    assert await work.left() == 0
    if work.place.queue == DUE:
        assert await slots(work.place) == len(PEOPLE), "no slot is taken twice"


async def test_a_bad_row_in_the_middle_stops_no_other_on_two_replicas_beside_a_third_that_was_killed(
    servers: Servers, databases: Databases
) -> None:
    async with work_of(DUE, servers, databases, bad=BAD) as work:
        assert await worked(work.place, Moment.WRITTEN) == _KILLED
        for _ in range(2):
            codes = await asyncio.gather(worked(work.place, Moment.NEVER), worked(work.place, Moment.NEVER))
            assert tuple(codes) == (0, 0)
            await work.others_take_over()
        assert await work.told() == Counter(one for one in PEOPLE if one != BAD)
        (row,) = await work.pool.fetch("SELECT key, reason FROM work WHERE queue = $1", DUE)
        assert tuple(row) == (BAD, "failed: ZoneInfoNotFoundError")
