"""Consumer groups on a real broker: what is acknowledged, what comes again, what is set aside."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher
from prometheus_client import REGISTRY

from shared.contracts.base import Event
from shared.messaging import internals
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import opened, original
from shared.messaging.envelope import Outgoing, Received
from shared.messaging.errors import FatalError
from shared.messaging.producer import Producer
from shared.messaging.relay import Relay
from shared.messaging.unit import Unit
from shared.messaging.watchdog import Watchdog
from shared.postgres.pool import Pool
from tests.fakes.headers import NotUtf8
from tests.integration.messaging.kit import (
    Log,
    Noted,
    consumer_of,
    consuming,
    effects,
    make_effects,
    numbers_of,
    relay_everything,
    with_the_python_builder,
)
from tests.waiting import until


async def test_a_batch_killed_before_its_acknowledgement_comes_again_and_has_no_second_effect(
    pool: Pool, log: Log, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_effects(pool)
    await producer.send(log.records(log.numbers(300)))
    killed: list[BaseException] = []
    first = Noted()

    async def dies(self: AIOKafkaConsumer, offsets: object) -> None:
        raise OSError("killed between commit and acknowledgement")

    with monkeypatch.context() as patched:
        patched.setattr(AIOKafkaConsumer, "commit", dies)
        async with consuming(log, consumer_of(log, pool, first, on_fatal=killed.append)):
            await until(lambda: killed)
    done = await effects(pool)
    assert done and len(killed) == 1 and len(first.calls) == 1

    again = Noted()
    async with consuming(log, consumer_of(log, pool, again)):
        await until(lambda: len(first.seen) + len(again.seen) >= 300)
    assert await effects(pool) == list(range(300))
    assert not set(first.seen) & set(again.seen)
    ages = [
        REGISTRY.get_sample_value(f"fairpool_record_seconds_{what}", {"subscription": f"test.numbers.{log.topic.name}"})
        for what in ("count", "sum")
    ]
    assert ages[0] and ages[0] >= 300, "each tells how long it was on the topic until it was in hand"
    assert ages[1] and 0 < ages[1] / ages[0] < 600


async def test_poison_in_mid_batch_is_set_aside_alone_with_its_bytes_headers_and_reason(
    pool: Pool, log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    good = log.records(log.numbers(300))
    headers = dict(good[0].headers)
    poison = [
        Outgoing(log.topic.name, b"k1", b"\x00\xff{not json", good[0].headers),
        Outgoing(
            log.topic.name, b"k1", good[1].value, (("ce_id", b"\xff\xfe"), ("binary", b"\x00\x80"), ("none", None))
        ),
        Outgoing(log.topic.name, b"k2", good[2].value, tuple((headers | {"ce_type": b"another.event.v1"}).items())),
        Outgoing(log.topic.name, b"another key", good[3].value, tuple((headers | {"ce_id": b"wrong key"}).items())),
        Outgoing(log.topic.name, b"", b"", ()),
    ]
    reasons = [b"invalid", b"unreadable", b"unknown_type", b"wrong_key", b"unknown_type", b"failed: ValueError"]

    def refuse(numbers: Sequence[int]) -> None:
        if 137 in numbers:
            raise ValueError("only this one")

    await producer.send([*good[:100], *poison, *good[100:]])
    async with consuming(log, consumer_of(log, pool, Noted(before=refuse))):
        await until(lambda: _are(pool, [number for number in range(300) if number != 137]))
        await until(lambda: _set_aside(pool, 6))
    await relay_everything(pool, Relay(pool, producer))

    letters = await log.read(log.topic.dead_letters)
    expected = [*poison, good[137]]
    found = {(letter.key or b"", letter.value or b"", letter.headers[:-6]): letter for letter in letters}
    assert len(letters) == len(found) == len(expected)
    for sent, reason in zip(expected, reasons, strict=True):
        letter = found[(sent.key or b"", sent.value or b"", sent.headers)]
        assert (dict(letter.headers)["fairpool_reason"] or b"").startswith(reason)
        assert dict(letter.headers)["fairpool_topic"] == log.topic.name.encode()


async def test_a_record_is_not_set_aside_because_a_release_adds_a_column_beside_the_one_before(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    await make_effects(pool)

    async def read_as_it_is(unit: Unit, received: Sequence[Received[Event]]) -> None:
        await unit.connection.fetch("SELECT * FROM effects")
        await Noted()(unit, received)

    async with consuming(narrow_log, consumer_of(narrow_log, pool, read_as_it_is)):
        for number in range(4):
            await producer.send(narrow_log.records(narrow_log.numbers(1, first=number)))
            await until(partial(_are, pool, list(range(number + 1))))
            await pool.execute(f"ALTER TABLE effects ADD COLUMN of_release_{number} text")
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0


async def _are(pool: Pool, numbers: list[int]) -> bool:
    return await effects(pool) == numbers


async def _set_aside(pool: Pool, count: int) -> bool:
    return int(await pool.fetchval("SELECT count(*) FROM outbox")) == count


async def test_a_kind_that_an_older_version_does_not_take_waits_for_the_newer_one_as_a_dead_letter(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    sent = narrow_log.records(narrow_log.numbers(40))
    fatal: list[BaseException] = []
    older = consumer_of(narrow_log, pool, Noted(), on_fatal=fatal.append)
    older = replace(older, subscription=replace(older.subscription, takes=()))
    await producer.send(sent)
    async with consuming(narrow_log, older):
        await until(lambda: _set_aside(pool, 40))
    assert (fatal, await effects(pool)) == ([], []), "more than any limit of failures, and the process goes on"

    await relay_everything(pool, Relay(pool, producer))
    letters = await narrow_log.read(narrow_log.topic.dead_letters)
    assert {str(found.reason).split(":")[0] for letter in letters if (found := opened(letter))} == {"unknown_type"}
    again = [record for letter in letters if (record := original(letter)) is not None]
    assert set(again) == set(sent)
    newer = consumer_of(narrow_log, pool, Noted(), group="test.numbers")
    async with consuming(narrow_log, newer):
        await producer.send(again)
        await until(lambda: _are(pool, list(range(40))))
    assert await _set_aside(pool, 0)


async def test_what_a_subscription_has_no_use_for_is_neither_handled_nor_set_aside_nor_kept(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    handler, woken = Noted(), list[object]()
    consumer = replace(consumer_of(narrow_log, pool, handler), after_commit=woken.append)
    consumer = replace(consumer, subscription=replace(consumer.subscription, takes=(), ignores=(narrow_log.kind,)))
    await producer.send(narrow_log.records(narrow_log.numbers(5)))
    await consumer.process(await narrow_log.read())
    assert (handler.calls, woken) == ([], [])
    assert await pool.fetchval("SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM inbox)") == 0


async def test_the_relay_is_told_what_a_batch_wrote_and_of_nothing_else(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    committed: list[Unit] = []

    async def answers(unit: Unit, received: Sequence[Received[Event]]) -> None:
        if 1 in numbers_of(received):
            unit.publish(narrow_log.kind(name="k", number=7))

    consumer = replace(consumer_of(narrow_log, pool, answers), after_commit=committed.append)
    await producer.send(narrow_log.records(narrow_log.numbers(2)))
    quiet, loud = await narrow_log.read()
    await consumer.process([quiet])
    assert not any(unit.shards for unit in committed)
    await consumer.process([loud])
    await consumer.process([quiet, loud])
    wrote = [unit for unit in committed if unit.shards]
    assert [len(unit.shards) for unit in wrote] == [1], "a batch that comes again writes nothing"
    assert [[*unit.written.records] for unit in wrote if unit.written] == [list(wrote[0].outbox_ids)]


async def test_at_the_limit_nothing_is_acknowledged_and_a_mended_release_gets_everything(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    await producer.send(narrow_log.records(narrow_log.numbers(60)))
    fatal: list[BaseException] = []

    def broken_release(_: Sequence[int]) -> None:
        raise KeyError("a field that nobody sends")

    broken = Noted(before=broken_release)
    async with consuming(narrow_log, consumer_of(narrow_log, pool, broken, on_fatal=fatal.append)):
        await until(lambda: fatal)
        await producer.send(narrow_log.records(narrow_log.numbers(5, first=60)))
    assert [type(error) for error in fatal] == [FatalError]
    assert await effects(pool) == []
    assert await _set_aside(pool, 24)

    async with consuming(narrow_log, consumer_of(narrow_log, pool, Noted())):
        await until(lambda: _are(pool, list(range(65))))


async def test_each_start_gets_past_24_more_of_the_records_that_a_handler_fails_at(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    await producer.send(narrow_log.records(narrow_log.numbers(61)))

    def refuse(numbers: Sequence[int]) -> None:
        if any(number < 60 for number in numbers):
            raise KeyError("a field that these sixty lack")

    for set_aside in (24, 48):
        fatal: list[BaseException] = []
        async with consuming(narrow_log, consumer_of(narrow_log, pool, Noted(before=refuse), on_fatal=fatal.append)):
            await until(lambda: fatal)  # noqa: B023 - awaited within the turn
        assert await _set_aside(pool, set_aside)
    async with consuming(narrow_log, consumer_of(narrow_log, pool, Noted(before=refuse))):
        await until(lambda: _are(pool, [60]))
    assert await _set_aside(pool, 60)


async def test_a_flood_of_what_is_no_event_passes_without_an_operator(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    flood = [Outgoing(narrow_log.topic.name, b"k%d" % number, b"{}", (("ce_type", b"x"),)) for number in range(180)]
    await producer.send([*flood, *narrow_log.records(narrow_log.numbers(1))])
    fatal: list[BaseException] = []
    async with consuming(narrow_log, consumer_of(narrow_log, pool, Noted(), on_fatal=fatal.append)):
        await until(lambda: _are(pool, [0]))
    assert await _set_aside(pool, 180)
    assert fatal == []


async def test_replays_that_fail_again_do_not_end_the_process(pool: Pool, narrow_log: Log, producer: Producer) -> None:
    await make_effects(pool)
    bad = narrow_log.records(narrow_log.numbers(12))

    def refuse(numbers: Sequence[int]) -> None:
        if any(number < 12 for number in numbers):
            raise KeyError("still not mended")

    fatal: list[BaseException] = []
    async with consuming(narrow_log, consumer_of(narrow_log, pool, Noted(before=refuse), on_fatal=fatal.append)):
        await producer.send(bad)
        await until(lambda: _set_aside(pool, 12))
        await producer.send([*bad, *bad, *bad, *narrow_log.records(narrow_log.numbers(1, first=12))])
        await until(lambda: _are(pool, [12]))
    assert await _set_aside(pool, 48)
    assert fatal == []


async def test_text_that_postgresql_cannot_hold_is_set_aside_without_limit(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    sent = narrow_log.records(narrow_log.numbers(31))
    foul = [
        replace(
            record, headers=tuple((name, b"\0%d" % number if name == "ce_id" else raw) for name, raw in record.headers)
        )
        for number, record in enumerate(sent[:30])
    ]
    fatal: list[BaseException] = []
    await producer.send([*foul, sent[30]])
    async with consuming(narrow_log, consumer_of(narrow_log, pool, Noted(), on_fatal=fatal.append)):
        await until(lambda: _are(pool, [30]))
    assert await _set_aside(pool, 30)
    assert fatal == []


async def test_a_record_too_large_for_a_dead_letter_becomes_one_that_can_be_sent(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    large = b"a" * 3_000_000
    await narrow_log.write_in_big_batches([Outgoing(narrow_log.topic.name, b"key", large, (("ce_type", b"x"),))])
    await producer.send(narrow_log.records(narrow_log.numbers(1)))
    async with consuming(narrow_log, consumer_of(narrow_log, pool, Noted())):
        await until(lambda: _are(pool, [0]))
    await relay_everything(pool, Relay(pool, producer))

    [letter] = await narrow_log.read(narrow_log.topic.dead_letters)
    found = opened(letter)
    assert found is not None
    assert (found.reason[:12], found.origin) == ("unknown_type", f"{narrow_log.topic.name}/0/0")
    assert (found.size, found.digest, found.left_out) == (len(large), hashlib.sha256(large).hexdigest(), "value")
    assert (letter.key, letter.value, found.own) == (b"key", large[:4096], (("ce_type", b"x"),))


async def test_a_header_whose_name_is_not_utf8_hurts_no_good_event_and_blocks_no_partition(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    good = narrow_log.records(narrow_log.numbers(3))
    odd = (NotUtf8("odd"), b"value")
    poison = Outgoing(narrow_log.topic.name, b"k", b"{}", (odd,))
    with with_the_python_builder():
        await narrow_log.write_in_big_batches(
            [good[0], replace(good[1], headers=(*good[1].headers, odd)), poison, good[2]]
        )
    async with consuming(narrow_log, consumer_of(narrow_log, pool, Noted())):
        await until(lambda: _are(pool, [0, 1, 2]))
    await relay_everything(pool, Relay(pool, producer))

    assert [record.offset for record in await narrow_log.read()] == [0, 1, 2, 3]
    [letter] = await narrow_log.read(narrow_log.topic.dead_letters)
    assert original(letter) == replace(poison, headers=(("\\xff\\xfeodd", b"value"),))


async def test_records_that_cannot_be_taken_apart_end_the_process_which_says_where_they_are(
    pool: Pool, narrow_log: Log, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_effects(pool)
    await producer.send(narrow_log.records(narrow_log.numbers(3)))
    damaged = internals._RawRecords

    def flipped(raw: bytes) -> internals._RawRecords:
        return damaged(raw[:-1] + bytes([raw[-1] ^ 1]) if len(raw) > 60 else raw)

    monkeypatch.setattr(fetcher, "MemoryRecords", flipped)
    consumer = consumer_of(narrow_log, pool, Noted())
    async with consuming(narrow_log, consumer):
        with pytest.raises(
            FatalError, match=rf"{narrow_log.topic.name}/0: the records from offset \d on cannot be taken"
        ):
            await Watchdog(timedelta(minutes=1), [consumer]).run()


async def test_a_graceful_stop_finishes_the_batch_and_acknowledges_it(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()
    finished: list[int] = []

    async def slow(unit: Unit, received: Sequence[Received[Event]]) -> None:
        began.set()
        await go_on.wait()
        finished.extend(numbers_of(received))

    await producer.send(narrow_log.records(narrow_log.numbers(20)))
    async with asyncio.timeout(180):
        async with consuming(narrow_log, consumer_of(narrow_log, pool, slow, deduplicate=False)) as broker:
            await began.wait()
            stopping = asyncio.create_task(broker.stop())
            await until(lambda: not any(subscriber.running for subscriber in broker.subscribers))
            assert not stopping.done()
            go_on.set()
            await stopping
    assert finished

    later = Noted()
    await make_effects(pool)
    await producer.send(narrow_log.records(narrow_log.numbers(1, first=1000)))
    async with consuming(narrow_log, consumer_of(narrow_log, pool, later, deduplicate=False)):
        await until(lambda: 1000 in later.seen)
    assert sorted(finished + later.seen) == [*range(20), 1000]


@pytest.mark.parametrize("lanes", [1, 2])
async def test_while_members_come_and_go_no_record_is_in_two_hands(
    pool: Pool, log: Log, producer: Producer, lanes: int
) -> None:
    await make_effects(pool)
    hands: dict[int, int] = {}
    clashes: list[int] = []

    async def careful(unit: Unit, received: Sequence[Received[Event]]) -> None:
        numbers = numbers_of(received)
        clashes.extend(number for number in numbers if hands.get(number))
        hands.update(dict.fromkeys(numbers, 1))
        await unit.connection.execute("SELECT pg_sleep(0.05)")
        await unit.connection.execute("INSERT INTO effects (number) SELECT unnest($1::int[])", numbers)
        hands.update(dict.fromkeys(numbers, 0))

    await producer.send(log.records(log.numbers(1500, keys=60)))
    fatal: list[BaseException] = []

    def member() -> Consumer:
        made = consumer_of(log, pool, careful, deduplicate=False, on_fatal=fatal.append)
        return replace(made, subscription=replace(made.subscription, max_records=10, lanes=lanes))

    async with consuming(log, member()):
        await until(lambda: len(hands) > 100)
        async with consuming(log, member()):
            await until(lambda: len(hands) > 900)
        await until(lambda: len(hands) == 1500, within=timedelta(seconds=180))
        await until(lambda: not any(hands.values()))
    assert (clashes, fatal) == ([], [])
    assert await effects(pool) == list(range(1500))


def _in_two_lanes(made: Consumer, *, max_records: int) -> Consumer:
    return replace(made, subscription=replace(made.subscription, lanes=2, max_records=max_records))


async def test_batches_of_two_partitions_are_in_hand_at_once_and_no_key_is_overtaken(
    pool: Pool, log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    seen: dict[str, list[int]] = {}
    in_hand: set[str] = set()
    most = 0

    async def side_by_side(unit: Unit, received: Sequence[Received[Event]]) -> None:
        nonlocal most
        keys = {str(item.event.key) for item in received}
        assert not keys & in_hand, "nobody is in two batches at once"
        in_hand.update(keys)
        most = max(most, len(in_hand - keys))
        await unit.connection.execute("SELECT pg_sleep(0.02)")
        await unit.connection.execute("INSERT INTO effects (number) SELECT unnest($1::int[])", numbers_of(received))
        for item, number in zip(received, numbers_of(received), strict=True):
            seen.setdefault(str(item.event.key), []).append(number)
        in_hand.difference_update(keys)

    await producer.send(log.records(log.numbers(600)))
    fatal: list[BaseException] = []
    async with consuming(
        log, _in_two_lanes(consumer_of(log, pool, side_by_side, on_fatal=fatal.append), max_records=20)
    ):
        await until(lambda: fatal or sum(map(len, seen.values())) == 600)
    assert (fatal, await effects(pool)) == ([], list(range(600)))
    assert most, "two batches were in hand at once"
    assert all(numbers == sorted(numbers) for numbers in seen.values())


async def test_of_two_batches_of_which_one_is_done_and_acknowledged_when_the_process_ends_the_other_comes_again(
    pool: Pool, log: Log, producer: Producer
) -> None:
    await make_effects(pool)
    one_more = asyncio.Event()
    calls, before, not_done = 0, list[int](), list[int]()

    async def ends(unit: Unit, received: Sequence[Received[Event]]) -> None:
        nonlocal calls
        calls += 1
        numbers = numbers_of(received)
        if calls == 2:
            not_done.extend(numbers)
            await one_more.wait()
            raise FatalError("ended with this in hand, when what was beside it is acknowledged")
        if calls > 2:
            one_more.set()
            await asyncio.Event().wait()
        await unit.connection.execute("INSERT INTO effects (number) SELECT unnest($1::int[])", numbers)
        before.extend(numbers)

    await producer.send(log.records(log.numbers(300)))
    fatal: list[BaseException] = []
    async with consuming(log, _in_two_lanes(consumer_of(log, pool, ends, on_fatal=fatal.append), max_records=40)):
        await until(lambda: fatal)
    assert isinstance(fatal[0], FatalError)
    assert await effects(pool) == sorted(before) != []

    again = Noted()
    async with consuming(log, _in_two_lanes(consumer_of(log, pool, again), max_records=40)):
        await until(lambda: _are(pool, list(range(300))))
    assert not set(before) & set(again.seen), "what is done has no second effect"
    assert set(not_done) <= set(again.seen)
