"""One producer for a process: acknowledged by all in-sync replicas, bounded in time, never half-failed."""

import asyncio
from collections.abc import Sequence
from copy import copy
from datetime import timedelta
from itertools import compress
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.contracts.topics import DEAD_LETTER_SUFFIX
from shared.messaging.batches import LARGEST_BATCH, LARGEST_REQUEST, batches_of, partitions_of
from shared.messaging.envelope import Outgoing
from shared.messaging.errors import TransientError
from shared.messaging.internals import abandon_producer, dead_task_of_producer
from shared.messaging.kafka import Kafka
from shared.messaging.signatures import Headers, Signer
from shared.messaging.stopping import stop_within

_DELIVER_WITHIN = timedelta(seconds=20)
"""An election of leaders is over by then."""
_STOP_WITHIN = timedelta(seconds=5)


class NotAcknowledgedError(TransientError):
    """Kafka did not say that it has a batch; it may have it all the same."""

    WAITS_FOR = "kafka"


class Producer:
    """Sends batches, each signed as a whole where there is a signer. A client whose batch was not acknowledged in time is given up, and the next batch gets another one:
    aiokafka's sender may be stuck, and whatever it still holds must not come after what is sent from now on.
    """

    def __init__(self, kafka: Kafka, *, idempotence: bool, client_id: str, signer: Signer | None = None) -> None:
        self._kafka = kafka
        self._idempotence = idempotence
        self._client_id = client_id
        self._signer = signer
        self._client: _Client | None = None
        self._connecting = asyncio.Lock()
        self._is_started = False
        self.given_up = 0
        """How many clients were given up: what they had sent may yet arrive, if a broker has it in hand."""

    async def start(self) -> None:
        """Connects; KafkaError when no broker answers."""
        self._is_started = True
        await self._connected()

    def another(self) -> Self:
        """One like this with a client of its own: what fails on one of them gives up nothing of the other. Whoever asks for it stops it."""
        other = copy(self)
        other._client = None
        other._connecting = asyncio.Lock()
        return other

    async def must_answer(self) -> None:
        """Returns when there is a client that no batch has failed on; NotAcknowledgedError when no broker answers within 20 s.

        Each failed batch gives its client up, so after one this asks a broker anew.
        """
        try:
            async with asyncio.timeout(_DELIVER_WITHIN.total_seconds()):
                await self._connected()
        except (KafkaError, TimeoutError) as error:
            raise NotAcknowledgedError(f"Kafka does not answer: {type(error).__name__}") from error

    def dead(self) -> str | None:
        """The name of a background task of the client that has ended, or None."""
        return None if self._client is None else dead_task_of_producer(self._client.producer)

    async def stop(self) -> None:
        """Stops within 5 s, also when the brokers are down."""
        self._is_started = False
        if self._client is not None:
            await stop_within(_STOP_WITHIN, self._client.producer.stop())
            abandon_producer(self._client.producer)

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Returns when Kafka has all of them; NotAcknowledgedError when it has not within 20 s, and nothing of them leaves later."""
        if not records:
            return
        if not self._is_started:
            raise RuntimeError("the producer has not started")
        client, said = None, said_by(self._signer, records)
        try:
            async with asyncio.timeout(_DELIVER_WITHIN.total_seconds()):
                client = await self._connected()
                await client.deliver(records, said)
        except (KafkaError, TimeoutError) as error:
            self._give_up(client)
            raise NotAcknowledgedError(f"Kafka did not acknowledge a batch: {type(error).__name__}") from error
        except asyncio.CancelledError:
            self._give_up(client)  # the caller rolls back, and another relay goes on
            raise

    async def _connected(self) -> "_Client":
        async with self._connecting:
            if self._client is None:
                producer = AIOKafkaProducer(
                    **self._kafka.for_aiokafka(),
                    client_id=self._client_id,
                    acks="all",
                    enable_idempotence=self._idempotence,
                    compression_type="lz4",
                    linger_ms=0,
                    max_request_size=LARGEST_REQUEST,
                    max_batch_size=LARGEST_BATCH,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.client.close()
                    raise
                self._client = _Client(producer)
            return self._client

    def _give_up(self, client: "_Client | None") -> None:
        if client is None or client.is_lost.is_set():
            return
        abandon_producer(client.producer)
        client.is_lost.set()
        self.given_up += 1
        if self._client is client:
            self._client = None


def said_by(signer: Signer | None, records: Sequence[Outgoing]) -> list[Headers]:
    """What goes behind the headers of each: the one that says who says it. Nothing to dead letters: what was set aside
    keeps the signature that it came with.
    """
    if signer is None:
        return [()] * len(records)
    is_ours = [not record.topic.endswith(DEAD_LETTER_SUFFIX) for record in records]
    headers = iter(signer.headers([*compress(records, is_ours)]))
    return [(next(headers),) if one else () for one in is_ours]


class _Client:
    """A client of aiokafka's, and whether it was given up: whoever waits for it as well is told at once."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self.is_lost = asyncio.Event()

    async def deliver(self, records: Sequence[Outgoing], said: Sequence[Headers]) -> None:
        """With these behind their headers. Returns when all are acknowledged; KafkaError when one is refused or the client was given up meanwhile."""
        sending = asyncio.ensure_future(self._send(records, said))
        lost = asyncio.ensure_future(self.is_lost.wait())
        try:
            await asyncio.wait({sending, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise KafkaError("the client was given up")
            sending.result()
        finally:
            for task in (sending, lost):
                task.cancel()

    async def _send(self, records: Sequence[Outgoing], said: Sequence[Headers]) -> None:
        partitions = await partitions_of(self.producer, {record.topic for record in records})
        acknowledgements = [
            await self.producer.send_batch(batch, topic, partition=partition)
            for topic, partition, batch in batches_of(self.producer, records, said, partitions)
        ]
        await asyncio.gather(*acknowledgements)
