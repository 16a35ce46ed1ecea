"""What becomes of a batch, on a real database: each record takes effect once or is set aside with its reason."""

import time
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import pytest

from shared.contracts.base import Event
from shared.messaging.envelope import Outgoing, Received, Record
from shared.messaging.errors import FatalError, TransientError
from shared.messaging.unit import Unit, headers_from_json
from shared.postgres.pool import Pool
from tests.integration.messaging.kit import Log, Noted, consumer_of, effects, make_effects, numbers_of


def _received(log: Log, count: int, *, first: int = 0) -> list[Record]:
    return [_at(first + place, sent) for place, sent in enumerate(log.records(log.numbers(count, first=first)))]


def _at(offset: int, sent: Outgoing) -> Record:
    return Record(sent.topic, 0, offset, sent.key, sent.value, sent.headers)


async def _letters(pool: Pool) -> list[Outgoing]:
    rows = await pool.fetch("SELECT * FROM outbox ORDER BY id")
    return [Outgoing(row["topic"], row["key"], row["value"], headers_from_json(row["headers"])) for row in rows]


def _fails_for(*bad: int) -> Noted:
    def refuse(numbers: Sequence[int]) -> None:
        if set(numbers) & set(bad):
            raise ValueError("ana.ruiz@example.org was in it")

    return Noted(before=refuse)


async def test_a_batch_takes_effect_in_one_call_and_in_its_order(pool: Pool, log: Log) -> None:
    await make_effects(pool)
    handler = Noted()
    await consumer_of(log, pool, handler).process(_received(log, 500))
    assert handler.calls == [list(range(500))]
    assert await effects(pool) == list(range(500))


async def test_a_redelivered_batch_has_no_second_effect(pool: Pool, log: Log) -> None:
    await make_effects(pool)
    handler = Noted()
    await consumer_of(log, pool, handler).process(_received(log, 10))
    await consumer_of(log, pool, handler).process(_received(log, 15))
    assert handler.calls == [list(range(10)), list(range(10, 15))]
    assert await effects(pool) == list(range(15))


async def test_the_same_event_twice_in_a_batch_takes_effect_once(pool: Pool, log: Log) -> None:
    await make_effects(pool)
    records = _received(log, 3)
    again = Record(records[1].topic, 0, 99, records[1].key, records[1].value, records[1].headers)
    handler = Noted()
    await consumer_of(log, pool, handler).process([*records, again])
    assert handler.calls == [[0, 1, 2]]


async def test_another_group_has_an_inbox_of_its_own(pool: Pool, log: Log) -> None:
    await make_effects(pool)
    for group in ("one", "other"):
        await consumer_of(log, pool, Noted(), group=group).process(_received(log, 2))
    assert await effects(pool) == [0, 0, 1, 1]


async def test_without_deduplication_every_delivery_reaches_the_handler(pool: Pool, log: Log) -> None:
    await make_effects(pool)
    handler = Noted()
    consumer = consumer_of(log, pool, handler, deduplicate=False)
    await consumer.process(_received(log, 2))
    await consumer.process(_received(log, 2))
    assert handler.calls == [[0, 1], [0, 1]]


async def test_one_failing_record_is_set_aside_and_all_others_take_effect(pool: Pool, log: Log) -> None:
    await make_effects(pool)
    records = _received(log, 100)
    await consumer_of(log, pool, _fails_for(37)).process(records)
    assert await effects(pool) == [number for number in range(100) if number != 37]
    [letter] = await _letters(pool)
    assert (letter.topic, letter.key, letter.value) == (
        log.topic.dead_letters.name, records[37].key, records[37].value
    )  # fmt: skip
    assert letter.headers[: len(records[37].headers)] == records[37].headers
    assert dict(letter.headers)["fairpool_reason"] == b"failed: ValueError"
    assert dict(letter.headers)["fairpool_offset"] == b"37"


async def test_a_record_that_was_set_aside_is_not_set_aside_again(pool: Pool, log: Log) -> None:
    await make_effects(pool)
    for _ in range(2):
        await consumer_of(log, pool, _fails_for(3)).process(_received(log, 5))
    assert len(await _letters(pool)) == 1


async def test_headers_that_no_text_can_hold_are_set_aside_byte_for_byte(pool: Pool, log: Log) -> None:
    await make_effects(pool)
    good = _received(log, 3)
    bad = [
        Record(log.topic.name, 0, 10, b"\x00\xff", b"\x00\xff", (("ce_type", b"\xff"), ("trace", b"\x00\x01"), ("none", None))),
        Record(log.topic.name, 0, 11, None, None, ()),
        _at(12, Outgoing(log.topic.name, good[0].key, good[0].value, (*good[0].headers[:1], ("ce_id", b"a\x00b"), *good[0].headers[2:]))),
    ]  # fmt: skip
    await consumer_of(log, pool, Noted()).process([good[0], *bad, *good[1:]])
    assert await effects(pool) == [0, 1, 2]
    letters = await _letters(pool)
    assert [letter.headers[: len(record.headers)] for letter, record in zip(letters, bad, strict=True)] == [
        record.headers for record in bad
    ]
    reasons = [dict(letter.headers)["fairpool_reason"] for letter in letters]
    assert reasons == [
        b"unreadable: UnicodeDecodeError",
        b"unreadable: ValueError",
        b"failed: CharacterNotInRepertoireError",
    ]


async def test_what_postgresql_cannot_take_is_not_tried_again(pool: Pool, log: Log) -> None:
    async def handle(unit: Unit, received: Sequence[Received[Event]]) -> None:
        await unit.connection.execute("SELECT $1::int", "no number" if 1 in numbers_of(received) else 1)

    await consumer_of(log, pool, handle, retry_for=timedelta(0)).process(_received(log, 3))
    [letter] = await _letters(pool)
    assert dict(letter.headers)["fairpool_reason"] == b"failed: DataError"


async def test_a_transient_error_is_tried_again_and_takes_effect_once(pool: Pool, log: Log) -> None:
    await make_effects(pool)
    trials = iter([TransientError(), TimeoutError(), asyncpg.DeadlockDetectedError()])

    def fails_three_times(_: Sequence[int]) -> None:
        if error := next(trials, None):
            raise error

    handler = Noted(before=fails_three_times)
    await consumer_of(log, pool, handler).process(_received(log, 5))
    assert len(handler.calls) == 4
    assert await effects(pool) == [0, 1, 2, 3, 4]
    assert await _letters(pool) == []


async def test_what_stays_transient_too_long_is_fatal_and_sets_nothing_aside(pool: Pool, log: Log) -> None:
    await make_effects(pool)

    def never(_: Sequence[int]) -> None:
        raise TransientError("still away")

    with pytest.raises(FatalError, match="still failing after"):
        await consumer_of(log, pool, Noted(before=never), retry_for=timedelta(milliseconds=100)).process(
            _received(log, 5)
        )
    assert await effects(pool) == []
    assert await _letters(pool) == []


async def test_time_that_only_waits_is_not_held_against_what_fails_afterwards(pool: Pool, log: Log) -> None:
    await make_effects(pool)

    class OnlyWaitsError(TransientError):
        MAY_END_THE_PROCESS = False

    retry_for, began = timedelta(milliseconds=300), time.monotonic()
    failed = 0

    def waits_and_then_fails(_: Sequence[int]) -> None:
        nonlocal failed
        if time.monotonic() - began < 2 * retry_for.total_seconds():
            raise OnlyWaitsError("built anew")
        if not failed:
            failed += 1
            raise asyncpg.DeadlockDetectedError

    await consumer_of(log, pool, Noted(before=waits_and_then_fails), retry_for=retry_for).process(_received(log, 5))
    assert failed == 1
    assert await effects(pool) == [0, 1, 2, 3, 4]


async def test_a_fatal_error_of_a_handler_ends_the_batch_at_once(pool: Pool, log: Log) -> None:
    await make_effects(pool)

    def lost(_: Sequence[int]) -> None:
        raise FatalError("the fence is gone")

    handler = Noted(before=lost)
    with pytest.raises(FatalError, match="fence"):
        await consumer_of(log, pool, handler).process(_received(log, 5))
    assert len(handler.calls) == 1
    assert await _letters(pool) == []


async def test_too_many_failures_in_a_row_are_fatal(pool: Pool, log: Log) -> None:
    await make_effects(pool)
    with pytest.raises(FatalError, match="25 in a row"):
        await consumer_of(log, pool, _fails_for(*range(500))).process(_received(log, 500))
    assert len(await _letters(pool)) == 24


async def test_what_a_handler_publishes_leaves_only_with_its_effect(pool: Pool, log: Log) -> None:
    async def handle(unit: Unit, received: Sequence[Received[Event]]) -> None:
        unit.publish(*(item.event for item in received))
        if 1 in numbers_of(received):
            raise ValueError

    await consumer_of(log, pool, handle).process(_received(log, 3))
    topics = [letter.topic for letter in await _letters(pool)]
    assert sorted(topics) == sorted([log.topic.name, log.topic.name, log.topic.dead_letters.name])
