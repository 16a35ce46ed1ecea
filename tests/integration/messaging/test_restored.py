"""A service whose database comes from an older backup reads `erasures` again: whoever was erased since is gone again.

Its groups are ahead of the backup, so nothing of that comes by itself.
"""

import importlib
import inspect
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from shared.contracts.signup import CandidateErasedV1, CandidateProfileChangedV1, CoarseProfile
from shared.contracts.topics import ERASURES
from shared.ids import new_candidate_id
from shared.messaging import topics
from shared.messaging.envelope import encode
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.reconciled import Reconciled
from shared.postgres.pool import Pool
from tests.architecture.test_subscriptions import ENVIRONMENT, PROCESSES
from tests.databases import MIGRATIONS_OF, Databases
from tests.integration.messaging.read_backs import ReadBacks
from tests.signing import consented
from tests.stack import Servers

_BACKUP = {
    "courier": "INSERT INTO courier_consent (candidate, version, purposes, blocked_employers) VALUES ($1, 1, '{contact}', '{}')",
    "consent": "INSERT INTO consents (candidate, principal) VALUES ($1, 'person-of-' || $1)",
    "outreach_gateway": "INSERT INTO consents (candidate, version, contact, blocked_employers) VALUES ($1::text::uuid, 1, true, '{}')",
    "pool_matching": """
        WITH person AS (
            INSERT INTO persons (candidate, version, profile_version, profile, consent_version, consent)
            VALUES ($1::text, 1, 1, $2::text::jsonb, 1, $3::text::jsonb) RETURNING candidate
        ), pool AS (
            INSERT INTO pools (pool, employer, version, name, criteria, created_at, change)
            VALUES ('p_' || $1, 'emp_a', 1, 'Nurses', '{"occupations": ["29-0000"]}', now(), 1) RETURNING pool, employer
        )
        INSERT INTO memberships (pool, candidate, employer, member_ref, since, shown)
        SELECT pool, candidate, employer, 'm_' || candidate, now(), '{"occupations": ["29-1141"]}' FROM person, pool
    """,
}
"""Somebody who was not erased yet when it was made."""
_IS_THERE = {
    "courier": "SELECT EXISTS (SELECT FROM courier_consent WHERE candidate = $1)",
    "consent": "SELECT closed_at IS NULL FROM consents WHERE candidate = $1",
    "outreach_gateway": "SELECT EXISTS (SELECT FROM consents WHERE candidate = $1::text::uuid)",
    "pool_matching": """
        SELECT profile IS NOT NULL OR consent IS NOT NULL OR EXISTS (SELECT FROM memberships WHERE candidate = $1)
        FROM persons WHERE candidate = $1
    """,
}


@pytest.fixture(params=_BACKUP)
def service(request: pytest.FixtureRequest) -> str:
    """Who reads `erasures`."""
    return str(request.param)


@pytest.fixture
async def rows(service: str, databases: Databases) -> AsyncIterator[Pool]:
    """The service's database."""
    async with databases.pool(*MIGRATIONS_OF["signup" if service == "courier" else service]) as opened:
        yield opened


@pytest.fixture
def reconciled(service: str, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Reconciled:
    """What the service's own `app.py` does with the topic."""
    for name, value in {**ENVIRONMENT, "KAFKA": servers.kafka, "REDIS": servers.redis}.items():
        monkeypatch.setenv(f"FAIRPOOL_{name}", value)
    build = importlib.import_module(f"{PROCESSES[service]}.app").build
    built, _ = build(inspect.signature(build).parameters["settings"].annotation())
    (found,) = [one for one in built.parts.replayed if one.topic is ERASURES]
    assert isinstance(found, Reconciled)
    return found


@pytest.fixture
async def back(service: str, rows: Pool) -> Callable[[], str]:
    """Two people whom the backup brought back; the second one was never erased."""
    people = [new_candidate_id(), new_candidate_id()]
    at = datetime(2026, 11, 22, tzinfo=UTC)
    for candidate in people:
        told = []
        if service == "pool_matching":
            profile = CandidateProfileChangedV1(
                candidate=candidate, version=1, profile=CoarseProfile(occupations=("29-1141",))
            )
            consent = consented(candidate=candidate, version=1, at=at, purposes=("match",))
            assert profile.profile is not None
            told = [profile.profile.model_dump_json(), consent.model_dump_json()]
        await rows.execute(_BACKUP[service], candidate, *told)
    return iter(people).__next__


async def test_whoever_was_erased_after_the_backup_is_gone_again_and_nobody_else_is(
    service: str, rows: Pool, reconciled: Reconciled, back: Callable[[], str], kafka: Kafka, producer: Producer
) -> None:
    await topics.create_missing(kafka, [ERASURES])
    erased, other = back(), back()
    at = datetime(2026, 11, 23, tzinfo=UTC)
    await producer.send([encode(CandidateErasedV1(candidate=erased, at=at), source="signup", at=at)])
    assert [await rows.fetchval(_IS_THERE[service], one) for one in (erased, other)] == [True, True]
    process = ReadBacks(kafka, rows, [reconciled])
    await process.run()
    assert [await rows.fetchval(_IS_THERE[service], one) for one in (erased, other)] == [False, True]
    await process.ask()
    assert await process.run() == 0, "another service's topic is only read"
