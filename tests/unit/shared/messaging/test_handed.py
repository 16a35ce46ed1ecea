"""What a relay need not read back."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.messaging import handed as handed_module
from shared.messaging.envelope import Outgoing
from shared.messaging.handed import Handed, Written

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


def _written(*ids: int, at: datetime = AT) -> Written:
    return Written(at, {id: Outgoing("topic", b"key", b"v" * 97, ()) for id in ids})


def test_what_is_committed_is_known_until_it_is_sent() -> None:
    handed = Handed()
    handed.put(_written(1, 2))
    handed.put(_written(3, at=AT + timedelta(seconds=1)))
    handed.take([1, 2, 99])
    assert handed.known() == (dict(_written(3).records), {AT + timedelta(seconds=1)})


def test_what_somebody_else_sent_is_forgotten_after_two_looks_and_nothing_before() -> None:
    handed = Handed()
    handed.put(_written(1))
    handed.forget()
    handed.put(_written(2))
    assert [*handed.known()[0]] == [1, 2]
    handed.forget()
    assert [*handed.known()[0]] == [2]
    handed.forget()
    assert handed.known() == ({}, set())


def test_there_is_room_for_so_many_bytes_and_again_once_some_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handed_module, "_MOST", 250)
    handed = Handed()
    handed.put(_written(1, 2))
    handed.put(_written(3))
    assert [*handed.known()[0]] == [1, 2], "the third is read from the table"
    handed.take([1])
    handed.put(_written(4))
    assert [*handed.known()[0]] == [2, 4]


def test_an_id_that_is_given_again_is_the_later_row() -> None:
    handed = Handed()
    handed.put(_written(1))
    handed.put(_written(1, at=AT + timedelta(days=1)))
    assert handed.known() == (dict(_written(1).records), {AT + timedelta(days=1)})
    handed.take([1])
    assert handed._bytes == 0
