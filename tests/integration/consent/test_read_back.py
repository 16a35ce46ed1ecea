"""A topic that is ahead of what consent knows: a no is said again above it, and nothing else is written over."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from services.consent.adapters.postgres import consents_behind
from shared.contracts.bounds import LARGEST_INTEGER
from shared.contracts.consent import ConsentChangedV2
from shared.ids import new_candidate_id
from shared.messaging.passes import SQL
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF, Databases
from tests.signing import SEALS

AT = datetime(2026, 11, 22, tzinfo=UTC)
_ROW = """
    INSERT INTO consents (candidate, principal, version, leaf, changed_at, purposes)
    VALUES ($1::text, 'person-of-' || $1::text, $2::bigint, CASE WHEN $2 > 0 THEN '\\x01'::bytea END, CASE WHEN $2 > 0 THEN $3::timestamptz END, $4)
"""


@pytest.fixture
async def rows(databases: Databases) -> AsyncIterator[Pool]:
    """Consent's database."""
    async with databases.pool(*MIGRATIONS_OF["consent"]) as opened:
        yield opened


async def person(rows: Pool, version: int, *purposes: str) -> str:
    candidate = new_candidate_id()
    await rows.execute(_ROW, candidate, version, AT, purposes)
    return candidate


async def looked_at(rows: Pool, topic: dict[str, int]) -> tuple[int, Sequence[tuple[str, int]]]:
    """How many are ahead, as consent counts them, and what leaves: whose no, of which version."""
    async with unit_of_work(rows, at=AT, source="consent") as unit:
        await unit.connection.execute(SQL["begin_page"])
        await unit.connection.executemany("INSERT INTO pg_temp.read_back (key, version) VALUES ($1, $2)", topic.items())
        found = await consents_behind(SEALS, without_statement=False).ahead(unit)
    sent = await rows.fetch("SELECT value FROM outbox ORDER BY id")
    events = [ConsentChangedV2.model_validate_json(row["value"]).opened(SEALS) for row in sent]
    assert not [event for event in events if event.purposes]
    return found, [(event.candidate, event.version) for event in events]


async def test_a_no_that_the_topic_is_ahead_of_is_said_again_above_it_and_is_counted(rows: Pool) -> None:
    no, outdated = await person(rows, 2), await person(rows, 3)
    found, said = await looked_at(rows, {no: 7, outdated: -9})
    assert (found, sorted(said)) == (2, sorted([(no, 8), (outdated, 10)]))
    assert await rows.fetchval("SELECT version FROM consents WHERE candidate = $1", no) == 8
    assert (await looked_at(rows, {no: 8, outdated: 10}))[0] == 0, "with that the topic is as its rows"


async def test_what_consent_can_not_know_better_is_counted_and_left_alone(rows: Pool) -> None:
    """A yes, since a no may be what was lost; whoever never answered; what has no row; and the last version there can be."""
    yes, silent, last = await person(rows, 2, "match"), await person(rows, 0), await person(rows, 2)
    level = await person(rows, 4)
    topic = {yes: 7, silent: 7, last: LARGEST_INTEGER, level: 4, new_candidate_id(): 1}
    assert await looked_at(rows, topic) == (4, [])
    assert await rows.fetchval("SELECT version FROM consents WHERE candidate = $1", yes) == 2
