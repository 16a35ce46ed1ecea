"""A broker is asked for ends in the same bytes, and what it says is what aiokafka makes of it."""

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.messaging.asking import SameQuestion
from shared.messaging.ends import asking_client
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from tests.integration.messaging.kit import Log


async def test_what_is_written_in_between_is_said_and_what_is_not_is_the_same_answer(
    kafka: Kafka, log: Log, producer: Producer
) -> None:
    partitions = [TopicPartition(log.topic.name, number) for number in range(log.topic.partitions)]
    async with asking_client(kafka, client_id="test") as client, asking_client(kafka, client_id="other") as other:
        asks = SameQuestion(client)
        for numbers in (range(0), range(5), range(0), range(5, 7)):
            await producer.send(log.records(log.numbers(len(numbers), first=numbers.start)))
            said = [await asks.end_offsets(partitions) for _ in range(3)]
            assert said[1] is said[2]
            assert isinstance(other, AIOKafkaConsumer)
            assert said[2] == await other.end_offsets(partitions)
        assert sum(said[2].values()) > 0
