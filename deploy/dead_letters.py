"""Reading the dead-letter topics to their ends, sending letters back to where they came from, and noting what was done."""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.contracts.base import rfc3339
from shared.contracts.topics import DEAD_LETTER_SUFFIX, TOPICS, Topic
from shared.messaging.dead_letters import DealtWith, How, opened, original, settled
from shared.messaging.envelope import Record
from shared.messaging.errors import FatalError
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.reading import KafkaIsQuietError, read_to_the_end
from shared.messaging.topics import Admin

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is noted on a record of a dead-letter topic, without what it carries: a pile may be large."""

    topic: str
    """The topic that it came from."""
    offset: int
    position: str
    ours: bool
    """False: somebody else put it there."""
    at: str
    reason: str
    group: str
    origin: str
    """`topic/partition/offset` of the record that could not be handled."""
    size: int
    """Bytes of the payload as it came."""
    left_out: str = ""
    """Of value, key and headers, those that were too large to be kept whole; such a letter cannot be replayed."""
    settled: DealtWith | None = None

    @property
    def state(self) -> str:
        """`waiting`, or what was done about it."""
        return "waiting" if self.settled is None else self.settled.how


@dataclass(slots=True)
class Pile:
    """The dead letters of one topic together; oldest and reasons are of those that wait."""

    topic: str
    waiting: int = 0
    replayed: int = 0
    done: int = 0
    oldest: str = ""
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, letter: DeadLetter) -> None:
        """Counts one more."""
        match letter.state:
            case "replayed":
                self.replayed += 1
            case "done":
                self.done += 1
            case _:
                self.waiting += 1
                self.reasons[letter.reason] += 1
                self.oldest = min(filter(None, (self.oldest, letter.at)), default="")


def piles(letters: Iterable[DeadLetter], topics: Sequence[Topic]) -> list[Pile]:
    """What each of these topics has, those with nothing as well."""
    found = {topic.name: Pile(topic.name) for topic in topics}
    for letter in letters:
        found[letter.topic].add(letter)
    return list(found.values())


async def read(kafka: Kafka, topics: Sequence[Topic] = TOPICS) -> list[DeadLetter]:
    """Every letter of these topics that is there now, oldest first within a topic; FatalError when Kafka stops answering."""
    letters: list[DeadLetter] = []
    notes: dict[str, DealtWith] = {}
    async for records in _fetches(kafka, topics):
        for record in records:
            if (note := settled(record)) is not None:
                notes[note.position] = note
            else:
                letters.append(_letter(record))
    return [replace(letter, settled=notes.get(letter.position)) for letter in letters]


async def find(kafka: Kafka, topic: Topic, offset: int) -> tuple[DeadLetter, Record] | None:
    """The letter at this offset with all that it carries; None when there is none."""
    found: Record | None = None
    last: DealtWith | None = None
    async for records in _fetches(kafka, [topic]):
        for record in records:
            note = settled(record)
            if note is None and record.offset == offset:
                found = record
            elif note is not None and found is not None and note.position == found.position:
                last = note
    return None if found is None else (replace(_letter(found), settled=last), found)


async def send_back(kafka: Kafka, letters: Iterable[DeadLetter], topics: Sequence[Topic] = TOPICS) -> Counter[str]:
    """Puts the originals on their topics, oldest first, and notes each as replayed once Kafka has it; how many by topic.

    When this ends in between, what Kafka took without a note is sent again by the next replay, and its readers drop it.
    """
    wanted = {letter.position for letter in letters}
    from_there = {position.rsplit("/", 2)[0].removesuffix(DEAD_LETTER_SUFFIX) for position in wanted}
    sent: Counter[str] = Counter()
    producer = await _producer(kafka)
    try:
        async for records in _fetches(kafka, [topic for topic in topics if topic.name in from_there]):
            chosen = [record for record in records if record.position in wanted]
            for first in range(0, len(chosen), _AT_ONCE):
                batch = chosen[first : first + _AT_ONCE]
                originals = [found for record in batch if (found := original(record)) is not None]
                await producer.send(originals)
                await _note(producer, [record.position for record in batch], "replayed")
                sent.update(found.topic for found in originals)
    except FatalError as error:
        raise FatalError(
            f"{error}; {sent.total()} were sent back and noted before. Replay again for the rest"
        ) from error
    finally:
        await producer.stop()
    return sent


async def set_aside(kafka: Kafka, letters: Iterable[DeadLetter]) -> None:
    """Notes these as done; nothing is sent."""
    positions = [letter.position for letter in letters]
    producer = await _producer(kafka)
    try:
        for first in range(0, len(positions), _AT_ONCE):
            await _note(producer, positions[first : first + _AT_ONCE], "done")
    finally:
        await producer.stop()


async def _note(producer: Producer, positions: Iterable[str], how: How) -> None:
    at = rfc3339(datetime.now(UTC))
    await producer.send([DealtWith(position, how, at).note() for position in positions])


async def _producer(kafka: Kafka) -> Producer:
    producer = Producer(kafka, idempotence=False, client_id="fairpool-operator")  # works on every broker
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer


async def _fetches(kafka: Kafka, topics: Sequence[Topic]) -> AsyncIterator[list[Record]]:
    async with Admin(kafka) as admin:
        there = set(await admin.list_topics())  # by name: Tansu creates any topic that a request for metadata names
    wanted = [topic.dead_letters for topic in topics if topic.dead_letters.name in there]
    if not wanted:
        return
    try:
        async for records in read_to_the_end(kafka, wanted, client_id="fairpool-operator"):
            yield records
    except KafkaIsQuietError as error:
        raise FatalError(str(error)) from error


def _letter(record: Record) -> DeadLetter:
    found = opened(record)
    return DeadLetter(
        topic=record.topic.removesuffix(DEAD_LETTER_SUFFIX),
        offset=record.offset,
        position=record.position,
        ours=found is not None,
        at=found.at if found else "",
        reason=sys.intern(found.reason if found and found.reason else "unknown"),  # few differ among many letters
        group=sys.intern(found.group if found else ""),
        origin=found.origin if found else "",
        size=found.size if found else len(record.value or b""),
        left_out=found.left_out if found else "",
    )
