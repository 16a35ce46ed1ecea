"""No statement reads the whole of a table that grows: each is planned by PostgreSQL as if reading a whole table cost the earth."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import shared.messaging
import shared.runner
from shared.postgres.migrate import migrate
from shared.postgres.pool import Connection, open_pool
from shared.postgres.queries import load
from tests.conftest import unique
from tests.databases import MIGRATIONS_OF
from tests.stack import Servers

SERVICES = Path(__file__).parents[2] / "services"
PLUMBING = Path(shared.messaging.__file__).parent
RUNNER = Path(shared.runner.__file__).parent
FEED = PLUMBING.parent / "feed"
BOUNDED = {
    "feeds": "one row a feed",
    "changes_forgotten": "one row an employer",
    "courier_consent_positions": "one row a partition",
    "courier_instances": "one row a courier",
    "epochs": "one row a shard; in signup, a rotation",
    "intake_keys": "one row a day, for fifteen days",
    "pool_changes": "one row",
    "sources": "one row a source, which an operator makes",
    "title_files": "one row a file, which an operator loads",
}
"""Tables that stay small, whatever people and employers do."""
QUEUES = {
    "evaluations_of_employer": "pools that wait",
    "courier_mails_in_hand": "mails that a courier is busy with",
}
"""Partial indexes that hold what waits alone: to read such an index from its beginning is to take from a queue."""
KNOWN = {
    "shared/runner/queries.sql: piles": "what was set aside alone, which an operator looks through",
}
"""Statements that may, with the reason."""

FEW = {
    "services/outreach_gateway/adapters/jobs.sql: delete_job": "one row",
    "services/pool_matching/adapters/listings.sql: drop_listing": "one row",
    "services/signup/adapters/email_changes.sql: end_change": "one row",
    "services/signup/adapters/email_changes.sql: end_due_change": "one row",
    "services/signup/adapters/proposals.sql: deny": "one row",
    "services/signup/adapters/queries.sql: forget_intake_keys": "one row a day",
    "services/signup/adapters/queries.sql: delete_source": "one row",
    "services/signup/adapters/rotation.sql: end_epochs": "one row a rotation",
    "services/signup/adapters/titles/queries.sql: forget_file": "one row",
    "services/signup/courier/adapters/queries.sql: leave": "one row",
    "shared/messaging/read_back.sql: forget_noted": "one row",
    "services/signup/courier/adapters/queries.sql: forget_instances": "one row a courier",
}
"""Statements that delete few rows by nature."""

Plan = dict[str, Any]


def statements(service: str) -> Mapping[str, str]:
    files = [file for file in (SERVICES / service).rglob("*.sql") if file.parent.name != "migrations"]
    if service == "consent":  # of what all have, one is enough
        files += sorted([*PLUMBING.glob("*.sql"), *RUNNER.glob("*.sql"), *FEED.glob("*.sql")])
    return {f"{file.relative_to(SERVICES.parent)}: {name}": text for file in files for name, text in load(file).items()}


def nodes(plan: Plan, above: tuple[Plan, ...] = ()) -> Iterator[tuple[Plan, tuple[Plan, ...]]]:
    yield plan, above
    for child in plan.get("Plans", ()):
        yield from nodes(child, (*above, plan))


def faults(plan: Plan, tables: frozenset[str]) -> Iterator[str]:
    """What a plan reads whole."""
    for node, above in nodes(plan):
        table, index = node.get("Relation Name"), node.get("Index Name", "")
        if table not in tables or table in BOUNDED or index in QUEUES:
            continue
        if node["Node Type"] == "Seq Scan":
            yield f"reads all of {table}"
        is_paged = any(one["Node Type"] == "Limit" for one in above)
        if "Index" in node["Node Type"] and "Index Cond" not in node and not is_paged:
            yield f"reads all of {index}"


_LOOSEN = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT conrelid::regclass AS of_table, conname FROM pg_constraint
        WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace ORDER BY contype DESC LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.of_table, one.conname);
    END LOOP;
END $$
"""
_COLUMNS = """
SELECT relname, attname, format_type(atttypid, NULL) AS type, attnotnull,
    (SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint
     WHERE conrelid = attrelid AND contype = 'c' AND conkey = ARRAY[attnum]) AS checks
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY relname, attnum
"""
_VALUES = {
    "text": "'x' || i",
    "smallint": "i % 1000",
    "integer": "i",
    "bigint": "i",
    "boolean": "i % 50 = 0",
    "timestamp with time zone": "now() - i * interval '1 minute'",
    "date": "current_date - i",
    "time without time zone": "time '08:00'",
    "interval": "i * interval '1 minute'",
    "bytea": "sha256(i::text::bytea)",
    "uuid": "gen_random_uuid()",
    "json": "'{}'::json",
    "jsonb": "'{}'::jsonb",
    "xid8": "i::text::xid8",
    "text[]": "ARRAY['x' || i]",
    "date[]": "ARRAY[DATE '2026-01-01' + i % 300]",
    "bigint[]": "ARRAY[i]",
    "integer[]": "ARRAY[i]",
    "uuid[]": "ARRAY[gen_random_uuid()]",
    "bytea[]": "ARRAY[sha256(i::text::bytea)]",
}
_ROWS = 1000


def value(column: asyncpg.Record) -> str:
    """A value of the column's type, another in each row; one of its own words where a check lists them, and some nulls."""
    words = re.findall(r"'([^']+)'::text", column["checks"] or "")
    if words and column["type"] == "text":
        listed = ", ".join(f"'{word}'" for word in words)
        found = f"(ARRAY[{listed}])[1 + i % {len(words)}]"
    else:
        found = _VALUES[column["type"]]
    return found if column["attnotnull"] else f"CASE WHEN i % 3 > 0 THEN {found} END"


async def fill(connection: Connection) -> frozenset[str]:
    """Rows in every table that grows; their names."""
    tables: dict[str, list[asyncpg.Record]] = {}
    for column in await connection.fetch(_COLUMNS):
        if column["relname"] not in BOUNDED and column["relname"] != "migrations":
            tables.setdefault(column["relname"], []).append(column)
    await connection.execute(_LOOSEN)
    for table, columns in tables.items():
        names = ", ".join(f'"{column["attname"]}"' for column in columns)
        values = ", ".join(value(column) for column in columns)
        await connection.execute(
            f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE "
            f"SELECT {values} FROM generate_series(1, {_ROWS}) AS i ON CONFLICT DO NOTHING"
        )
    await connection.execute(load(PLUMBING / "read_back.sql")["begin_page"].replace("ON COMMIT DROP", ""))
    await connection.execute(
        "INSERT INTO read_back (key, version) SELECT 'x' || i, i FROM generate_series(1, 1000) AS i; ANALYZE"
    )
    return frozenset(tables)


async def plan_of(connection: Connection, place: int, statement: str) -> Plan:
    """As for any values of its parameters."""
    name = f"looked_at_{place}"
    await connection.execute(f"PREPARE {name} AS {statement}")
    parameters = await connection.fetchval(
        "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = $1", name
    )
    values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
    (row,) = await connection.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE {name}{values}")
    plan: Plan = json.loads(row[0])[0]["Plan"]
    return plan


def _as_owner(servers: Servers, dsn: str) -> str:
    """Of everything in the database."""
    return f"{servers.postgres.rpartition('/')[0]}/{dsn.rpartition('/')[2]}"


@pytest.mark.parametrize("service", MIGRATIONS_OF)
async def test_no_statement_reads_the_whole_of_a_table_that_grows(service: str, servers: Servers) -> None:
    dsn = await servers.create_database(unique("plans"))
    async with await open_pool(dsn, name="test") as pool:
        await migrate(pool, *MIGRATIONS_OF[service])
    connection = await asyncpg.connect(_as_owner(servers, dsn))
    try:
        tables = await fill(connection)
        await connection.execute(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
            "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET random_page_cost = 0; SET jit = off"
        )
        found, known = {}, set()
        for place, (name, statement) in enumerate(statements(service).items()):
            if statement.startswith(("CREATE TEMPORARY", "LOCK", "SET LOCAL")):
                continue
            wrong = sorted(set(faults(await plan_of(connection, place, statement), tables)))
            if wrong and name in KNOWN:
                known.add(name)
            elif wrong:
                found[name] = wrong
        assert found == {}
        assert known == KNOWN.keys() & statements(service).keys(), "what is in order needs no reason"
    finally:
        await connection.close()


_GROW = """
DO $$
DECLARE one regclass;
BEGIN
    FOR one IN SELECT oid FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN of_the_next_release text', one);
    END LOOP;
END $$
"""


@pytest.mark.parametrize("service", MIGRATIONS_OF)
async def test_no_answer_changes_where_a_release_adds_a_column_beside_the_one_before(
    service: str, servers: Servers
) -> None:
    """Else PostgreSQL refuses each statement that a connection had prepared, once, in the middle of a transaction."""
    dsn = await servers.create_database(unique("columns"))
    async with await open_pool(dsn, name="test") as pool:
        await migrate(pool, *MIGRATIONS_OF[service])

        async def answers() -> Mapping[str, list[str]]:
            async with pool.acquire() as connection:
                await connection.execute(load(PLUMBING / "read_back.sql")["begin_page"].replace("ON COMMIT DROP", ""))
                return {
                    name: [column.name for column in (await connection.prepare(text)).get_attributes()]
                    for name, text in statements(service).items()
                }

        before = await answers()
        owner = await asyncpg.connect(_as_owner(servers, dsn))
        await owner.execute(_GROW)
        await owner.close()
        await pool.expire_connections()
        assert await answers() == before


def test_what_is_deleted_is_bounded() -> None:
    """By a limit, or by the keys that are given: what takes longer than a statement may would never succeed again."""
    for service in MIGRATIONS_OF:
        for name, statement in statements(service).items():
            if "DELETE FROM" in statement and name not in FEW:
                assert re.search(r"LIMIT|= ANY\(|unnest\(", statement), name


def test_no_column_is_cast_to_be_compared_with_a_list() -> None:
    """`column::text = ANY(...)` can't use the column's index: the list is cast."""
    for file in sorted([*SERVICES.rglob("*.sql"), *RUNNER.rglob("*.sql"), *PLUMBING.rglob("*.sql")]):
        assert not re.search(r"\w::\w+\s*=\s*ANY", file.read_text(encoding="utf-8")), file
