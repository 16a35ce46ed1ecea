"""Migrations are applied once, in order, by one process at a time, each file whole or not at all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from shared.backoff import Backoff
from shared.messaging.errors import FatalError
from shared.postgres import migrate as migrate_module
from shared.postgres import pool as pool_module
from shared.postgres.migrate import PLUMBING, migrate, must_be_applied
from shared.postgres.pool import Pool, open_pool
from tests.waiting import others_run, until_held_up


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return ()


@pytest.fixture
async def empty(database: str) -> AsyncIterator[Pool]:
    """A pool to a database with nothing in it."""
    pool = await open_pool(database, name="test")
    yield pool
    await pool.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service's migrations: the second needs the first, and none can be applied twice."""
    made = tmp_path / "some_service" / "migrations"
    made.mkdir(parents=True)
    (made / "0001_people.sql").write_text("CREATE TABLE people (id int); INSERT INTO people VALUES (1);")
    (made / "0002_more_people.sql").write_text("INSERT INTO people VALUES (2);")
    (made / "README.md").write_text("no migration")
    return made


async def _people(pool: Pool) -> list[int]:
    return [row["id"] for row in await pool.fetch("SELECT id FROM people ORDER BY id")]


async def _applied(pool: Pool) -> list[str]:
    return [row["name"] for row in await pool.fetch("SELECT name FROM migrations ORDER BY name")]


async def test_migrating_twice_applies_each_file_once(empty: Pool, folder: Path) -> None:
    for _ in range(2):
        await migrate(empty, PLUMBING, folder)
    assert await _people(empty) == [1, 2]
    assert await _applied(empty) == [
        *(f"postgres/{file.name}" for file in sorted(PLUMBING.glob("*.sql"))),
        "some_service/0001_people.sql",
        "some_service/0002_more_people.sql",
    ]


async def test_two_processes_at_once_apply_each_file_once(empty: Pool, folder: Path, database: str) -> None:
    other = await open_pool(database, name="other")
    try:
        await asyncio.gather(*(migrate(pool, PLUMBING, folder) for pool in (empty, other) * 4))
    finally:
        await other.close()
    assert await _people(empty) == [1, 2]


async def test_a_file_that_came_later_is_applied_alone(empty: Pool, folder: Path) -> None:
    await migrate(empty, folder)
    (folder / "0003_last.sql").write_text("INSERT INTO people VALUES (3);")
    await migrate(empty, folder)
    assert await _people(empty) == [1, 2, 3]


async def test_a_broken_file_leaves_nothing_of_itself_behind_and_those_before_it_stay(
    empty: Pool, folder: Path
) -> None:
    broken = folder / "0003_broken.sql"
    broken.write_text("INSERT INTO people VALUES (3); SELECT * FROM nowhere;")
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrate(empty, PLUMBING, folder)
    assert await _people(empty) == [1, 2]
    broken.write_text("INSERT INTO people VALUES (4);")
    await migrate(empty, PLUMBING, folder)
    assert await _people(empty) == [1, 2, 4]


async def test_a_file_may_take_longer_than_a_statement_and_the_others_wait_for_it(
    folder: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_ANSWER_WITHIN", timedelta(milliseconds=200))
    (folder / "0003_large.sql").write_text("SELECT pg_sleep(0.6); INSERT INTO people VALUES (3);")
    pools = [await open_pool(database, name=name) for name in ("one", "other")]
    try:
        await asyncio.gather(*(migrate(pool, folder) for pool in pools))
        assert await _people(pools[0]) == [1, 2, 3]
    finally:
        for pool in pools:
            await pool.close()


async def test_a_table_that_is_in_use_is_let_go_and_asked_for_again(
    empty: Pool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = asyncio.Event()

    class Noted(Backoff):
        async def wait(self) -> None:
            let_go.set()
            await others_run()

    monkeypatch.setattr(migrate_module, "_LOCK_WITHIN", "50ms")
    monkeypatch.setattr(migrate_module, "_TRIES", 1)
    await migrate(empty, folder)
    (folder / "0003_column.sql").write_text("ALTER TABLE people ADD COLUMN name text;")
    async with empty.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT * FROM people")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await migrate(empty, folder)
        monkeypatch.setattr(migrate_module, "_TRIES", 10_000)
        monkeypatch.setattr(migrate_module, "Backoff", Noted)
        waiting = asyncio.create_task(migrate(empty, folder))
        await let_go.wait()
    await waiting
    assert "some_service/0003_column.sql" in await _applied(empty)
    assert await empty.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


HALVES = {
    "0003_pre_names.sql": "ALTER TABLE people ADD COLUMN name text;",
    "0004_post_id.sql": "ALTER TABLE people DROP COLUMN id;",
    "0005_pre_age.sql": "ALTER TABLE people ADD COLUMN age int;",
}


async def test_the_first_half_is_applied_before_a_release_and_the_second_after_it(empty: Pool, folder: Path) -> None:
    for name, sql in HALVES.items():
        (folder / name).write_text(sql)
    with pytest.raises(FatalError, match=r"0001_people.sql must be applied first"):
        await migrate(empty, folder, halves=["after"])
    with pytest.raises(FatalError, match=r"0001_people.sql has not been applied, nor 3 more"):
        await must_be_applied(empty, folder)
    before = await migrate(empty, folder, halves=["before"])
    assert [name[13:17] for name in before] == ["0001", "0002", "0003", "0005"]
    assert await _people(empty) == [1, 2], "the version before goes on"
    await must_be_applied(empty, folder)
    assert await migrate(empty, folder, halves=["before"]) == []
    assert await migrate(empty, folder, halves=["after"]) == ["some_service/0004_post_id.sql"]
    assert await migrate(empty, folder) == []


ONE_BY_ONE = """-- fairpool: no transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS people_by_id ON people (id); -- in a transaction it is refused
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS people_once ON people (id);
"""
VALID = "SELECT indexrelid::regclass::text AS name, indisvalid FROM pg_index WHERE indrelid = 'people'::regclass"


async def _valid(pool: Pool) -> dict[str, bool]:
    return {row["name"]: row["indisvalid"] for row in await pool.fetch(VALID)}


async def test_an_index_is_built_beside_those_who_write_while_other_processes_wait(
    empty: Pool, folder: Path, database: str
) -> None:
    await migrate(empty, folder)
    (folder / "0003_pre_index.sql").write_text(ONE_BY_ONE)
    pools = [await open_pool(database, name=f"process-{number}") for number in range(3)]
    try:
        async with empty.acquire() as writer, writer.transaction():
            await writer.execute("INSERT INTO people VALUES (3)")
            waiting = [asyncio.create_task(migrate(pool, folder)) for pool in pools]
            await until_held_up(empty)  # the index waits for us, who wait for nobody
            await writer.execute("INSERT INTO people VALUES (4)")
        assert sorted(map(len, await asyncio.gather(*waiting))) == [0, 0, 1]
    finally:
        for pool in pools:
            await pool.close()
    assert await _valid(empty) == {"people_by_id": True, "people_once": True}
    assert await _people(empty) == [1, 2, 3, 4]
    assert await empty.fetchval("SHOW lock_timeout") == "0"


async def test_an_index_that_an_attempt_left_invalid_is_made_again(empty: Pool, folder: Path) -> None:
    await migrate(empty, folder)
    await empty.execute("INSERT INTO people VALUES (2)")
    (folder / "0003_pre_index.sql").write_text(ONE_BY_ONE)
    with pytest.raises(asyncpg.UniqueViolationError):
        await migrate(empty, folder)
    assert await _valid(empty) == {"people_by_id": True, "people_once": False}
    assert "some_service/0003_pre_index.sql" not in await _applied(empty)
    await empty.execute("DELETE FROM people WHERE id = 2")
    assert await migrate(empty, folder) == ["some_service/0003_pre_index.sql"]
    assert await _valid(empty) == {"people_by_id": True, "people_once": True}


async def test_ids_that_named_people_leave_the_inbox_and_no_others(empty: Pool) -> None:
    await migrate(empty, PLUMBING)
    person = "01a21ee6-992c-724f-a519-84f7341d0a59"
    named = [f"{person}:registered", f"{person}:profile:12", f"memberships-{person}-3", f"consent:{person}:4"]
    others = [person, f"{'0f' * 32}:claimed", "outreach_x.1.delivered", "u_AAAAAAAAAAAAAAAAAAAAAA"]
    await empty.execute(
        "INSERT INTO inbox (consumer, event_id) SELECT 'a.b', '/fairpool/signup ' || unnest($1::text[])",
        [*named, *others],
    )
    await empty.execute((PLUMBING / "0003_inbox_names_nobody.sql").read_text(encoding="utf-8"))
    kept = [row["event_id"].partition(" ")[2] for row in await empty.fetch("SELECT event_id FROM inbox")]
    assert sorted(kept) == sorted(others)


async def test_a_folder_without_migrations_is_named(empty: Pool, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        await migrate(empty, tmp_path)


async def test_a_connection_carries_its_processs_name_and_utc(empty: Pool) -> None:
    assert await empty.fetchval("SHOW application_name") == "test"
    assert await empty.fetchval("SHOW timezone") == "UTC"
