"""Asking aiokafka 0.14 how far partitions go, again and again, at little cost; the version is pinned for this file's sake too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy

from shared.messaging.ends import Ends
from shared.messaging.same_bytes import WrittenOnce

_KEPT = 32
"""Questions that are known by their bytes: all that is idle is one, and what is busy is a few."""


class SameQuestion:
    """Asks for ends as `AIOKafkaConsumer.end_offsets` does: the same answer, or the same error.

    aiokafka writes a question for 134 partitions and takes its answer apart value by value, which costs a millisecond, and with
    nobody there both are the same bytes five times a second. So the bytes of a question are kept, and an answer is taken apart where
    it is not the one before. What is no plain answer (an error of a partition, a broker that is gone, several leaders) goes
    aiokafka's way, which looks at the metadata anew; so does a question whose first partition is led by another broker now: who led
    it before may hang. aiokafka's own limit for all of a question is left out: it is as long as that of a connection, and would end
    the question just before the connection that hangs is closed. One question at a time, and whoever asks has a limit.
    """

    def __init__(self, client: AIOKafkaConsumer) -> None:
        self._client = client
        self._asked: dict[tuple[TopicPartition, ...], _Asked] = {}

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset that the next record of each gets, or less; KafkaError."""
        key = tuple(partitions)
        asked = self._asked.get(key)
        if asked is not None and asked.node == self._client._client.cluster.leader_for_partition(key[0]):
            try:
                answer = await self._client._client.send(asked.node, asked.question)
                if answer != asked.answer:
                    asked.answer, asked.ends = answer, asked.question.ends(answer)
                return asked.ends
            except (KafkaError, _NotPlainError):
                del self._asked[key]
        ends: Ends = await self._client._fetcher.end_offsets([*partitions], None)
        leaders = {self._client._client.cluster.leader_for_partition(tp) for tp in partitions}
        if len(leaders) == 1:
            if len(self._asked) >= _KEPT:
                self._asked.clear()
            question = _Question(partitions, self._client._fetcher._isolation_level)
            self._asked[key] = _Asked(leaders.pop(), question, ends)
        return ends


class _NotPlainError(Exception):
    """An answer that says of a partition why there is none."""


class _Question(OffsetRequest):  # type: ignore[misc]  # aiokafka has no types
    """The request, which is written once for each version of it that a broker takes."""

    def __init__(self, partitions: Sequence[TopicPartition], isolation_level: int) -> None:
        topics: dict[str, list[tuple[int, int]]] = {}
        for tp in partitions:
            topics.setdefault(tp.topic, []).append((tp.partition, OffsetResetStrategy.LATEST))
        super().__init__(-1, isolation_level, list(topics.items()))
        self._written: dict[Any, WrittenOnce] = {}
        self._answers: Any = None

    def build(self, request_struct_class: Any) -> WrittenOnce:  # noqa: ANN401 - aiokafka has no types
        """For a connection, which says what version it is to be."""
        written = self._written.get(request_struct_class)
        if written is None:
            written = self._written[request_struct_class] = WrittenOnce(
                super().build(request_struct_class), lambda answer: answer
            )
        self._answers = written.answers
        return written

    def ends(self, answer: bytes) -> Ends:
        """_NotPlainError where a partition has none."""
        ends: Ends = {}
        for topic, partitions in self._answers.decode(BytesIO(answer)).topics:
            for number, error, *said in partitions:
                if error or self._answers.API_VERSION == 0:
                    raise _NotPlainError
                ends[TopicPartition(topic, number)] = said[1]
        return ends


@dataclass(slots=True)
class _Asked:
    """What was asked before, and what was said."""

    node: int
    question: _Question
    ends: Ends
    answer: bytes = b""
