"""What is outstanding of erasures: written with the erasure, gone with the last confirmation, told again in between."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from services.signup.adapters import lapses
from services.signup.adapters.erasures import OLDEST, SERVICES, PostgresErasures
from services.signup.handlers import on_erasure_swept
from services.signup.jobs import ASKED_AGAIN_AFTER
from shared.contracts.signup import ErasureSweptV1
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON

LATER = NOON + ASKED_AGAIN_AFTER + timedelta(seconds=1)
_STUB = """
INSERT INTO candidates (candidate, blind_index, registered_at, stub_until, lapse_reason, lapse_asked_at, lapsed_at)
VALUES ($1::uuid, sha256($2::text::bytea), $3, $3, 'deleted', $3, $3)
"""
_TOLD = "SELECT count(*) FROM outbox WHERE topic = 'erasures' AND key = $1"


@pytest.fixture
async def pool(databases: Databases) -> AsyncIterator[Pool]:
    async with databases.pool(*MIGRATIONS_OF["signup"]) as opened:
        yield opened


async def erase(pool: Pool) -> str:
    candidate = new_candidate_id()
    await pool.execute(_STUB, candidate, candidate, NOON)
    async with unit_of_work(pool, at=NOON, source="signup") as unit:
        assert await lapses.erase_lapsed(unit, [candidate]) == [candidate]
    return candidate


async def outstanding(pool: Pool) -> set[tuple[str, str]]:
    async with unit_of_work(pool, at=NOON, source="signup") as unit:
        return {(one.candidate, one.service) for one in await PostgresErasures(unit).outstanding(after=None, limit=100)}


async def confirm(pool: Pool, candidate: str, *services: str) -> None:
    heard = [
        Received(
            "e",
            "/fairpool/x",
            NOON,
            ErasureSweptV1.model_validate({"candidate": candidate, "service": one, "at": NOON}),
            Record("t", 0, 0, None, None, ()),
        )
        for one in services
    ]
    async with unit_of_work(pool, at=NOON, source="signup") as unit:
        await on_erasure_swept(PostgresErasures(unit), heard)


async def ask(pool: Pool, at: datetime) -> int:
    async with unit_of_work(pool, at=at, source="signup") as unit:
        return await PostgresErasures(unit).ask_again(at - ASKED_AGAIN_AFTER, limit=100)


async def test_an_erasure_is_outstanding_at_every_service_until_it_has_confirmed(pool: Pool) -> None:
    ana, bo = await erase(pool), await erase(pool)
    assert await outstanding(pool) == {(who, service) for who in (ana, bo) for service in SERVICES}
    await confirm(pool, ana, "courier", "consent")
    await confirm(pool, ana, "courier")
    assert await outstanding(pool) == {
        (ana, "outreach_gateway"),
        (ana, "pool_matching"),
        *((bo, service) for service in SERVICES),
    }
    await confirm(pool, ana, *SERVICES)
    await confirm(pool, bo, *SERVICES)
    assert await outstanding(pool) == set()


async def test_it_is_told_again_once_in_a_while_as_long_as_somebody_owes_a_word(pool: Pool) -> None:
    ana = await erase(pool)
    assert await ask(pool, NOON + timedelta(minutes=1)) == 0
    await confirm(pool, ana, "courier", "consent", "pool_matching")
    assert await ask(pool, LATER) == 1
    assert await pool.fetchval(_TOLD, ana.encode()) == 1
    assert await ask(pool, LATER + timedelta(minutes=1)) == 0
    await confirm(pool, ana, "outreach_gateway")
    assert await ask(pool, LATER + timedelta(days=1)) == 0


async def test_a_page_goes_on_where_the_last_one_ended(pool: Pool) -> None:
    await erase(pool)
    await erase(pool)
    async with unit_of_work(pool, at=NOON, source="signup") as unit:
        erasures = PostgresErasures(unit)
        first = await erasures.outstanding(after=None, limit=5)
        rest = await erasures.outstanding(after=(first[-1].candidate, first[-1].service), limit=5)
    seen = [(one.candidate, one.service) for one in (*first, *rest)]
    assert len(seen) == 8
    assert seen == sorted(set(seen))


async def test_the_age_of_the_oldest_is_shown_by_service_and_falls_to_0(pool: Pool) -> None:
    ana = await erase(pool)
    await confirm(pool, ana, "consent")
    async with unit_of_work(pool, at=NOON + timedelta(hours=2), source="signup") as unit:
        await PostgresErasures(unit).note_oldest()
    ages = {service: OLDEST.labels(service)._value.get() for service in SERVICES}
    assert ages == {"consent": 0.0, "courier": 7200.0, "outreach_gateway": 7200.0, "pool_matching": 7200.0}
    await confirm(pool, ana, *SERVICES)
    async with unit_of_work(pool, at=NOON + timedelta(hours=2), source="signup") as unit:
        await PostgresErasures(unit).note_oldest()
    assert {OLDEST.labels(service)._value.get() for service in SERVICES} == {0.0}
