"""One producer for a process: acknowledged by all in-sync replicas, bounded in time, never half-failed."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.messaging.envelope import Outgoing
from shared.messaging.errors import FatalError
from shared.messaging.internals import dead_task_of_producer
from shared.messaging.stopping import stop_within

_DELIVER_WITHIN = timedelta(seconds=45)
_STOP_WITHIN = timedelta(seconds=5)
_LARGEST_REQUEST = 2 * 1024 * 1024


class Producer:
    """Sends batches; a batch that Kafka did not acknowledge in time ends the process (aiokafka's sender may be stuck)."""

    def __init__(self, kafka: Sequence[str], *, idempotence: bool, client_id: str) -> None:
        self._kafka = list(kafka)
        self._idempotence = idempotence
        self._client_id = client_id
        self._started: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connects; KafkaError when no broker answers."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._kafka,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=self._idempotence,
            compression_type="lz4",
            linger_ms=0,
            max_request_size=_LARGEST_REQUEST,
        )
        self._started = producer
        await producer.start()

    def dead(self) -> str | None:
        """The name of a background task of the client that has ended, or None."""
        return None if self._started is None else dead_task_of_producer(self._started)

    async def stop(self) -> None:
        """Stops within 5 s, also when the brokers are down."""
        if self._started is not None:
            await stop_within(_STOP_WITHIN, self._started.stop())

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Returns when Kafka has all of them; FatalError when it has not within 45 s."""
        if not records:
            return
        if self._started is None:
            raise RuntimeError("the producer has not started")
        try:
            async with asyncio.timeout(_DELIVER_WITHIN.total_seconds()):
                acknowledgements = [
                    await self._started.send(
                        record.topic, key=record.key, value=record.value, headers=list(record.headers)
                    )
                    for record in records
                ]
                await asyncio.gather(*acknowledgements)
        except (KafkaError, TimeoutError) as error:
            raise FatalError(f"Kafka did not acknowledge a batch: {type(error).__name__}") from error
