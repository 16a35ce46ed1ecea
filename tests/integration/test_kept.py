"""What a service keeps of people is declared, table by table, and an erasure leaves nothing of a person but what is declared to stay.

The databases are asked themselves: a table, or a column that could hold a candidate's id, that nobody spoke of fails here.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping

import asyncpg
import pytest

from services.consent.adapters.kept import PEOPLE as CONSENT
from services.consent.adapters.postgres import PostgresConsents
from services.outreach_gateway import handlers as gateway
from services.outreach_gateway.adapters.kept import PEOPLE as GATEWAY
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.adapters.postgres import PostgresOutreach
from services.pool_matching import handlers as matching
from services.pool_matching.adapters import occupations
from services.pool_matching.adapters.kept import PEOPLE as MATCHING
from services.pool_matching.adapters.pool_cache import PoolCache
from services.pool_matching.adapters.postgres_persons import PostgresPersons
from services.signup.adapters.erasures import PostgresErasures
from services.signup.adapters.kept import PEOPLE as SIGNUP
from services.signup.adapters.postgres import PostgresStore
from services.signup.courier.adapters.kept import PEOPLE as COURIER
from services.signup.courier.adapters.postgres import PostgresCourier
from services.signup.model.erasures import Sweep
from shared.contracts.registry import EVENTS
from shared.contracts.signup import CandidateErasedV1, CandidateReportedV1
from shared.contracts.topics import TOPICS, Topic
from shared.feed.ports import FeedWriter
from shared.feed.postgres import PostgresFeedWriter
from shared.messaging.envelope import Received, Record
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Connection, Pool
from shared.projections import PLUMBING, Blanks, Deletes, Follows, Kept, Projection, Stays, Table
from shared.ticks import Ticks
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.keeper import first_epoch, intake_keys
from tests.signing import SEALS, TICK_KEY

DECLARED: Mapping[str, tuple[Kept, ...]] = {
    "consent": (CONSENT, PLUMBING),
    "outreach_gateway": (GATEWAY, PLUMBING),
    "pool_matching": (MATCHING, PLUMBING),
    "signup": (SIGNUP, COURIER, PLUMBING),
}
ALL = (CONSENT, GATEWAY, MATCHING, SIGNUP, COURIER, PLUMBING)
TELLING = re.compile(r"candidate|person|principal|member_ref|waits_for|subject")
"""What a column is called that can hold the id of a candidate, or a name that is made of it."""
WHO, OTHER = "01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10", "01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e11"
PRINCIPALS = {WHO: "person_AAAAAAAAAAAAAAAAAAAAAA", OTHER: "person_BBBBBBBBBBBBBBBBBBBBBB"}
_COLUMNS = """
SELECT relname AS "table", attname AS name, format_type(atttypid, NULL) AS type, attnotnull, attidentity <> '' AS counts,
    (SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint
     WHERE conrelid = attrelid AND contype = 'c' AND conkey = ARRAY[attnum]) AS checks
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY relname, attnum
"""
_VALUES: Mapping[str, str] = {
    "text": "'x{n}'",
    "smallint": "1",
    "integer": "1",
    "bigint": "{n}",
    "boolean": "true",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "time without time zone": "time '08:00'",
    "interval": "interval '1 minute'",
    "bytea": "sha256('{n}')",
    "uuid": "gen_random_uuid()",
    "json": "'{{}}'",
    "jsonb": "'{{}}'",
    "xid8": "'1'",
    "text[]": "ARRAY['x']",
    "date[]": "ARRAY[DATE '2026-11-23']",
    "bigint[]": "ARRAY[0]",
    "integer[]": "ARRAY[0]",
}


async def _tables(connection: Connection) -> dict[str, list[asyncpg.Record]]:
    found: dict[str, list[asyncpg.Record]] = {}
    for column in await connection.fetch(_COLUMNS):
        found.setdefault(column["table"], []).append(column)
    return found


@pytest.mark.parametrize("service", DECLARED)
async def test_every_table_is_declared_with_how_it_ends_or_as_one_that_holds_nobody(
    service: str, databases: Databases
) -> None:
    async with databases.pool(*MIGRATIONS_OF[service]) as pool, pool.acquire() as connection:
        tables = await _tables(connection)
        spoken_of = frozenset[str]().union(*(kept.all for kept in DECLARED[service]))
        assert set(tables) - spoken_of == set(), f"say in {service}'s adapters/kept.py how a person ends in it"
        assert spoken_of - set(tables) == set(), "there is no such table any more"
        columns = {
            (table, column) for kept in DECLARED[service] for one in kept.tables for table, column in _named(one)
        }
        there = {(name, column["name"]) for name, several in tables.items() for column in several}
        assert columns - there == set()
        telling = {(table, column) for table, column in there if TELLING.search(column)}
        # a table's other columns that tell a person are erased with the row
        assert {table for table, _ in telling} - {table for table, _ in columns} == set()


def _named(table: Table) -> list[tuple[str, str]]:
    return [(table.name, column) for column in table.columns]


@pytest.mark.parametrize("kept", ALL, ids=lambda kept: kept.service)
def test_whatever_stays_says_why(kept: Kept) -> None:
    for table in kept.tables:
        match table.eraser:
            case Stays(why) | Follows(why) | Blanks(stays=why):
                assert len(why) > 10, table.name
            case Deletes():
                pass


def test_nothing_is_declared_with_an_eraser_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no statement forget_them"):
        Kept("some", (Table("some", ("candidate",), Deletes("forget_them")),), {}, nobody={})


@pytest.mark.parametrize("kept", ALL, ids=lambda kept: kept.service)
def test_what_writes_a_copy_of_anothers_facts_passes_by_whatever_is_older(kept: Kept) -> None:
    for table in kept.tables:
        if isinstance(table, Projection):
            guard = rf"WHERE[^;]*\b{table.version} < (excluded\.{table.version}|new\.version)"
            assert re.search(guard, kept.queries[table.statement]), f"{table.name}: {table.statement}"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_forgets_by_age_or_says_what_it_says_of_the_erased(topic: Topic) -> None:
    names_people = any("candidate" in event.model_fields for event in EVENTS.values() if event.TOPIC is topic)
    if topic.kept is None and names_people:
        assert topic.erased, f"say in shared/contracts/topics.py what {topic.name} says of whoever was erased"
    else:
        assert topic.erased is None


def test_the_keys_of_redis_are_those_that_are_declared() -> None:
    assert [keys.pattern for keys in GATEWAY.keys] == ["fp:{s<shard>}:<candidate>"]
    assert [kept.service for kept in ALL if kept.keys] == ["outreach_gateway"], "only the gateway has a Redis"


# --- erasing somebody who is everywhere


async def _be_everywhere(connection: Connection, service: str, who: str, number: int) -> None:
    """A row of this person in every declared table, whatever it takes; rows that others name come first."""
    tables = await _tables(connection)
    columns = {pair for kept in DECLARED[service] for one in kept.tables for pair in _named(one)}
    waiting = [name for name in tables if name not in {*PLUMBING.all, "epoch", "pool_changes"}]
    for _ in range(len(waiting)):
        missing = []
        for table in waiting:
            values = {
                column["name"]: _value(column, who, number, is_person=(table, column["name"]) in columns)
                for column in tables[table]
            }
            names = ", ".join(f'"{name}"' for name in values)
            try:
                async with connection.transaction():
                    await connection.execute(
                        f'INSERT INTO "{table}" ({names}) OVERRIDING SYSTEM VALUE VALUES ({", ".join(values.values())})'
                        " ON CONFLICT DO NOTHING"
                    )
            except asyncpg.ForeignKeyViolationError:
                missing.append(table)
        waiting = missing
    assert waiting == []


def _value(column: asyncpg.Record, who: str, number: int, *, is_person: bool) -> str:
    name, type_ = column["name"], column["type"]
    if name == "principal" or (column["table"], name) == ("ledger", "candidate"):
        return f"'{PRINCIPALS[who]}'"
    if is_person and type_ in ("text", "uuid"):
        return f"'{who}'"
    if name in ("closed_at", "confirmed_at", "previous", "quiet_start", "quiet_end"):
        return "NULL"
    if name in ("lapse_reason", "lapse_asked_at", "lapsed_at"):
        return {"lapse_reason": "'deleted'"}.get(name, "now()")
    words = re.findall(r"'([^']+)'::text", column["checks"] or "")
    if words and type_ == "text[]":
        return f"ARRAY['{words[0]}']"
    if words:
        return f"'{words[-1]}'"
    if name in ("version", "changes", "event", "service"):
        return {"version": "1", "changes": "'[]'", "service": "'courier'"}.get(name, f"'{_REPORTED.model_dump_json()}'")
    return _VALUES[type_].format(n=number)


_REPORTED = CandidateReportedV1(
    vendor="ven_a", record="1", change="deleted", reported_at=NOON, intake_key=NOON.date(), sealed=""
)
Erase = Callable[[Unit], Awaitable[object]]


def _heard() -> Received[CandidateErasedV1]:
    return Received(
        "e", "/fairpool/signup", NOON, CandidateErasedV1(candidate=WHO, at=NOON), Record("t", 0, 0, None, None, ())
    )


def _feed(unit: Unit) -> FeedWriter:
    return PostgresFeedWriter(unit, "outreach", lambda: None)


async def _by_consent(unit: Unit) -> None:
    await PostgresConsents(unit, SEALS).close([WHO])


async def _by_the_gateway(unit: Unit) -> None:
    await gateway.on_candidate_erased(
        PostgresOutreach(unit, read_policy("2026-12"), _feed, Ticks(TICK_KEY)), [_heard()]
    )


async def _by_matching(unit: Unit) -> None:
    store = PostgresPersons(unit, PoolCache(), occupations.load(), b"key")
    await matching.on_candidates_erased(store, [_heard()], lambda *of: "m_x")


async def _by_signup(unit: Unit) -> None:
    store = PostgresStore(unit, intake_keys())
    assert await store.erase_lapsed([WHO]) == [WHO]
    await store.release(limit=10)
    await PostgresCourier(unit, first_epoch()).erase([WHO])
    services = ("consent", "courier", "outreach_gateway", "pool_matching")
    await PostgresErasures(unit).swept([(WHO, Sweep(service, NOON, ())) for service in services])


ERASERS: Mapping[str, Erase] = {
    "consent": _by_consent,
    "outreach_gateway": _by_the_gateway,
    "pool_matching": _by_matching,
    "signup": _by_signup,
}


async def _standing(pool: Pool, *texts: str) -> set[str]:
    """Every table in which one of these stands, in whichever column, as text or as bytes."""
    found = set()
    for (table,) in await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        wanted = "|".join(f"{text}|{text.encode().hex()}" for text in texts)
        if await pool.fetchval(f'SELECT EXISTS (SELECT FROM "{table}" AS held WHERE held::text ~ $1)', wanted):
            found.add(table)
    return found


@pytest.mark.parametrize("service", DECLARED)
async def test_of_somebody_who_is_everywhere_an_erasure_leaves_what_is_declared_to_stay_alone(
    service: str, databases: Databases
) -> None:
    async with databases.pool(*MIGRATIONS_OF[service]) as pool:
        async with pool.acquire() as connection:
            for number, who in enumerate((WHO, OTHER), 1):
                await _be_everywhere(connection, service, who, number)
        declared = {table.name: table for kept in DECLARED[service] if kept is not PLUMBING for table in kept.tables}
        on_their_way = {"rotations", "erasures_outstanding", "ledger_openings", "receipts", "ledger"}
        before = await _standing(pool, WHO)
        assert declared.keys() - on_their_way - before == set(), "they were everywhere"
        for _ in range(2):  # once more changes nothing
            async with unit_of_work(pool, at=NOON, source=service) as unit:
                if service == "signup" and "candidates" not in before:
                    await PostgresCourier(unit, first_epoch()).erase([WHO])
                else:
                    await ERASERS[service](unit)
            before -= {"candidates"}
        stays = {name for name, table in declared.items() if isinstance(table.eraser, Stays | Blanks)}
        assert await _standing(pool, WHO) - {"outbox"} == stays - {"ledger"}
        told = await pool.fetch(
            "SELECT key, value FROM outbox WHERE value LIKE '%fairpool.erasure.swept.v1%' OR headers::text LIKE '%erasure.swept%'"
        )
        assert {row["key"] for row in told} == {WHO.encode()}
        sweeper = COURIER if service == "signup" else DECLARED[service][0]
        declared_places = {table.name for table in sweeper.tables} | {keys.pattern for keys in sweeper.keys}
        for row in told:
            assert {one["store"] for one in json.loads(row["value"])["stores"]} == declared_places
        assert await _standing(pool, OTHER) >= declared.keys() - on_their_way, "nobody else's rows went"


async def test_nothing_ties_the_ledger_to_whoever_was_erased(databases: Databases) -> None:
    async with databases.pool(*MIGRATIONS_OF["consent"]) as pool:
        async with pool.acquire() as connection:
            for number, who in enumerate((WHO, OTHER), 1):
                await _be_everywhere(connection, "consent", who, number)
        assert await _standing(pool, PRINCIPALS[WHO]) == {"consents", "ledger"}
        async with unit_of_work(pool, at=NOON, source="consent") as unit:
            await _by_consent(unit)
        assert await _standing(pool, PRINCIPALS[WHO]) == {"ledger"}
        assert await pool.fetchval("SELECT count(*) FROM receipts") == 1
        assert await pool.fetchval("SELECT count(*) FROM ledger_openings") == 1
        assert await pool.fetchval("SELECT count(*) FROM ledger") == 2
