"""A process with something dead in it ends by itself, with a code that makes its supervisor start another."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from shared.messaging import topics
from shared.messaging.kafka import Kafka
from tests.signing import environment_of
from tests.stack import Servers

PROGRAM = Path(__file__).with_name("dying.py")
ROOT = Path(__file__).parents[3]
ENDS_WITHIN = 180.0


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("sender", "a Kafka client's sender task has died"),
        ("follower", "projection of tenants was cancelled from within"),
        ("job", "fault ended by itself"),
        ("stop", "a Kafka client's sender task has died"),
        ("loop", "RuntimeError"),
    ],
)
async def test_a_process_with_something_dead_in_it_ends_with_1(
    servers: Servers, database: str, way: str, said: str
) -> None:
    await topics.create_missing(Kafka.plain(servers.kafka))
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "DYING_DATABASE": database,
        "FAIRPOOL_KAFKA": servers.kafka,
        "FAIRPOOL_KAFKA_IDEMPOTENCE": str(servers.idempotence),
        "FAIRPOOL_HTTP_PORT": "0",
        **environment_of("signup"),
        "FAIRPOOL_STOP_WITHIN": "PT2S",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        way,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(ENDS_WITHIN):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, said in out.decode()) == (1, True), out.decode()
