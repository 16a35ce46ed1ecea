"""A database that was upgraded is what a new one is, and no file of migrations needs to come before one that it does not follow."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.postgres.migrate import migrate
from shared.postgres.pool import Pool, open_pool
from tests.conftest import unique
from tests.databases import MIGRATIONS_OF, Databases
from tests.released import released
from tests.stack import Servers

CATALOG = (Path(__file__).parent / "catalog.sql").read_text(encoding="utf-8")


@asynccontextmanager
async def _of_the_last_release(servers: Servers, folders: Sequence[Path], place: Path) -> AsyncIterator[Pool]:
    """A database as it was when the last release ran on it."""
    then = []
    for folder in folders:
        kept = place / folder.parent.name / "migrations"
        kept.mkdir(parents=True)
        then.append(kept)
        for file in folder.glob("*.sql"):
            if f"{folder.parent.name}/{file.name}" in released():
                shutil.copy(file, kept)
    pool = await open_pool(await servers.create_database(unique("upgraded")), name="test", connections=1)
    await migrate(pool, *then)
    try:
        yield pool
    finally:
        await pool.close()


async def _catalog(pool: Pool) -> list[str]:
    return [str(row[0]) for row in await pool.fetch(CATALOG)]


@pytest.mark.parametrize("service", MIGRATIONS_OF)
async def test_an_upgraded_database_is_what_a_new_one_is(
    service: str, servers: Servers, databases: Databases, tmp_path: Path
) -> None:
    folders = MIGRATIONS_OF[service]
    async with _of_the_last_release(servers, folders, tmp_path) as upgraded, databases.pool(*folders) as new:
        await migrate(upgraded, *folders, halves=["before"])
        await migrate(upgraded, *folders, halves=["after"])
        found = await _catalog(upgraded)
        assert found == await _catalog(new)
        assert len(found) > 20
