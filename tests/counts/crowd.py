"""Makes tables large: with rows like those that are there, of other people, in whatever service's database."""

from collections.abc import Mapping, Sequence

import asyncpg

_TABLES = """
SELECT relname AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relispartition ORDER BY relname
"""
_COLUMNS = """
SELECT attname AS name, format_type(atttypid, NULL) AS type, EXISTS (
    SELECT FROM pg_index WHERE indrelid = attrelid AND indisunique AND attnum = ANY(indkey)) AS in_a_key
FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
ORDER BY attnum
"""
_ANOTHER = {
    "text": "CASE WHEN {column} ~ '^[0-9a-f]{{8}}-.{{27}}$' THEN md5({column} || copy)::uuid::text ELSE md5({column} || copy) END",
    "uuid": "md5({column}::text || copy)::uuid",
    "bytea": "decode(md5({column}::text || copy), 'hex')",
    "integer": "{column} + 1000000 * copy",
    "bigint": "{column} + 1000000 * copy",
}
"""By type, what stands for somebody else in a copy of a row."""
_NUMBERS = {"integer", "bigint"}
_READ = """
SELECT relname AS name, seq_tup_read + coalesce((
    SELECT sum(idx_tup_read) FROM pg_stat_user_indexes AS one WHERE one.relid = tables.relid), 0)::bigint AS rows
FROM pg_stat_user_tables AS tables WHERE schemaname = 'public'
"""


async def crowd(administrator: asyncpg.Connection, *, least: int, rows: int) -> Sequence[str]:
    """Each table with that many rows at least has so many then, and PostgreSQL knows nothing of them; which tables these are.

    What tells rows apart is another in each copy: a text, a uuid or a number of a key with so many values, not those that all have alike.
    """
    await administrator.execute("SET session_replication_role = replica")  # no trigger, no foreign key
    large = []
    for table in [row["name"] for row in await administrator.fetch(_TABLES)]:
        there = await administrator.fetchval(f"SELECT count(*) FROM {table}")
        if there < least:
            continue
        large.append(table)
        if there >= rows:
            continue
        columns = await administrator.fetch(_COLUMNS, table)
        copied = [await _copied(administrator, table, column, least) for column in columns]
        names = ", ".join(f'"{column["name"]}"' for column in columns)
        await administrator.execute(
            f"INSERT INTO {table} ({names}) SELECT {', '.join(copied)} FROM {table}, generate_series(1, $1::integer) AS copy",
            rows // there,
        )
    await administrator.execute("DELETE FROM pg_statistic WHERE starelid >= 16384")  # the first that is no catalog's
    return large


async def _copied(administrator: asyncpg.Connection, table: str, column: asyncpg.Record, least: int) -> str:
    name, another = f'"{column["name"]}"', _ANOTHER.get(column["type"])
    if another is None or (column["type"] in _NUMBERS and not column["in_a_key"]):
        return name
    differ = await administrator.fetchval(f"SELECT count(DISTINCT {name}) FROM {table}")
    return another.format(column=name) if differ >= least / 2 else name


async def rows_read(connection: asyncpg.Connection) -> Mapping[str, int]:
    """By table, how many of its rows (or of its indexes' entries) were read by anybody who has said so."""
    return {row["name"]: row["rows"] for row in await connection.fetch(_READ)}
