"""How long a fetch may be held: for long only where any record that comes ends it, or where nothing has come lately."""

from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.protocol.fetch import FetchRequest, FetchResponse_v4
from hypothesis import given
from hypothesis import strategies as st

from shared.beats import beat_after
from shared.messaging import fetches
from shared.messaging.ends import EndsWatch
from shared.messaging.kafka import Kafka
from shared.messaging.same_bytes import WrittenOnce, remembering

A, B, C = (TopicPartition("t", number) for number in range(3))
NODE_OF = {A: 1, B: 1, C: 2}
FIVE_SECONDS = timedelta(seconds=5)
ENDS = {A: 3, B: 0, C: 0}


class Known:
    """A fetcher, as far as it is asked here."""

    def __init__(self, **known: object) -> None:
        vars(self).update(known)


class Reader:
    """A fetcher of which aiokafka would now ask the first broker for what is not in hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, wait: int = 1000) -> None:
        self.fetcher: Any = Known(_select_read_replica=NODE_OF.get, _records={}, _fetch_max_wait_ms=wait)
        self.at = 100.0
        self._wait = wait
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(fetches, "_now", lambda: self.at)

    def held_for(
        self, *, in_hand: tuple[TopicPartition, ...] = (), highwater: dict[TopicPartition, int] | None = None
    ) -> int:
        """Milliseconds that its fetch may be held."""
        ((_, found), *_), *rest = self.actions(in_hand=in_hand, highwater=highwater)
        assert rest == [{}, 0.2 if in_hand else beat_after(self.at, FIVE_SECONDS) - self.at, False, []]
        return int(found._max_wait_ms)

    def actions(
        self,
        *,
        in_hand: tuple[TopicPartition, ...] = (),
        highwater: dict[TopicPartition, int] | None = None,
        offset: int = 0,
        resets: bool = False,
    ) -> Any:
        """What it does now: requests, resets, how long it sleeps, whether a leader is missing, what wakes it."""
        self.fetcher._records = dict.fromkeys(in_hand)
        asked = [tp for tp in (A, B) if tp not in in_hand]
        request = FetchRequest(self._wait, 1, 1, 0, [("t", [(tp.partition, offset, 1) for tp in asked])])
        self._monkeypatch.setattr(
            fetches, "_aiokafkas_actions", lambda *_: ([(1, request)], {1: [A]} if resets else {}, 0.2, False, [])
        )
        states = {tp: SimpleNamespace(highwater=(ENDS if highwater is None else highwater).get(tp)) for tp in NODE_OF}
        assignment = SimpleNamespace(tps=set(NODE_OF), state_value=states.__getitem__)
        return Fetcher._get_actions_per_node(self.fetcher, assignment)


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
    assert (kafka.fetch_wait_ms(), kafka.fetch_wait_ms().busy) == (100, 100)
    wait = Kafka(
        kafka.servers, fetch_wait=timedelta(milliseconds=200), busy_fetch_wait=timedelta(milliseconds=25)
    ).fetch_wait_ms()
    reader = Reader(monkeypatch, wait)
    assert reader.held_for() == 200, "nothing has come yet"
    assert reader.held_for(in_hand=(A,)) == 25
    assert reader.held_for() == 25
    reader.at += 2
    assert reader.held_for() == 200


def test_a_reader_turns_its_loop_only_for_what_wakes_it_or_where_it_has_to_find_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch)
    assert reader.actions()[2] == 5.0
    assert reader.actions(in_hand=(A,))[2] == 0.2
    assert reader.actions(resets=True)[2] == 0.2


async def test_where_a_broker_holds_each_fetch_none_is_made_before_there_is_something_and_it_is_not_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = EndsWatch(timedelta(milliseconds=200), timedelta(milliseconds=25))
    wait = Kafka(("k:9092",), fetch_wait=watch.idle, busy_fetch_wait=watch.busy).fetch_wait_ms(watch)
    reader = Reader(monkeypatch, wait)

    def asks(offset: int, ends: dict[TopicPartition, int] | None = None) -> tuple[list[int], list[Any]]:
        requests, _, _, _, woken = reader.actions(highwater=ends or {A: 3, B: 3, C: 3}, offset=offset)
        return [request._max_wait_ms for _, request in requests], woken

    assert asks(0, {A: 3}) == ([0], []), "nobody knows yet where the end is"
    assert asks(2) == ([0], []), "there is more"
    assert asks(2) == ([25], []), "it was said that there is more, and nothing came: no hurry"
    held, (told,) = asks(3)
    assert held == [] and not told.done()
    watch.note({B: 4})
    assert told.done()
    assert asks(3) == ([0], []), "it was told"
    assert asks(4)[0] == []
    reader.at += 5
    assert asks(4) == ([0], []), "what is told may be wrong: from time to time it looks without"
    assert asks(4)[0] == []


def test_a_fetch_that_asks_for_the_same_is_written_once_and_another_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch)
    highwater = {A: 0, B: 0}

    def asked(offset: int) -> Any:
        ((_, found),) = reader.actions(highwater=highwater, offset=offset)[0]
        return found.prepare({1: (0, 11)})

    first = asked(0)
    assert asked(0) is first
    assert asked(0).encode() is first.encode()
    other = asked(7)
    assert other is not first
    plain = FetchRequest(1000, 1, 1, 0, [("t", [(tp.partition, 7, 1) for tp in (A, B)])]).prepare({1: (0, 11)})
    assert other.encode() == plain.encode(), "what aiokafka writes"
    assert asked(0).encode() == first.encode()


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=3)), max_size=12))
def test_an_answer_is_what_aiokafka_makes_of_it_however_often_it_comes(
    answers: list[tuple[int, bytes]],
) -> None:
    plain = FetchRequest(1000, 1, 1, 0, [("t", [(0, 7, 1)])]).prepare({1: (0, 4)})
    once, before = WrittenOnce(plain), None
    for highwater, records in answers:
        raw = FetchResponse_v4(0, [("t", [(0, 0, highwater, highwater, [], records)])]).encode()
        found = once.RESPONSE_TYPE.decode(BytesIO(raw))
        assert found == FetchResponse_v4.decode(raw)
        assert (before is not None and before[0] == raw) == (before is not None and before[1] is found)
        before = raw, found


def test_an_answer_with_much_in_it_is_not_kept() -> None:
    calls = list[bytes]()
    read = remembering(lambda read: calls.append(read.read()))
    for answer in (b"a", b"a", b"x" * 100_000, b"x" * 100_000, b"a", b"a"):
        read(answer)
    assert [len(one) for one in calls] == [1, 100_000, 100_000, 1]
