"""What one would write first, at its best: a route that checks the HMAC and produces, and a loop that consumes, inserts and
produces. aiokafka with acks=all and lz4, uvicorn with uvloop and httptools, asyncpg with one statement a batch.

`python -m tests.bench.bare route PORT KAFKA TOPIC` serves; `... loop KAFKA FROM TO POSTGRES COUNT HASHES` says `ready`, waits for a
line, and says `done` once COUNT records went through and `hashed` once their hashes are there (with a further number, it writes so many rows of each record); `... burn` computes slow hashes until it is ended.
"""

import asyncio
import hashlib
import hmac
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from fastapi import FastAPI, HTTPException, Request

from services.signup.vault.addresses import slow_hash
from services.signup.vault.hashing import hashed_slowly
from tests.bench.harness import say
from tests.integration.signup.test_hooks import SECRET

KEY = bytes(32)


def _producer(kafka: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=kafka, acks="all", compression_type="lz4", enable_idempotence=False)


def route(port: str, kafka: str, topic: str) -> None:
    """Serves until it is ended."""

    @asynccontextmanager
    async def producing(app: FastAPI) -> AsyncIterator[None]:
        async with _producer(kafka) as app.state.producer:
            yield

    app = FastAPI(lifespan=producing)

    @app.post("/hook")
    async def take(request: Request) -> dict[str, str]:
        raw = await request.body()
        expected = "sha256 " + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("signature", "")):
            raise HTTPException(401)
        await app.state.producer.send_and_wait(topic, raw)
        return {"status": "accepted"}

    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)


async def loop(kafka: str, source: str, target: str, postgres: str, count: str, hashes: str, rows: str = "1") -> None:
    """One batch after the other, with so many rows of each record; the hashes beside, and waited for at the end."""
    pool = await asyncpg.create_pool(postgres)
    await pool.execute("CREATE TABLE IF NOT EXISTS bare (key bytea PRIMARY KEY, value bytea NOT NULL)")
    await pool.execute(
        "CREATE TABLE IF NOT EXISTS bare_rows (key bytea, place integer, shown jsonb, PRIMARY KEY (key, place))"
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, group_id=f"bare-{os.getpid()}", auto_offset_reset="latest",
        enable_auto_commit=False, fetch_max_wait_ms=100,
    )  # fmt: skip
    async with consumer, _producer(kafka) as producer:
        await consumer.topics()  # knows them now
        # Assigned, not subscribed: a group may take its time, and what is sent before it stands lies before its `latest`.
        partitions = [TopicPartition(source, number) for number in consumer.partitions_for_topic(source) or ()]
        consumer.assign(partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(partition, end)
        # The embedded broker may say an end that is too low: what was sent before is of the last round.
        since = time.time() * 1000
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        left = int(count)
        hashing: list[asyncio.Future[bytes]] = []
        while left > 0:
            found = (await consumer.getmany(timeout_ms=100, max_records=500)).values()
            batch = [raw for some in found for raw in some if raw.timestamp >= since]
            if not batch:
                continue
            await pool.execute(
                "INSERT INTO bare (key, value) SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT DO NOTHING",
                [raw.key for raw in batch], [raw.value for raw in batch],
            )  # fmt: skip
            if int(rows) > 1:
                await pool.execute(
                    "INSERT INTO bare_rows SELECT key, place, '{}' FROM unnest($1::bytea[]) AS key, generate_series(2, $2::integer) AS place"
                    " ON CONFLICT DO NOTHING",
                    [raw.key for raw in batch], int(rows),
                )  # fmt: skip
            if hashes == "with":
                hashing += [asyncio.ensure_future(hashed_slowly(raw.key.hex(), KEY)) for raw in batch]
            sent = [await producer.send(target, raw.value, key=raw.key) for raw in batch]
            await asyncio.gather(*sent)
            await consumer.commit()
            left -= len(batch)
        say("done")
        await asyncio.gather(*hashing)
        say("hashed")
    await pool.close()


def burn() -> None:
    """As many threads as ours, at the same priority."""
    os.nice(10)

    def hash_on() -> None:
        while True:
            slow_hash("somebody@example.org", KEY)

    for _ in range(2):
        threading.Thread(target=hash_on, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "route":
        route(*given)
    elif what == "loop":
        asyncio.run(loop(*given))
    else:
        burn()
