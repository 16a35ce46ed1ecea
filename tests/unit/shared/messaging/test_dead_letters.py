"""A dead letter keeps everything; too many of them stop the consumer."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.messaging.dead_letters import DeadLetterLimit, Settled, dead_letter, mark, original, settled
from shared.messaging.envelope import Outgoing, Record
from shared.messaging.errors import FatalError
from shared.messaging.unit import headers_from_json, headers_to_json

RECORD = Record(
    "ats-events",
    2,
    41,
    b"\x00key",
    b"\xffvalue",
    (("ce_id", b"\x00\xff"), ("empty", None), ("twice", b"1"), ("twice", b"2")),
)


def test_a_dead_letter_is_the_record_as_it_came_with_why_and_where_from() -> None:
    letter = dead_letter(
        RECORD, reason="invalid: at: missing", group="signup.ats", at=datetime(2026, 11, 22, tzinfo=UTC)
    )
    assert (letter.topic, letter.key, letter.value) == ("ats-events-dlq", RECORD.key, RECORD.value)
    assert letter.headers[: len(RECORD.headers)] == RECORD.headers
    assert dict(letter.headers[len(RECORD.headers) :]) == {
        "fairpool_reason": b"invalid: at: missing",
        "fairpool_group": b"signup.ats",
        "fairpool_topic": b"ats-events",
        "fairpool_partition": b"2",
        "fairpool_offset": b"41",
        "fairpool_at": b"2026-11-22T00:00:00Z",
    }


def test_a_record_with_neither_key_nor_value_can_be_sent_on() -> None:
    nothing = replace(RECORD, key=None, value=None)
    letter = dead_letter(nothing, reason="unreadable", group="g", at=datetime(2026, 11, 22, tzinfo=UTC))
    assert (letter.key, letter.value) == (None, b"")


def as_read(sent: Outgoing, offset: int = 7) -> Record:
    return Record(sent.topic, 0, offset, sent.key, sent.value, sent.headers)


def test_a_note_on_a_letter_is_read_as_it_was_written_and_lies_on_the_letters_topic() -> None:
    note = Settled("ats-events-dlq/0/3", "replayed", "2026-11-22T00:00:00Z")
    assert note.note().topic == "ats-events-dlq"
    assert settled(as_read(note.note())) == note
    assert original(as_read(note.note())) is None


def test_a_record_that_looks_like_a_note_is_a_letter_once_it_is_set_aside() -> None:
    looks_so = replace(as_read(Settled("ats-events-dlq/0/3", "done", "x").note()), topic="ats-events")
    letter = as_read(dead_letter(looks_so, reason="r", group="g", at=datetime(2026, 11, 22, tzinfo=UTC)))
    assert settled(letter) is None
    assert original(letter) == Outgoing("ats-events", looks_so.key, None, looks_so.headers)


@pytest.mark.parametrize("change", [{"value": b""}, {"headers": ()}, {"headers": (("fairpool_letter", b"lost"),) * 2}])
def test_what_is_not_quite_a_note_is_none(change: dict[str, Any]) -> None:
    note = as_read(Settled("ats-events-dlq/0/3", "done", "2026-11-22T00:00:00Z").note())
    assert settled(note) is not None
    assert settled(replace(note, **change)) is None


def test_headers_survive_the_outbox_byte_for_byte() -> None:
    assert headers_from_json(headers_to_json(RECORD.headers)) == RECORD.headers


def test_the_same_record_is_one_dead_letter_and_another_at_its_place_is_not() -> None:
    assert mark(RECORD) == mark(replace(RECORD))
    assert mark(RECORD) != mark(replace(RECORD, value=b"of a topic made anew"))
    assert mark(RECORD) != mark(replace(RECORD, offset=42))


def test_the_25th_in_a_row_stops() -> None:
    limit = DeadLetterLimit()
    for _ in range(24):
        limit.note(dead=True)
    with pytest.raises(FatalError, match="25 in a row"):
        limit.note(dead=True)


def test_a_good_record_ends_the_row() -> None:
    limit = DeadLetterLimit()
    for _ in range(100):
        for _ in range(200):
            limit.note(dead=False)
        for _ in range(24):
            limit.note(dead=True)


def test_more_than_a_fifth_stops_even_when_they_do_not_come_in_a_row() -> None:
    limit = DeadLetterLimit()
    with pytest.raises(FatalError, match=r"50 of the last 200"):
        for number in range(1, 10_000):
            limit.note(dead=number % 4 == 0)


def test_a_fifth_is_let_pass() -> None:
    limit = DeadLetterLimit()
    for number in range(10_000):
        limit.note(dead=number % 5 == 4)


def test_a_few_of_a_few_are_let_pass() -> None:
    limit = DeadLetterLimit()
    for number in range(98):
        limit.note(dead=number % 2 == 0)
