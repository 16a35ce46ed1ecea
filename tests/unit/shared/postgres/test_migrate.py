"""Migrations are applied once, in order, by one process at a time, all or nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from shared.postgres.migrate import PLUMBING, migrate
from shared.postgres.pool import Pool, open_pool


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


async def test_a_broken_file_leaves_nothing_behind(empty: Pool, folder: Path) -> None:
    (folder / "0003_broken.sql").write_text("INSERT INTO people VALUES (3); SELECT * FROM nowhere;")
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrate(empty, PLUMBING, folder)
    assert await empty.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


async def test_a_folder_without_migrations_is_named(empty: Pool, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        await migrate(empty, tmp_path)


async def test_a_connection_carries_its_processs_name_and_utc(empty: Pool) -> None:
    assert await empty.fetchval("SHOW application_name") == "test"
    assert await empty.fetchval("SHOW timezone") == "UTC"
