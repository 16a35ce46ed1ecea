"""Stored people for the back-fill: a few thousand kinds of `matching_data`, each many times, filled in by SQL."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import asyncpg

from services.pool_matching.decisions import findable, matches
from services.pool_matching.model import Consent, Person, Pool
from shared.contracts.pool_matching import Criteria
from shared.contracts.signup import CoarseProfile
from shared.facts import Known
from tests.bench import matching_data as data

KINDS = 5_000
_AT_ONCE = 50_000
_FIRST = 1_735_689_600_000
"""Milliseconds since 1970 at which the first person came."""
_TABLE = "CREATE TABLE kinds (kind integer PRIMARY KEY, profile jsonb, reach text[], state text, consent jsonb)"
_FILL = """
INSERT INTO persons (candidate, profile_version, profile, reach, state, consent_version, consent)
SELECT (lpad(to_hex($4::bigint + i * 1000), 12, '0') || '7' || substr(md5(i::text), 1, 3) || 'a' || substr(md5(i::text), 4, 15))::uuid::text,
    1, profile, reach, state, 1, consent
FROM generate_series($1::integer, $2) AS i JOIN kinds ON kind = i % $3 ORDER BY i
"""
"""As `new_candidate_id` makes ids: they rise with time. One person a second."""


async def fill(connection: "asyncpg.Connection[asyncpg.Record]", count: int, tell: Callable[[str], None]) -> None:
    """So many people, long since as they are."""
    people = data.people(KINDS)
    await connection.execute(_TABLE)
    await connection.copy_records_to_table("kinds", records=[_row(kind, one) for kind, one in enumerate(people)])
    for first in range(1, count + 1, _AT_ONCE):
        last = min(first + _AT_ONCE - 1, count)
        await connection.execute(_FILL, first, last, KINDS, _FIRST)
        tell(f"{last:,} of {count:,} people are there")
    await connection.execute("VACUUM (ANALYZE, FREEZE) persons")


def place_of(candidate: str) -> int:
    """Which of those who were filled in it is, counted from one; none for no id."""
    return max(0, (int(candidate[:8] + candidate[9:13], 16) - _FIRST) // 1000) if candidate else 0


def broad() -> Criteria:
    """Major groups of which about one in ten fits."""
    people, asked, found = data.people(KINDS), list[str](), 0
    majors = sorted({f"{code[:2]}-0000" for one in people for code in one.lineages})
    for major in majors:
        of_it = _fitting(people, Criteria(occupations=(*asked, major)))
        if found < of_it <= KINDS * 0.11:
            asked, found = [*asked, major], of_it
    return Criteria(occupations=tuple(asked))


def narrow() -> Criteria:
    """One occupation in one state with a skill, which one kind of people fits."""
    people = data.people(KINDS)
    for person in people:
        halves = findable(person, data.AT)
        if halves is None or halves[0].state is None or not person.lineages:
            continue
        asked = Criteria(
            occupations=(min(person.lineages),), states=(halves[0].state,), skills_all=tuple(sorted(person.skills)[:2])
        )
        if _fitting(people, asked) == 1:
            return asked
    raise LookupError("each kind is like another")


async def plainly(connection: "asyncpg.Connection[asyncpg.Record]", pool: Pool, *, chunk: int = 500) -> set[str]:
    """The naive loop: everybody is read, held against the pool by the rules one by one, and who fits is written, a chunk at a time."""
    await connection.execute(
        "DROP TABLE IF EXISTS bare_members; CREATE TABLE bare_members (candidate text PRIMARY KEY, at timestamptz)"
    )
    found: set[str] = set()
    after, now = "", datetime.now(UTC)
    while rows := await connection.fetch(
        "SELECT candidate, profile, consent FROM persons WHERE candidate > $1 ORDER BY candidate LIMIT $2", after, chunk
    ):
        fits = [row["candidate"] for row in rows if matches(_person(row), pool, now)]
        await connection.execute("INSERT INTO bare_members SELECT unnest($1::text[]), $2", fits, now)
        found.update(fits)
        after = rows[-1]["candidate"]
    return found


def _fitting(people: Sequence[Person], asked: Criteria) -> int:
    pool = Pool("p", "emp_bench", 1, "", asked)
    return sum(matches(one, pool, data.AT) for one in people)


def _person(row: asyncpg.Record) -> Person:
    profile, consent = CoarseProfile.model_validate_json(row["profile"]), Consent.model_validate_json(row["consent"])
    return Person.of(row["candidate"], Known(profile), Known(consent), data.SOC)


def _row(kind: int, person: Person) -> tuple[int, str, list[str], str | None, str]:
    halves = findable(person, data.AT)
    assert halves is not None
    profile, consent = halves
    reach = sorted(frozenset[str]().union(*person.lineages.values()))
    return (
        kind,
        json.dumps(profile.model_dump(mode="json")),
        reach,
        profile.state,
        json.dumps(consent.model_dump(mode="json")),
    )
