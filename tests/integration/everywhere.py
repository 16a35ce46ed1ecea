"""Somebody who is in every table that a service declares, and what erases them there."""

import re
from collections.abc import Awaitable, Callable, Mapping

import asyncpg

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
from shared.contracts.signup import CandidateErasedV1, CandidateReportedV1
from shared.feed.ports import FeedWriter
from shared.feed.postgres import PostgresFeedWriter
from shared.messaging.envelope import Received, Record
from shared.messaging.unit import Unit
from shared.postgres.pool import Connection, Pool
from shared.projections import PLUMBING, Kept, Table
from shared.ticks import Ticks
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


async def tables_of(connection: Connection) -> dict[str, list[asyncpg.Record]]:
    found: dict[str, list[asyncpg.Record]] = {}
    for column in await connection.fetch(_COLUMNS):
        found.setdefault(column["table"], []).append(column)
    return found


def named(table: Table) -> list[tuple[str, str]]:
    return [(table.name, column) for column in table.columns]


async def be_everywhere(connection: Connection, service: str, who: str, number: int) -> None:
    """A row of this person in every declared table, whatever it takes; rows that others name come first."""
    tables = await tables_of(connection)
    columns = {pair for kept in DECLARED[service] for one in kept.tables for pair in named(one)}
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


def heard() -> Received[CandidateErasedV1]:
    return Received(
        "e", "/fairpool/signup", NOON, CandidateErasedV1(candidate=WHO, at=NOON), Record("t", 0, 0, None, None, ())
    )


def _feed(unit: Unit) -> FeedWriter:
    return PostgresFeedWriter(unit, "outreach", lambda: None)


async def by_consent(unit: Unit) -> None:
    await PostgresConsents(unit, SEALS).close([WHO])


async def _by_the_gateway(unit: Unit) -> None:
    await gateway.on_candidate_erased(PostgresOutreach(unit, read_policy("2026-12"), _feed, Ticks(TICK_KEY)), [heard()])


async def _by_matching(unit: Unit) -> None:
    store = PostgresPersons(unit, PoolCache(), occupations.load(), b"key")
    await matching.on_candidates_erased(store, [heard()], lambda *of: "m_x")


async def _by_signup(unit: Unit) -> None:
    store = PostgresStore(unit, intake_keys())
    assert await store.erase_lapsed([WHO]) == [WHO]
    await store.release(limit=10)
    await PostgresCourier(unit, first_epoch()).erase([WHO])
    services = ("consent", "courier", "outreach_gateway", "pool_matching")
    await PostgresErasures(unit).swept([(WHO, Sweep(service, NOON, ())) for service in services])


ERASERS: Mapping[str, Erase] = {
    "consent": by_consent,
    "outreach_gateway": _by_the_gateway,
    "pool_matching": _by_matching,
    "signup": _by_signup,
}


async def standing(pool: Pool, *texts: str) -> set[str]:
    """Every table in which one of these stands, in whichever column, as text or as bytes."""
    found = set()
    for (table,) in await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        wanted = "|".join(f"{text}|{text.encode().hex()}" for text in texts)
        if await pool.fetchval(f'SELECT EXISTS (SELECT FROM "{table}" AS held WHERE held::text ~ $1)', wanted):
            found.add(table)
    return found
