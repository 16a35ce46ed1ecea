"""The ends of partitions, asked for in the same bytes: what is said is what aiokafka would have said."""

import asyncio
from collections.abc import Mapping, Sequence
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, NotLeaderForPartitionError
from aiokafka.protocol.offset import OffsetRequest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.asking import SameQuestion

PARTITIONS = [TopicPartition(topic, number) for topic in ("a", "b") for number in range(3)]
NOT_LEADER = 6


class Client:
    """aiokafka's consumer, as far as it is asked here, and the broker behind it."""

    def __init__(self, *, version: int = 5, leaders: int = 1) -> None:
        self.ends = dict.fromkeys(PARTITIONS, 0)
        self.errors: dict[TopicPartition, int] = {}
        self.away = False
        self.asked_in_full = 0
        self.sent: list[bytes] = []
        self._version = version
        self._fetcher = SimpleNamespace(_isolation_level=0, end_offsets=lambda tps, _: self.end_offsets(tps))
        self.leader_of = {tp: number % leaders for number, tp in enumerate(PARTITIONS)}
        self.hang = set[int]()
        """Brokers whose connections are open, and that say nothing."""
        self._client = SimpleNamespace(
            send=self._send, cluster=SimpleNamespace(leader_for_partition=lambda tp: self.leader_of[tp])
        )

    def move(self) -> None:
        """All partitions are led by another broker now, and the metadata say so."""
        self.leader_of = {tp: node + 1 for tp, node in self.leader_of.items()}

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """All of aiokafka's way."""
        self.asked_in_full += 1
        if self.away:
            raise KafkaConnectionError
        await self._answers({self.leader_of[tp] for tp in partitions})
        if any(self.errors.get(tp) for tp in partitions):
            raise NotLeaderForPartitionError
        return {tp: self.ends[tp] for tp in partitions}

    async def _answers(self, nodes: set[int]) -> None:
        if self.hang & nodes:
            await asyncio.Event().wait()

    async def _send(self, node: int, question: OffsetRequest) -> Any:
        """As a connection does it: written and read in bytes."""
        if self.away:
            raise KafkaConnectionError
        await self._answers({node})
        written = question.prepare({2: (0, self._version)})
        assert written.build_request_header(7, "test").encode()
        self.sent.append(written.encode())
        answers: Any = written.answers
        said: dict[str, list[tuple[int, ...]]] = {}
        for tp, end in self.ends.items():
            rest = (-1, end, 0) if answers.API_VERSION >= 4 else (-1, end)
            error = self.errors.get(tp, 0) if node == self.leader_of[tp] else NOT_LEADER
            said.setdefault(tp.topic, []).append((tp.partition, error, *rest))
        topics = list(said.items())
        answer = answers(0, topics) if answers.API_VERSION >= 2 else answers(topics)
        read = BytesIO(b"\0\0\0\7" + answer.encode())
        assert written.parse_response_header(read).correlation_id == 7
        return written.RESPONSE_TYPE.decode(read)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(PARTITIONS), st.integers(1, 2**40)),
            st.sampled_from(PARTITIONS),
            st.booleans(),
            st.none(),
            st.just("it moves"),
        ),
        max_size=30,
    ),
    st.sampled_from([1, 2, 3, 5]),
    st.sampled_from([1, 2]),
)
async def test_whatever_comes_it_says_what_aiokafka_says(
    happens: list[tuple[TopicPartition, int] | TopicPartition | bool | str | None], version: int, leaders: int
) -> None:
    client = Client(version=version, leaders=leaders)
    asks = SameQuestion(client)
    for change in happens:
        if isinstance(change, TopicPartition):
            client.errors = {} if client.errors else {change: NOT_LEADER}
        elif isinstance(change, tuple):
            client.ends[change[0]] += change[1]
        elif isinstance(change, str):
            client.move()
        elif change is not None:
            client.away = change
        try:
            expected: object = await client.end_offsets(PARTITIONS)
        except (KafkaConnectionError, NotLeaderForPartitionError) as error:
            expected = type(error)
        try:
            said: object = dict(await asks.end_offsets(PARTITIONS))
        except (KafkaConnectionError, NotLeaderForPartitionError) as error:
            said = type(error)
        assert said == expected


async def test_a_question_is_written_and_an_answer_taken_apart_once_while_both_stay_the_same() -> None:
    client = Client()
    asks = SameQuestion(client)
    await asks.end_offsets(PARTITIONS)
    first = await asks.end_offsets(PARTITIONS)
    assert await asks.end_offsets(PARTITIONS) is first
    client.ends[PARTITIONS[0]] = 9
    assert (await asks.end_offsets(PARTITIONS))[PARTITIONS[0]] == 9
    assert client.asked_in_full == 1
    assert client.sent[0] is client.sent[1] is client.sent[2]
    topics = [("a", [(number, -1) for number in range(3)]), ("b", [(number, -1) for number in range(3)])]
    assert client.sent[0] == OffsetRequest(-1, 0, topics).prepare({2: (0, 5)}).encode(), "what aiokafka writes"


@pytest.mark.parametrize("what", ["an error", "a broker that is gone"])
async def test_what_is_no_plain_answer_goes_aiokafkas_way_which_looks_for_the_leader_anew(what: str) -> None:
    client = Client()
    asks = SameQuestion(client)
    await asks.end_offsets(PARTITIONS)
    client.away, client.errors = what != "an error", {PARTITIONS[1]: NOT_LEADER}
    with pytest.raises((KafkaConnectionError, NotLeaderForPartitionError)):
        await asks.end_offsets(PARTITIONS)
    assert client.asked_in_full == 2


async def test_whoever_leads_now_is_asked_and_not_who_led_before_and_hangs() -> None:
    client = Client()
    asks = SameQuestion(client)
    await asks.end_offsets(PARTITIONS)
    client.hang = {0}
    client.move()
    client.ends[PARTITIONS[0]] = 9
    for _ in range(2):
        assert (await asyncio.wait_for(asks.end_offsets(PARTITIONS), 5))[PARTITIONS[0]] == 9
    assert (client.asked_in_full, len(client.sent)) == (2, 1)


async def test_questions_that_come_once_are_not_kept_for_ever() -> None:
    client = Client()
    asks = SameQuestion(client)
    for number in range(200):
        await asks.end_offsets([PARTITIONS[at] for at in range(6) if (number + 1) >> at & 1] or PARTITIONS)
    assert len(asks._asked) <= 32


async def test_where_several_brokers_lead_aiokafka_asks() -> None:
    client = Client(leaders=2)
    asks = SameQuestion(client)
    for _ in range(2):
        await asks.end_offsets(PARTITIONS)
    assert (client.asked_in_full, client.sent) == (2, [])
