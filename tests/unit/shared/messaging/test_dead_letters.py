"""A dead letter keeps everything that fits; too many that a handler failed at stop the consumer."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from shared.messaging import batches, topics
from shared.messaging.dead_letters import (
    LARGEST,
    DeadLetterLimit,
    DealtWith,
    dead_letter,
    failed_before,
    is_of_its_text,
    mark,
    opened,
    original,
    settled,
)
from shared.messaging.envelope import Outgoing, Record
from shared.messaging.errors import FatalError
from shared.messaging.internals import size_when_sent
from shared.messaging.signatures import Headers
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
    note = DealtWith("ats-events-dlq/0/3", "replayed", "2026-11-22T00:00:00Z")
    assert note.note().topic == "ats-events-dlq"
    assert settled(as_read(note.note())) == note
    assert original(as_read(note.note())) is None


def test_a_record_that_looks_like_a_note_is_a_letter_once_it_is_set_aside() -> None:
    looks_so = replace(as_read(DealtWith("ats-events-dlq/0/3", "done", "x").note()), topic="ats-events")
    letter = as_read(dead_letter(looks_so, reason="r", group="g", at=datetime(2026, 11, 22, tzinfo=UTC)))
    assert settled(letter) is None
    assert original(letter) == Outgoing("ats-events", looks_so.key, None, looks_so.headers)


@pytest.mark.parametrize("change", [{"value": b""}, {"headers": ()}, {"headers": (("fairpool_letter", b"lost"),) * 2}])
def test_what_is_not_quite_a_note_is_none(change: dict[str, Any]) -> None:
    note = as_read(DealtWith("ats-events-dlq/0/3", "done", "2026-11-22T00:00:00Z").note())
    assert settled(note) is not None
    assert settled(replace(note, **change)) is None


def test_headers_survive_the_outbox_byte_for_byte() -> None:
    assert headers_from_json(headers_to_json(RECORD.headers)) == RECORD.headers


def test_the_same_record_is_one_dead_letter_and_another_at_its_place_is_not() -> None:
    assert mark(RECORD) == mark(replace(RECORD))
    assert mark(RECORD) != mark(replace(RECORD, value=b"of a topic made anew"))
    assert mark(RECORD) != mark(replace(RECORD, offset=42))


def test_bytes_that_failed_are_known_again_wherever_a_replay_puts_them() -> None:
    assert failed_before(RECORD) == failed_before(replace(RECORD, partition=1, offset=99))
    assert failed_before(RECORD) != failed_before(replace(RECORD, value=b"others"))


def test_what_a_letter_may_weigh_is_what_the_producer_sends_and_its_topic_takes() -> None:
    assert LARGEST == batches.LARGEST_REQUEST == topics._LARGEST_DEAD_LETTER


def test_the_largest_letter_that_fits_is_whole_and_one_byte_more_is_not() -> None:
    empty = _letter(replace(RECORD, value=b""))
    room = LARGEST - size_when_sent(empty) - 3  # such a length is written in four bytes, that of the empty value in one
    fits = replace(RECORD, value=b"v" * room)
    assert size_when_sent(_letter(fits)) == LARGEST
    assert original(as_read(_letter(fits))) == Outgoing("ats-events", fits.key, fits.value, fits.headers)
    assert original(as_read(_letter(replace(fits, value=b"v" * (room + 1))))) is None


LARGE = b"0123456789" * 300_000
HEADERS: Headers = tuple((f"h{number}", LARGE[:1000]) for number in range(3000))
A_HEADER: Headers = ((LARGE.decode(), None),)
EMPTY_ONES: Headers = (("", None),) * 1_500_000


@pytest.mark.parametrize(
    ("changed", "left_out"),
    [
        ({"value": LARGE}, "value"),
        ({"key": LARGE}, "key"),
        ({"key": LARGE, "value": None}, "key"),
        ({"headers": HEADERS}, "headers"),
        ({"headers": A_HEADER}, "headers"),
        ({"headers": EMPTY_ONES}, "headers"),
        ({"key": LARGE, "value": LARGE, "headers": HEADERS}, "value key headers"),
    ],
    ids=["value", "key", "key of a tombstone", "headers", "a header's name", "empty headers", "everything"],
)
def test_of_a_record_that_is_too_large_as_much_is_kept_as_fits(changed: dict[str, object], left_out: str) -> None:
    record = replace(RECORD, **changed)  # type: ignore[arg-type]  # the changes are of several types
    letter = _letter(record)
    assert size_when_sent(letter) <= LARGEST
    assert (letter.key or b"") == (record.key or b"")[:4096]
    assert (letter.value or b"") == (record.value or b"")[:4096]
    found = opened(as_read(letter))
    assert found is not None
    assert (found.reason, found.group, found.origin) == ("invalid", "signup.ats", "ats-events/2/41")
    assert (found.size, found.left_out) == (len(record.value or b""), left_out)
    assert found.digest == hashlib.sha256(record.value or b"").hexdigest()
    assert found.own == (() if "headers" in left_out else record.headers)
    assert original(as_read(letter)) is None


def test_a_reason_of_any_length_fits() -> None:
    letter = dead_letter(RECORD, reason="invalid: " + "x" * 3_000_000, group="g", at=datetime(2026, 11, 22, tzinfo=UTC))
    assert original(as_read(letter)) is not None


def test_a_record_cannot_pretend_to_be_a_shortened_letter() -> None:
    pretends = replace(RECORD, headers=_letter(replace(RECORD, value=LARGE)).headers)
    found = opened(as_read(_letter(pretends)))
    assert found is not None
    assert (found.digest, found.own) == (None, pretends.headers)
    assert original(as_read(_letter(pretends))) == Outgoing("ats-events", RECORD.key, RECORD.value, pretends.headers)


def test_a_record_of_somebody_else_on_the_topic_is_no_letter() -> None:
    assert opened(as_read(replace(_letter(RECORD), headers=RECORD.headers))) is None
    assert opened(as_read(replace(_letter(RECORD), topic="pools-dlq"))) is None


def _letter(record: Record) -> Outgoing:
    return dead_letter(record, reason="invalid", group="signup.ats", at=datetime(2026, 11, 22, tzinfo=UTC))


def test_the_25th_in_a_row_stops() -> None:
    limit = DeadLetterLimit()
    for _ in range(24):
        limit.failed()
    with pytest.raises(FatalError, match="25 in a row"):
        limit.failed()


def test_a_handled_record_ends_the_row() -> None:
    limit = DeadLetterLimit()
    for _ in range(100):
        limit.handled(200)
        for _ in range(24):
            limit.failed()


def test_more_than_a_fifth_stops_even_when_they_do_not_come_in_a_row() -> None:
    limit = DeadLetterLimit()
    with pytest.raises(FatalError, match=r"50 of the last 200"):
        for _ in range(10_000):
            limit.handled(3)
            limit.failed()


def test_a_fifth_is_let_pass() -> None:
    limit = DeadLetterLimit()
    for _ in range(2000):
        limit.handled(4)
        limit.failed()


def test_a_few_of_a_few_are_let_pass() -> None:
    limit = DeadLetterLimit()
    for _ in range(49):
        limit.handled(1)
        limit.failed()


def test_a_failure_over_text_that_postgresql_cannot_hold_is_the_records() -> None:
    half = asyncpg.DataError("invalid input for query argument $1")
    half.__cause__ = UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
    assert is_of_its_text(half)
    assert is_of_its_text(asyncpg.CharacterNotInRepertoireError("invalid byte sequence"))
    assert not is_of_its_text(asyncpg.DataError("expected int"))
    assert not is_of_its_text(KeyError("name"))
