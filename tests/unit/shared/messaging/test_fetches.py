"""How long a fetch may be held: for long only where any record that comes ends it."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.protocol.fetch import FetchRequest

from shared.messaging import internals

A, B, C = (TopicPartition("t", number) for number in range(3))
NODE_OF = {A: 1, B: 1, C: 2}


def held_for(monkeypatch: pytest.MonkeyPatch, asked: list[TopicPartition], highwater: dict[TopicPartition, int]) -> int:
    """Milliseconds that a fetch for these partitions of the first broker may be held."""
    request = FetchRequest(1000, 1, 1, 0, [("t", [(tp.partition, 0, 1) for tp in asked])])
    monkeypatch.setattr(internals, "_aiokafkas_actions", lambda *_: ([(1, request)], {}, 0.2, False, []))
    fetcher: Any = SimpleNamespace(_select_read_replica=NODE_OF.get)
    states = {tp: SimpleNamespace(highwater=highwater.get(tp)) for tp in NODE_OF}
    assignment = SimpleNamespace(tps=set(NODE_OF), state_value=states.__getitem__)
    ((_, found), *_), *rest = Fetcher._get_actions_per_node(fetcher, assignment)
    assert rest == [{}, 0.2, False, []]
    return int(found._max_wait_ms)


def test_a_fetch_for_all_that_a_broker_has_for_us_is_held_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert held_for(monkeypatch, [A, B], {A: 3, B: 0}) == 1000


def test_a_fetch_that_leaves_out_a_partition_whose_records_are_in_hand_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert held_for(monkeypatch, [B], {A: 3, B: 0, C: 0}) == 100


def test_the_first_fetch_which_tells_where_the_end_is_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert held_for(monkeypatch, [A, B], {A: 3}) == 100
