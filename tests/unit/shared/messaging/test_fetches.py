"""How long a fetch may be held: for long only where any record that comes ends it, or where nothing has come lately."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.protocol.fetch import FetchRequest

from shared.messaging import internals
from shared.messaging.kafka import Kafka

A, B, C = (TopicPartition("t", number) for number in range(3))
NODE_OF = {A: 1, B: 1, C: 2}
ENDS = {A: 3, B: 0, C: 0}


class Reader:
    """A fetcher of which aiokafka would now ask the first broker for what is not in hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, wait: int = 1000) -> None:
        self.fetcher: Any = SimpleNamespace(_select_read_replica=NODE_OF.get, _records={}, _fetch_max_wait_ms=wait)
        self.at = 100.0
        self._wait = wait
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(internals, "time", SimpleNamespace(monotonic=lambda: self.at))

    def held_for(
        self, *, in_hand: tuple[TopicPartition, ...] = (), highwater: dict[TopicPartition, int] | None = None
    ) -> int:
        """Milliseconds that its fetch may be held."""
        self.fetcher._records = dict.fromkeys(in_hand)
        asked = [tp for tp in (A, B) if tp not in in_hand]
        request = FetchRequest(self._wait, 1, 1, 0, [("t", [(tp.partition, 0, 1) for tp in asked])])
        self._monkeypatch.setattr(internals, "_aiokafkas_actions", lambda *_: ([(1, request)], {}, 0.2, False, []))
        states = {tp: SimpleNamespace(highwater=(ENDS if highwater is None else highwater).get(tp)) for tp in NODE_OF}
        assignment = SimpleNamespace(tps=set(NODE_OF), state_value=states.__getitem__)
        ((_, found), *_), *rest = Fetcher._get_actions_per_node(self.fetcher, assignment)
        assert rest == [{}, 0.2, False, []]
        return int(found._max_wait_ms)


def test_a_fetch_for_all_that_a_broker_has_for_us_is_held_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Reader(monkeypatch).held_for() == 1000


def test_a_fetch_that_leaves_out_a_partition_whose_records_are_in_hand_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Reader(monkeypatch).held_for(in_hand=(A,)) == 100


def test_the_first_fetch_which_tells_where_the_end_is_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Reader(monkeypatch).held_for(highwater={A: 3}) == 100


def test_where_a_record_ends_no_fetch_it_is_short_for_two_seconds_after_the_last_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = Kafka.plain("k:9092")
    assert (kafka.fetch_wait_ms, kafka.fetch_wait_ms.busy) == (100, 100)
    wait = Kafka(
        kafka.servers, fetch_wait=timedelta(milliseconds=200), busy_fetch_wait=timedelta(milliseconds=25)
    ).fetch_wait_ms
    reader = Reader(monkeypatch, wait)
    assert reader.held_for() == 200, "nothing has come yet"
    assert reader.held_for(in_hand=(A,)) == 25
    assert reader.held_for() == 25
    reader.at += 2
    assert reader.held_for() == 200
