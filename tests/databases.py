"""Databases that tests borrow: migrated once in a session, as new each time they are lent."""

import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from deploy.local import postgres
from shared.postgres.migrate import PLUMBING, migrate
from shared.postgres.pool import Pool, open_pool
from tests.stack import Servers

_SERVICES = Path(__file__).parents[1] / "services"
MIGRATIONS_OF = {
    name: (PLUMBING, _SERVICES / name / "migrations")
    for name in ("signup", "consent", "pool_matching", "outreach_gateway")
}
"""By service, what its database is made of."""

_REMEMBER = """
CREATE SCHEMA as_new;
CREATE TABLE as_new.sequences AS
    SELECT format('public.%I', sequencename)::regclass AS name, last_value
    FROM pg_sequences WHERE schemaname = 'public';
DO $$
DECLARE one record; filled boolean;
BEGIN
    CREATE TABLE as_new.tables (name text PRIMARY KEY, has_rows boolean NOT NULL);
    FOR one IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', one.name) INTO filled;
        INSERT INTO as_new.tables VALUES (one.name, filled);
        IF filled THEN
            EXECUTE format('CREATE TABLE as_new.%I AS TABLE public.%I', 'rows_of_' || one.name, one.name);
        END IF;
    END LOOP;
END $$;
"""
_ALONE = """
SET lock_timeout = '20s';
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
"""
_FORGET_ALL = f"""
{_ALONE}
DROP SCHEMA public CASCADE;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
"""
_FORGET = f"""
{_ALONE}
SET session_replication_role = replica; -- also a ledger that only grows begins anew
DO $$
DECLARE one record; filled boolean;
BEGIN
    FOR one IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename LOOP
        IF NOT EXISTS (SELECT FROM as_new.tables WHERE name = one.name) THEN
            EXECUTE format('DROP TABLE IF EXISTS public.%I CASCADE', one.name); -- a partition went with its table
        ELSE
            EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', one.name) INTO filled;
            IF filled THEN
                EXECUTE format('TRUNCATE public.%I CASCADE', one.name);
            END IF;
        END IF;
    END LOOP;
    FOR one IN SELECT name FROM as_new.tables WHERE has_rows LOOP
        EXECUTE format('INSERT INTO public.%I OVERRIDING SYSTEM VALUE TABLE as_new.%I', one.name, 'rows_of_' || one.name);
    END LOOP;
END $$;
SELECT setval(name, coalesce(last_value, 1), last_value IS NOT NULL) FROM as_new.sequences;
"""


class Databases:
    """The databases of one server, by the migrations they were made with.

    A database that comes back is emptied before it is lent again: its rows are those that the migrations left, its
    sequences begin anew, tables that a test made are gone, and so are the connections that a test left open. Whoever
    changes what the migrations made takes a database of their own (`Servers.create_database`).
    """

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._free: dict[tuple[Path, ...], list[str]] = defaultdict(list)

    @asynccontextmanager
    async def lent(self, *migrations: Path) -> AsyncIterator[str]:
        """The DSN of a database with these migrations, or with nothing in it, for the time of the block."""
        free = self._free[migrations]
        if free:
            dsn = free.pop()
            await self._administer(dsn, _FORGET if migrations else _FORGET_ALL)
            if not migrations:
                await postgres.own(self._of_administrator(dsn))
        else:
            dsn = await self._make(migrations)
        yield dsn
        free.append(dsn)

    @asynccontextmanager
    async def pool(self, *migrations: Path) -> AsyncIterator[Pool]:
        """A pool to a database with these migrations, for the time of the block."""
        async with self.lent(*migrations) as dsn:
            opened = await open_pool(dsn, name="test")
            yield opened
            await opened.close()

    async def _make(self, migrations: tuple[Path, ...]) -> str:
        dsn = await self._servers.create_database(f"lent_{secrets.token_hex(4)}")
        if migrations:
            async with await open_pool(dsn, name="migrations", connections=1) as pool:
                await migrate(pool, *migrations)
            await self._administer(dsn, _REMEMBER)
        return dsn

    async def _administer(self, dsn: str, statements: str) -> None:
        connection = await asyncpg.connect(self._of_administrator(dsn))
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    def _of_administrator(self, dsn: str) -> str:
        return f"{self._servers.postgres.rpartition('/')[0]}/{dsn.rpartition('/')[2]}"
