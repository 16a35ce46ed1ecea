"""Reading the dead-letter topics to their ends, and sending what they hold back to where it came from."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from shared.contracts.topics import TOPICS, Topic
from shared.messaging.dead_letters import ADDED, original
from shared.messaging.envelope import Outgoing, Record
from shared.messaging.errors import FatalError
from shared.messaging.producer import Producer
from shared.messaging.reading import KafkaIsQuietError, read_to_the_end
from shared.messaging.topics import Admin

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of a dead-letter topic, and what was noted on it."""

    record: Record
    original: Outgoing | None
    """None: somebody else put it there."""

    @property
    def topic(self) -> str:
        """The topic that it came from, or the dead-letter topic when nobody noted that."""
        return self.original.topic if self.original is not None else self.record.topic

    def noted(self, name: str) -> str:
        """One of the headers `fairpool_*`, without that prefix in `name`; empty when there is none."""
        raw = dict(self.record.headers[-len(ADDED) :]).get(f"fairpool_{name}") or b""
        return raw.decode("utf-8", "replace") if self.original is not None else ""

    @property
    def reason(self) -> str:
        """Why it is here."""
        return self.noted("reason") or "unknown"


@dataclass(slots=True)
class Pile:
    """The dead letters of one topic together."""

    topic: str
    count: int = 0
    oldest: str = ""
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, letter: DeadLetter) -> None:
        """Counts one more."""
        self.count += 1
        self.reasons[letter.reason] += 1
        at = letter.noted("at")
        self.oldest = min(filter(None, (self.oldest, at)), default="")


async def piles(kafka: Sequence[str], topics: Sequence[Topic] = TOPICS) -> list[Pile]:
    """What each of these topics has, those with nothing as well."""
    found = {topic.name: Pile(topic.name) for topic in topics}
    async for letter in each(kafka, topics):
        found[letter.record.topic.removesuffix("-dlq")].add(letter)
    return list(found.values())


async def each(kafka: Sequence[str], topics: Sequence[Topic] = TOPICS) -> AsyncIterator[DeadLetter]:
    """Every dead letter of these topics that is there now, oldest first within a topic; FatalError when Kafka stops answering."""
    async with Admin(kafka) as admin:
        there = set(await admin.list_topics())  # by name: Tansu creates any topic that a request for metadata names
    wanted = [topic.dead_letters for topic in topics if topic.dead_letters.name in there]
    if not wanted:
        return
    try:
        async for records in read_to_the_end(kafka, wanted, client_id="fairpool-operator"):
            for record in records:
                yield DeadLetter(record, original(record))
    except KafkaIsQuietError as error:
        raise FatalError(str(error)) from error


async def send_back(kafka: Sequence[str], letters: Iterable[DeadLetter]) -> int:
    """Puts the originals on their topics, in this order; how many."""
    records = [letter.original for letter in letters if letter.original is not None]
    producer = Producer(kafka, idempotence=False, client_id="fairpool-operator")  # works on every broker
    await producer.start()
    try:
        for first in range(0, len(records), _AT_ONCE):
            await producer.send(records[first : first + _AT_ONCE])
    finally:
        await producer.stop()
    return len(records)
