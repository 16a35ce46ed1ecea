"""A process that is told to stop while it still waits for its servers, or that can't start, ends soon and says why."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from shared.messaging import topics
from shared.messaging.kafka import Kafka
from tests.databases import Databases
from tests.signing import environment_of
from tests.stack import Servers

PROGRAM = Path(__file__).with_name("dying.py")
ROOT = Path(__file__).parents[3]
ENDS_WITHIN = 180.0
"""Less than the minute for which a start waits for Kafka."""


@asynccontextmanager
async def started(**environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        "never",
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "FAIRPOOL_HTTP_PORT": "0", "FAIRPOOL_KAFKA_IDEMPOTENCE": "false"}
        | environment_of("signup")
        | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()


async def test_told_to_stop_while_it_waits_for_kafka_it_ends_at_once(database: str) -> None:
    called = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as broker:
        port = broker.sockets[0].getsockname()[1]
        async with started(DYING_DATABASE=database, FAIRPOOL_KAFKA=f"127.0.0.1:{port}") as process:
            async with asyncio.timeout(ENDS_WITHIN):
                await called.wait()
                process.send_signal(signal.SIGTERM)
                out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert b"failed" not in out


async def test_without_its_database_it_says_so_in_one_line_and_ends_with_1(servers: Servers) -> None:
    await topics.create_missing(Kafka.plain(servers.kafka))
    async with started(
        DYING_DATABASE="postgresql://canary:canary@127.0.0.1:1/gone", FAIRPOOL_KAFKA=servers.kafka
    ) as process:
        async with asyncio.timeout(ENDS_WITHIN):
            out, _ = await process.communicate()
    lines = out.decode().splitlines()
    assert process.returncode == 1, lines
    assert [line for line in lines if "PostgreSQL did not answer: ConnectionRefusedError" in line]
    assert len(lines) == 1
    assert "canary" not in lines[0]


async def test_a_role_starts_only_on_tables_that_were_migrated_for_it(servers: Servers, databases: Databases) -> None:
    await topics.create_missing(Kafka.plain(servers.kafka))
    async with databases.lent() as nothing:
        async with started(DYING_DATABASE=nothing, FAIRPOOL_KAFKA=servers.kafka, FAIRPOOL_ROLE="worker") as process:
            async with asyncio.timeout(ENDS_WITHIN):
                out, _ = await process.communicate()
        (line,) = out.decode().splitlines()
        assert process.returncode == 1
        assert "postgres/0001_messaging.sql has not been applied, nor" in line
        assert "Let `fairpool migrate --before` run" in line
        connection = await asyncpg.connect(nothing)
        assert await connection.fetchval("SELECT to_regclass('outbox')") is None
        await connection.close()
