"""What a relay need not read back."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from shared.messaging import handed as handed_module
from shared.messaging.envelope import Outgoing
from shared.messaging.handed import Handed, Written

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
LATER = AT + timedelta(seconds=1)
SHARDS = 2


def _written(*ids: int, at: datetime = AT) -> Written:
    """Rows of 100 bytes; those with an odd id are in shard 1, the others in shard 0."""
    return Written(at, {id: Outgoing("topic", b"%d" % (id % 2), b"v" * 90, (("head", b"er..."),)) for id in ids})


@pytest.fixture
def handed() -> Handed:
    return Handed(lambda key: int(key or b"0"))


def _ids(handed: Handed, *shards: int, most: int = 100) -> list[int]:
    return sorted(handed.known(shards or range(SHARDS), most)[0])


def test_what_is_committed_is_known_until_it_is_sent(handed: Handed) -> None:
    handed.put(_written(1, 2))
    handed.put(_written(3, at=LATER))
    handed.take([1, 2, 99])
    assert handed.known(range(SHARDS), 100) == (dict(_written(3).records), {LATER})


def test_a_turn_is_told_of_its_own_shards_and_no_more_of_each_than_it_takes(handed: Handed) -> None:
    handed.put(_written(*range(10)))
    handed.put(_written(*range(10, 20), at=LATER))
    assert _ids(handed, 1, most=3) == [1, 3, 5]
    assert _ids(handed, most=3) == [0, 1, 2, 3, 4, 5]
    assert handed.known([0], 5)[1] == {AT}
    assert handed.known([0], 6)[1] == {AT, LATER}


def test_what_comes_before_what_a_turn_took_is_gone_whoever_sent_it(handed: Handed) -> None:
    handed.put(_written(*range(10)))
    known, _ = handed.known([0], 4)
    handed.put(_written(10, 11))
    handed.gone(known, {0: 4})
    assert _ids(handed) == [1, 3, 5, 6, 7, 8, 9, 10, 11]
    handed.gone(handed.known([0], 2)[0], {0: math.inf})
    assert _ids(handed, 0) == [10], "what came while the turn went on stays"
    handed.gone(handed.known(range(SHARDS), 100)[0], {})
    assert _ids(handed) == [1, 3, 5, 7, 9, 10, 11], "nothing is said of a shard that another process has"


def test_what_somebody_else_sent_is_forgotten_after_two_looks_and_nothing_before(handed: Handed) -> None:
    handed.put(_written(1))
    handed.forget()
    handed.put(_written(2))
    assert _ids(handed) == [1, 2]
    handed.forget()
    assert _ids(handed) == [2]
    handed.forget()
    assert len(handed) == 0


@pytest.mark.parametrize(("limit", "room"), [("_MOST", 250), ("_MOST_ROWS", 2)])
def test_there_is_room_for_so_much_and_again_once_some_is_gone(
    handed: Handed, monkeypatch: pytest.MonkeyPatch, limit: str, room: int
) -> None:
    monkeypatch.setattr(handed_module, limit, room)
    handed.put(_written(1, 2))
    assert handed._bytes == 200, "keys, values and headers"
    handed.put(_written(3))
    assert _ids(handed) == [1, 2], "the third is read from the table"
    handed.take([1])
    handed.put(_written(4))
    assert _ids(handed) == [2, 4]


def test_an_id_that_is_given_again_is_the_later_row(handed: Handed) -> None:
    handed.put(_written(1))
    again = Written(LATER, {1: Outgoing("topic", b"0", b"other", ())})
    handed.put(again)
    assert handed.known(range(SHARDS), 100) == (again.records, {LATER})
    handed.take([1])
    assert handed._bytes == 0
