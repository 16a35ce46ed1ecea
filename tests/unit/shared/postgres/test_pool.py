"""A connection is given within a limit, comes back clean, and costs no statement of its own."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from asyncpg.connection import LoggedQuery
from fastapi import FastAPI

from shared.messaging.errors import FatalError
from shared.postgres import pool as pool_module
from shared.postgres.pool import must_be_direct, open_pool
from shared.web.middleware import Boundary


async def test_whoever_gets_no_connection_in_time_is_told_to_come_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_ACQUIRE_WITHIN", timedelta(milliseconds=50))
    pool = await open_pool(database, name="test", connections=1)
    app = FastAPI()
    app.add_middleware(Boundary)

    @app.get("/one")
    async def one() -> int:
        return int(await pool.fetchval("SELECT 1"))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        async with asyncio.timeout(30), pool.acquire():
            busy = await client.get("/one")
        free = await client.get("/one")
    await pool.close()
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "10")
    assert busy.json()["type"] == "urn:fairpool:problem:unavailable"
    assert (free.status_code, free.json()) == (200, 1)


async def test_a_unit_of_work_costs_its_own_statements_and_no_other(database: str) -> None:
    pool = await open_pool(database, name="test", connections=1)
    asked: list[str] = []

    def note(query: LoggedQuery) -> None:
        asked.append(query.query)

    async with pool.acquire() as connection:
        connection.add_query_logger(note)
    for _ in range(3):
        await pool.fetchval("SELECT 1")
    await pool.close()
    assert asked == ["SELECT 1"] * 3


async def test_what_a_connection_that_returns_had_open_is_rolled_back(database: str) -> None:
    pool = await open_pool(database, name="test", connections=1)
    async with pool.acquire() as connection:
        await connection.execute("BEGIN; CREATE TABLE left_open (id int); SELECT pg_advisory_xact_lock(1)")
    assert await pool.fetchval("SELECT to_regclass('left_open')") is None
    assert await pool.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    await pool.close()


async def test_a_pooler_that_drops_what_a_session_is_set_to_is_found_out(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = await open_pool(database, name="test", connections=1)
    await must_be_direct(direct)
    await direct.close()
    monkeypatch.setattr(pool_module, "_connect", _as_through_a_pooler)
    pooled = await open_pool(database, name="test", connections=1)
    with pytest.raises(FatalError, match=r"expected idle_in_transaction_session_timeout = 40s .*, found 0: a pooler"):
        await must_be_direct(pooled)
    await pooled.close()


async def _as_through_a_pooler(*given: Any, server_settings: object, **options: Any) -> Any:
    """PgBouncer with `ignore_startup_parameters`, and without it no connection at all."""
    return await asyncpg.connect(*given, **options)
