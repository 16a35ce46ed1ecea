"""What aiokafka reads of a fetch: header names that are not UTF-8 are written out, damage says where it is."""

import asyncio
import contextlib
import os
import struct
from base64 import b64encode
from collections.abc import Collection
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import lz4_decode, lz4_encode
from aiokafka.consumer import fetcher, group_coordinator
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import BrokerMetadata

from shared.messaging import internals
from shared.messaging.errors import FatalError
from tests.fakes.headers import NotUtf8


def batch(first: int, records: int, *, odd: Collection[int] = (), codec: int = 0) -> bytes:
    """Records from an offset on; those at `odd` have a header whose name is not UTF-8."""
    builder = _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, -1, 1 << 20)
    for number in range(records):
        headers: list[tuple[str, bytes | None]] = [("ce_id", b"\xff"), ("empty", None)]
        if first + number in odd:
            headers.append((NotUtf8("näme"), b"value"))
        builder.append(number, 1000 + number, b"key", b"\xff" * 300, headers)
    return struct.pack(">q", first) + bytes(builder.build())[8:]


def read(raw: bytes, *, after: int = 0) -> list[ConsumerRecord]:
    """As a consumer reads it whose position is `after`."""
    return list(records_of(raw, after))


def records_of(raw: bytes, after: int = 0) -> fetcher.PartitionRecords:
    """As the fetcher makes them of its answer."""
    return fetcher.PartitionRecords(
        TopicPartition("topic", 3), fetcher.MemoryRecords(raw), None, after, None, None, True, 0
    )


@pytest.mark.parametrize("codec", range(4), ids=["plain", "gzip", "snappy", "lz4"])
def test_a_header_whose_name_is_not_utf8_costs_nobody_their_records(codec: int) -> None:
    odd = {6, 7, 17, 20, 22}
    raw = b"".join(batch(first, 5, odd=odd, codec=codec) for first in range(0, 25, 5))
    found = read(raw)
    assert [record.offset for record in found] == list(range(25))
    for record in found:
        assert (record.key, record.value, record.timestamp) == (b"key", b"\xff" * 300, 1000 + record.offset % 5)
        more = (("\\xff\\xfenäme", b"value"),) if record.offset in odd else ()
        assert record.headers == (("ce_id", b"\xff"), ("empty", None), *more)
        assert type(record.key) is type(record.value) is bytes


@pytest.mark.parametrize("after", range(5, 10))
def test_a_reader_that_begins_within_such_a_batch_goes_on_from_its_position(after: int) -> None:
    raw = batch(5, 5, odd={6, 8}) + batch(10, 5)
    records = records_of(raw, after)
    assert [record.offset for record in records] == list(range(after, 15))
    assert records.next_fetch_offset == 15


def test_batches_without_such_a_name_stay_with_the_fast_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    class Seen(internals._LenientBatch):
        def __init__(self, raw: memoryview) -> None:
            super().__init__(raw)
            taken.append(self.base_offset)

    monkeypatch.setattr(internals, "_LenientBatch", Seen)
    raw = b"".join(batch(first, 5, odd={12}) for first in range(0, 25, 5))
    assert len(read(raw)) == 25
    assert taken == [10]


def test_the_position_never_moves_past_a_record_that_was_not_given_out() -> None:
    records = records_of(batch(0, 5, odd={2, 3}) + batch(5, 5, odd={5}))
    positions = [records.next_fetch_offset]
    for record in records:
        positions.append(records.next_fetch_offset)
        assert records.next_fetch_offset == record.offset + 1
    assert all(later - earlier == 1 for earlier, later in pairwise(positions))


def _flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def test_damage_ends_the_reader_and_says_where_it_is() -> None:
    raw = batch(0, 5) + _flipped(batch(5, 5), 100) + batch(10, 5)
    records = records_of(raw)
    with pytest.raises(FatalError, match=r"topic/3: the records from offset 5 on cannot be taken apart \(Corrupt"):
        list(records)


def test_an_unknown_codec_ends_the_reader_and_says_where_it_is() -> None:
    raw = bytearray(batch(0, 5))
    raw[22] |= 7
    struct.pack_into(">I", raw, 17, calc_crc32c(bytes(raw[21:])))
    with pytest.raises(FatalError, match=r"topic/3: the records from offset 0 on"):
        read(bytes(raw))


async def test_the_heartbeats_of_all_groups_leave_together_and_none_later_than_it_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept = list[float]()

    async def sleep(delay: float) -> None:
        slept.append(delay)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    loop = asyncio.get_running_loop()
    for now, delay in ((30.0, 3.0), (31.2, 3.0), (32.9, 3.0), (33.0, 2.99), (31.0, 0.1), (31.0, 0.0)):
        monkeypatch.setattr(loop, "time", lambda now=now: now)
        await group_coordinator.asyncio.sleep(delay)
    assert slept == pytest.approx([3.0, 1.8, 0.1, 2.99, 0.1, 0.0])
    assert group_coordinator.asyncio.wait is asyncio.wait


@pytest.fixture
async def joining() -> Any:
    """A member of a group whose join the broker holds, until it is told to stop."""
    return SimpleNamespace(_coordinator=SimpleNamespace(_closing=asyncio.get_running_loop().create_future()))


async def test_who_is_told_to_stop_does_not_wait_for_a_join_that_the_broker_holds(
    joining: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def held(_: object) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    monkeypatch.setattr(internals, "_aiokafkas_join_group", held)
    join = asyncio.ensure_future(CoordinatorGroupRebalance.perform_group_join(joining))
    await asked.wait()
    joining._coordinator._closing.set_result(None)
    async with asyncio.timeout(30):
        assert await join is None, "as where the broker does not answer: the coordination looks whether it is to end"
        await left.wait()


async def test_a_join_that_is_answered_says_what_the_broker_said(joining: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answered(_: object) -> str:
        return "assigned"

    monkeypatch.setattr(internals, "_aiokafkas_join_group", answered)
    assert await CoordinatorGroupRebalance.perform_group_join(joining) == "assigned"


class HoldsJoins:
    """A coordinator that answers no join; as Kafka does, it reads a connection's next request once it has answered the last."""

    def __init__(self) -> None:
        self.has_join = asyncio.Event()
        self.left: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
                answer = struct.pack(">i", struct.unpack_from(">i", request, 4)[0]) + await self._answer(request)
                writer.write(struct.pack(">i", len(answer)) + answer)
        writer.close()

    async def _answer(self, request: bytes) -> bytes:
        match struct.unpack_from(">h", request)[0]:
            case 18:  # which versions it speaks of joining, leaving and this
                return struct.pack(">hi9h", 0, 3, 11, 0, 0, 13, 0, 0, 18, 0, 0)
            case 11:
                self.has_join.set()
                await asyncio.Event().wait()
            case 13:
                self.left.append(request)
                return struct.pack(">h", 0)
        raise AssertionError(request)


async def test_a_member_that_is_told_to_stop_while_its_join_is_held_leaves_the_group_at_once() -> None:
    broker, loop = HoldsJoins(), asyncio.get_running_loop()
    async with await asyncio.start_server(broker.serve, "127.0.0.1", 0) as server:
        client = AIOKafkaClient()
        client.cluster._brokers = {0: BrokerMetadata(0, *server.sockets[0].getsockname(), None)}
        member = object.__new__(GroupCoordinator)
        vars(member).update(
            _client=client,
            _closing=loop.create_future(),
            coordinator_id=0,
            group_id="g",
            generation=3,
            member_id="m",
            _group_instance_id=None,
            _rebalance_timeout_ms=60_000,
            _heartbeat_task=None,
            _commit_refresh_task=None,
            _coordinator_dead_fut=loop.create_future(),
            _rejoin_needed_fut=loop.create_future(),
        )
        assignor = SimpleNamespace(name="range", metadata=lambda _: b"")
        joining = CoordinatorGroupRebalance(
            member, "g", 0, SimpleNamespace(topics={"a"}, active=True), [assignor], 10_000, 100
        )
        member._coordination_task = asyncio.ensure_future(joining.perform_group_join())
        await broker.has_join.wait()
        try:
            async with asyncio.timeout(10):
                await member.close()
            assert len(broker.left) == 1
        finally:
            await client.close()


def test_lz4_does_not_look_for_long_for_what_sealed_words_do_not_have() -> None:
    builder = DefaultRecordBatchBuilder(2, 3, 0, -1, -1, -1, 1 << 20)
    for number in range(50):
        builder.append(number, 1000, b"key", b64encode(os.urandom(600)), [])
    raw = builder.build()
    (packed, records) = raw[61:], lz4_decode(bytes(raw[61:]))
    assert bytes(packed) == lz4_encode(records, level=0) != lz4_encode(records)
