"""Records that nobody who may say them has signed: set aside without limit, and what is signed between them is handled."""

from collections import Counter
from dataclasses import replace

from shared.messaging.envelope import Record
from shared.messaging.producer import Producer
from shared.messaging.signatures import BAD_SIGNATURE, UNSIGNED, Verifier
from shared.metrics import SIGNATURES_REFUSED
from shared.postgres.pool import Pool
from shared.security.links import public_half
from tests.integration.messaging.kit import Log, Noted, consumer_of, effects, make_effects
from tests.integration.messaging.test_follower import SOON, Projection, following
from tests.signing import PUBLIC, seed_of, signed_by, with_signatures
from tests.waiting import until

KNOWN = Verifier({**PUBLIC, "test": (public_half(seed_of("test")),)})


async def test_sixty_forged_records_in_a_row_stop_nobody_and_are_counted(pool: Pool, narrow_log: Log) -> None:
    await make_effects(pool)
    good = with_signatures(narrow_log.records(narrow_log.numbers(3)), signed_by("test"))
    unsigned = narrow_log.records(narrow_log.numbers(30, first=100))
    others = with_signatures(narrow_log.records(narrow_log.numbers(30, first=200)), signed_by("consent"))
    sent = [good[0], *unsigned, good[1], *others, good[2]]
    records = [Record(one.topic, 0, at, one.key, one.value, one.headers) for at, one in enumerate(sent)]
    ended: list[BaseException] = []
    consumer = consumer_of(narrow_log, pool, Noted(), on_fatal=ended.append)
    consumer.verifier = KNOWN
    await consumer.process(records)
    assert await effects(pool) == [0, 1, 2]
    assert not ended
    reasons = [row["headers"] for row in await pool.fetch("SELECT headers FROM outbox")]
    kinds = Counter(kind for text in reasons for kind in (UNSIGNED, BAD_SIGNATURE) if f'"{kind}:' in text)
    assert kinds == {UNSIGNED: 30, BAD_SIGNATURE: 30}
    for kind in (UNSIGNED, BAD_SIGNATURE):
        assert SIGNATURES_REFUSED.labels(narrow_log.topic.name, kind)._value.get() == 30


async def test_a_projection_passes_over_what_is_forged_and_goes_back_to_what_has_a_key_that_it_was_not_told_of(
    narrow_log: Log, producer: Producer
) -> None:
    old, both = Verifier({"test": KNOWN.keys["test"]}), Verifier({"test": (*KNOWN.keys["test"], *PUBLIC["signup"])})
    log = replace(narrow_log, kafka=replace(narrow_log.kafka, verifier=old))
    await producer.send(with_signatures(log.records(log.numbers(2)), signed_by("test")))
    await producer.send(log.records(log.numbers(1, first=50)))
    before = Projection()
    async with following(log, before) as follower:
        assert await follower.caught_up(within=SOON)
        assert (before.numbers, before.positions) == ([0, 1], {0: 3})
        await producer.send(with_signatures(log.records(log.numbers(1, first=2)), signed_by("signup")))
        await producer.send(with_signatures(log.records(log.numbers(1, first=3)), signed_by("test")))
        await until(lambda: 3 in before.numbers)
        assert (before.numbers, before.positions) == ([0, 1, 3], {0: 3})
    told = replace(narrow_log, kafka=replace(narrow_log.kafka, verifier=both))
    after = Projection()
    async with following(told, after, before.positions) as follower:
        assert await follower.caught_up(within=SOON)
        assert (after.numbers, after.positions) == ([2, 3], {0: 5})
