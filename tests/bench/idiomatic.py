"""The gateway as one would write it first: FastStream's handler of one message, `limits`' moving window in Redis, a publisher.

`python -m tests.bench.idiomatic KAFKA REDIS FROM TO COUNT` says `ready`, waits for a line, and says `done` once COUNT messages
went through; the group begins at what is sent from then on. Nothing is stored, signed or explained: only what holds a cap.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime

import limits
from aiokafka import TopicPartition
from faststream.kafka import KafkaBroker
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from shared.contracts.outreach_gateway import OutreachRequestedV1
from tests.bench.harness import say
from tests.bench.windows import RULES


async def main(kafka: str, redis: str, source: str, target: str, count: str) -> None:
    """Until so many went through."""
    broker = KafkaBroker(kafka, logger=None, enable_idempotence=False)
    limiter = MovingWindowRateLimiter(RedisStorage(f"async+{redis}", implementation="redispy"))
    caps = [limits.RateLimitItemPerHour(cap, hours) for cap, hours in RULES]
    since = datetime.now(UTC).replace(microsecond=0)
    done = asyncio.Event()
    left = int(count)

    async def decide(asked: OutreachRequestedV1) -> dict[str, str]:
        nonlocal left
        may_go = all([await limiter.hit(cap, asked.candidate) for cap in caps])
        left -= (
            asked.at >= since
        )  # the embedded broker may say an end that is too low: what was before is of the last round
        if left == 0:
            done.set()
        outcome = "admitted" if may_go else "dropped"
        return {"outreach": asked.outreach, "outcome": outcome, "at": datetime.now(UTC).isoformat()}

    subscriber = broker.subscriber(source, group_id=f"idiomatic-{os.getpid()}", auto_offset_reset="latest")
    subscriber(broker.publisher(target)(decide))
    async with broker:
        await broker.start()
        consumer = subscriber.consumer
        assert consumer is not None
        partitions = [TopicPartition(source, number) for number in consumer.partitions_for_topic(source) or ()]
        while consumer.assignment() != set(partitions):  # noqa: ASYNC110 - aiokafka has no event for it
            await asyncio.sleep(0.05)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(partition, end)
        consumer.pause(*partitions)  # the clock starts with the line
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        consumer.resume(*partitions)
        await done.wait()
        say("done")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
