"""What every store does with the names that people block, the fake one and the real one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import cast

import pytest

from services.consent.adapters.postgres import PostgresConsents
from services.consent.decisions import keys_of_employer, keys_of_names
from services.consent.handlers import on_blocks
from services.consent.model import Answer, Choices, Door, Entry, NamedEmployer, Present
from services.consent.ports import BLOCKS, Consents, Writes
from shared.contracts.consent import LinkStatement
from shared.ids import new_candidate_id
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from tests.conftest import unique
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.consent import ConsentsDatabase, FakeConsents, writes
from tests.signing import SEALS
from tests.working import jobs_for, runner_of

UNTIL = NOON + timedelta(minutes=2)


@dataclass
class Store:
    """A store under test: how a transaction on it is made."""

    transaction: Callable[[], AbstractAsyncContextManager[Consents]]
    clock: FixedClock
    pool: Pool | None = None

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Unit]:
        assert self.pool is not None
        async with unit_of_work(self.pool, at=self.clock.now(), source="consent") as unit:
            yield unit

    async def name(self, candidate: str, *names: str) -> Present:
        async with self.transaction() as consents:
            present = await consents.lock(candidate)
            choices = Choices(purposes=("match",), blocked_names=names)
            return await consents.append(writes(present, choices, NOON, "me"))

    async def join(self, employer: str, name: str, version: int = 1) -> None:
        async with self.transaction() as consents:
            await consents.keep_employers([NamedEmployer(employer, version, keys_of_employer(name, None))], UNTIL)

    async def block(self, most: int = 10, writes: Writes = writes) -> None:
        """Works off what is due."""
        if self.pool is not None:
            runner = runner_of(
                self.work, self.clock, BLOCKS, on_blocks, partial(PostgresConsents, seals=SEALS), writes, most, batch=1
            )
            await runner.run_once()
            return
        some = 1
        while some:
            async with self.transaction() as consents:
                some = await cast(FakeConsents, consents).on_blocks(most)

    async def present(self, candidate: str) -> Present:
        async with self.transaction() as consents:
            return await consents.read(candidate)


@pytest.fixture(params=["fake", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return cast(str, request.param)


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Store:
    clock = FixedClock()
    if kind == "fake":
        return Store(ConsentsDatabase(clock).transaction, clock)
    return _on_postgres(request.getfixturevalue("consent_pool"), clock)


def _on_postgres(pool: Pool, clock: FixedClock) -> Store:
    @asynccontextmanager
    async def transaction() -> AsyncIterator[Consents]:
        async with unit_of_work(pool, at=clock.now(), source="consent") as unit:
            yield PostgresConsents(unit, SEALS)

    return Store(transaction, clock, pool)


@pytest.fixture(scope="module")
async def consent_pool(databases: Databases) -> AsyncIterator[Pool]:
    async with databases.pool(*MIGRATIONS_OF["consent"]) as pool:
        yield pool


@pytest.fixture
def name() -> str:
    return unique("Globex ")


@pytest.fixture
def employer() -> str:
    return unique("emp_")


async def test_names_come_back_as_they_were_given(store: Store, name: str) -> None:
    candidate = new_candidate_id()
    written = await store.name(candidate, name, "acme.com")
    assert written.choices.blocked_names == (name, "acme.com")
    assert await store.present(candidate) == written


async def test_an_employer_is_found_by_what_it_is_called_now(store: Store, name: str, employer: str) -> None:
    await store.join(employer, "Initech", version=1)
    await store.join(employer, name, version=3)
    await store.join(employer, "Initech", version=2)
    async with store.transaction() as consents:
        assert await consents.employers_named(keys_of_names([name.upper()])) == [employer]
        assert employer not in await consents.employers_named(keys_of_names(["Initech"]))


async def test_everyone_who_named_it_is_reached_in_batches_and_once(store: Store, name: str, employer: str) -> None:
    people = [new_candidate_id() for _ in range(7)]
    for person in people:
        await store.name(person, name)
    await store.join(employer, f"{name}, Inc.")
    await store.block(most=3)
    await store.block(most=3)
    found = [await store.present(person) for person in people]
    assert [(row.choices.blocked_employers, row.version) for row in found] == [((employer,), 2)] * 7


async def test_a_process_that_dies_while_it_blocks_leaves_the_rest_to_be_done(
    store: Store, name: str, employer: str
) -> None:
    people = [new_candidate_id() for _ in range(4)]
    for person in people:
        await store.name(person, name)
    await store.join(employer, name)
    with pytest.raises(ZeroDivisionError):
        async with store.transaction() as consents:
            await on_blocks(consents, jobs_for(employer, at=NOON), writes, 2)
            raise ZeroDivisionError
    assert [(await store.present(person)).version for person in people] == [1] * 4
    await store.block(most=2)
    assert [(await store.present(person)).version for person in people] == [2] * 4


async def test_processes_that_block_at_once_share_the_work(store: Store, kind: str, name: str) -> None:
    if kind == "fake":
        pytest.skip("the fake takes its transactions one after the other")
    people, employers = [new_candidate_id() for _ in range(20)], [unique("emp_") for _ in range(3)]
    for person in people:
        await store.name(person, name)
    for employer in employers:
        await store.join(employer, name)
    await asyncio.gather(*(store.block(most=4) for _ in range(4)))
    await store.block()
    rows = [await store.present(person) for person in people]
    assert {row.choices.blocked_employers for row in rows} == {tuple(sorted(employers))}
    assert {row.version for row in rows} == {4}, "a version for each employer"


async def test_an_employer_that_cannot_be_blocked_for_somebody_holds_up_no_other_and_is_set_aside(
    consent_pool: Pool, name: str
) -> None:
    store = _on_postgres(consent_pool, FixedClock())
    bad, good = f"{unique('emp_')}_1", f"{unique('emp_')}_2"
    people = {bad: new_candidate_id(), good: new_candidate_id()}
    for employer, person in people.items():
        await store.name(person, f"{name} {employer}")
        await store.join(employer, f"{name} {employer}")

    def fails_for_one(
        present: Present,
        choices: Choices,
        at: datetime,
        door: Door,
        statement: LinkStatement | None = None,
        answer: Answer | None = None,
    ) -> Entry:
        if present.candidate == people[bad]:
            raise ValueError
        return writes(present, choices, at, door, statement, answer)

    await store.block(writes=fails_for_one)
    assert (await store.present(people[good])).choices.blocked_employers == (good,)
    for _ in range(8):
        store.clock.advance(timedelta(minutes=10))
        await store.block(writes=fails_for_one)
    aside = "SELECT reason FROM work WHERE queue = 'blocks' AND key = $1 AND set_aside_at IS NOT NULL"
    assert await consent_pool.fetchval(aside, bad) == "failed: ValueError"
    await store.join(bad, f"{name} {bad}", version=2)
    await store.block()
    assert (await store.present(people[bad])).choices.blocked_employers == (bad,), "what is told again is tried anew"


async def test_an_employer_is_scheduled_by_what_tells_of_it_and_no_more_once_it_is_blocked(
    consent_pool: Pool, name: str, employer: str
) -> None:
    store = _on_postgres(consent_pool, FixedClock())
    await store.join(employer, name, version=2)
    scheduled = "SELECT count(*) FROM work WHERE queue = 'blocks' AND key = $1"
    assert await consent_pool.fetchval(scheduled, employer) == 1
    store.clock.advance(timedelta(minutes=3))
    await store.block()
    for version in (1, 2, 3):
        await store.join(employer, name, version)
        assert await consent_pool.fetchval(scheduled, employer) == 0
    await store.join(employer, f"{name} Holding", version=4)
    assert await consent_pool.fetchval(scheduled, employer) == 1


async def test_a_save_beside_the_blocking_loses_neither(store: Store, name: str, employer: str) -> None:
    people = [new_candidate_id() for _ in range(10)]
    for person in people:
        await store.name(person, name)
    await store.join(employer, name)
    await asyncio.gather(store.block(most=3), *(store.name(person, name, "Initech") for person in people))
    store.clock.advance(timedelta(seconds=10))
    await store.block()
    for person in people:
        choices = (await store.present(person)).choices
        assert (choices.blocked_employers, choices.blocked_names) == ((employer,), (name, "Initech"))


async def test_who_named_nobody_is_found_from_an_index(consent_pool: Pool) -> None:
    async with consent_pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(
            "EXPLAIN SELECT candidate FROM consents WHERE blocked_keys <> '{}' AND blocked_keys && ARRAY['name:x']"
        )
    assert "consents_by_blocked_key" in "\n".join(row[0] for row in plan)
