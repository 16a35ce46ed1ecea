"""What is news and what is a repetition is the same in memory and in PostgreSQL."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.signup.adapters.intake import PostgresIntake
from services.signup.adapters.repetitions import Outcome, note
from services.signup.model.people import Told
from services.signup.model.reports import Report, Taken
from services.signup.ports.intake import Intake
from shared.messaging.envelope import Outgoing
from shared.messaging.errors import TransientError
from shared.messaging.producer import NotAcknowledgedError
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Connection, Pool
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.keeper import intake_keys
from tests.fakes.signup import FakeIntake
from tests.waiting import until_held_up


class Kafka:
    """Has what it is sent, unless it is away."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.answers = self.acknowledges = True

    async def must_answer(self) -> None:
        """As `Producer.must_answer`."""
        if not self.answers:
            raise NotAcknowledgedError("no broker answers")

    async def send(self, records: Sequence[Outgoing]) -> None:
        """As `Producer.send`; what is not acknowledged may be there all the same."""
        self.records += records
        if not self.acknowledges:
            raise NotAcknowledgedError("not acknowledged")


def on(pool: Pool, kafka: Kafka) -> PostgresIntake:
    return PostgresIntake(
        lambda: pool,
        lambda: unit_of_work(pool, at=NOON, source="signup"),
        lambda: kafka,
        intake_keys(),
        publish_within=timedelta(seconds=1),
    )


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["signup"]


@pytest.fixture(params=["fake", "postgres"])
async def intake(request: pytest.FixtureRequest) -> AsyncIterator[Intake]:
    """An intake that took nothing yet."""
    if request.param == "fake":
        yield FakeIntake()
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(*MIGRATIONS_OF["signup"]) as pool:
        yield on(pool, Kafka())


def event(mark: str, content: str, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "vendor": "acme", "record": "1", "employer": "emp_one", "change": "signed_up", "at": NOON, "told": Told(), **changes,
    }  # fmt: skip
    return Report(mark=mark.encode(), content=content.encode(), **values)


def hook(mark: str, content: str, **changes: Any) -> Report:
    return event(mark, content, by_content=True, **changes)


async def test_an_event_again_is_a_duplicate_and_other_content_under_its_id_a_conflict(intake: Intake) -> None:
    assert await intake.take([event("a", "x"), event("b", "x")]) == Taken(2, 0)
    again = [event("a", "x"), event("a", "y"), event("c", "x"), event("b", "z")]
    assert await intake.take(again) == Taken(1, 1, (1, 3))


async def test_in_one_request_the_first_of_an_id_is_the_one_that_counts(intake: Intake) -> None:
    assert await intake.take([event("a", "z"), event("a", "b"), event("a", "z")]) == Taken(1, 1, (1,))


async def test_an_id_is_a_vendors_own(intake: Intake) -> None:
    assert await intake.take([event("a", "x"), event("a", "y", vendor="bright")]) == Taken(2, 0)


async def test_of_webhooks_only_what_says_something_new_of_its_record_is_taken(intake: Intake) -> None:
    assert await intake.take([hook("1", "there"), hook("2", "back"), hook("3", "there"), hook("4", "there")]) == Taken(
        3, 1
    )
    assert await intake.take([hook("5", "there")]) == Taken(0, 1)
    assert await intake.take([hook("6", "there", record="2"), hook("7", "there", vendor="bright")]) == Taken(2, 0)
    assert await intake.take([hook("2", "back")]) == Taken(0, 1)  # a late repetition changes nothing
    assert await intake.take([hook("8", "there")]) == Taken(0, 1)
    assert await intake.take([hook("9", "back")]) == Taken(1, 0)


async def test_what_is_kept_to_recognise_content_is_no_plain_digest_of_it(pool: Pool) -> None:
    await on(pool, Kafka()).take([event("a", "x"), hook("b", "x")])
    kept = [row["content_digest"] for row in await pool.fetch("SELECT content_digest FROM intake")]
    kept += [row["content_digest"] for row in await pool.fetch("SELECT content_digest FROM intake_last")]
    assert len(kept) == 3
    assert b"x" not in kept
    assert {len(one) for one in kept} == {32}
    await pool.close()


async def test_what_was_noted_before_contents_were_is_a_duplicate(pool: Pool) -> None:
    await pool.execute("INSERT INTO intake (vendor, event_digest, received_at) VALUES ('acme', 'a', now())")
    assert await on(pool, Kafka()).take([event("a", "x")]) == Taken(0, 1)
    await pool.close()


async def test_what_kafka_did_not_acknowledge_is_taken_when_it_comes_again_under_the_same_id(pool: Pool) -> None:
    kafka = Kafka()
    kafka.acknowledges = False
    with pytest.raises(TransientError):
        await on(pool, kafka).take([event("a", "x")])
    assert await pool.fetchval("SELECT count(*) FROM intake") == 0
    kafka.acknowledges = True
    assert await on(pool, kafka).take([event("a", "x")]) == Taken(1, 0)
    first, again = (dict(record.headers)["ce_id"] for record in kafka.records)
    assert first == again, "who reads takes it once"
    assert await on(pool, kafka).take([event("a", "x")]) == Taken(0, 1)
    assert len(kafka.records) == 2
    await pool.close()


async def test_while_no_broker_answers_no_connection_is_taken(pool: Pool) -> None:
    kafka, opened = Kafka(), []
    kafka.answers = False

    def work() -> Any:
        opened.append(1)
        return unit_of_work(pool, at=NOON, source="signup")

    intake = PostgresIntake(lambda: pool, work, lambda: kafka, intake_keys(), publish_within=timedelta(seconds=1))
    with pytest.raises(TransientError):
        await intake.take([event("a", "x")])
    assert not opened
    kafka.answers = True
    assert await intake.take([event("a", "x")]) == Taken(1, 0)
    assert opened
    await pool.close()


async def test_nothing_is_left_for_the_outbox(pool: Pool) -> None:
    kafka = Kafka()
    await on(pool, kafka).take([event("a", "x"), hook("b", "y")])
    assert len(kafka.records) == 2
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0
    await pool.close()


async def test_other_content_under_an_id_that_kafka_may_have_is_another_event(pool: Pool) -> None:
    kafka = Kafka()
    kafka.acknowledges = False
    with pytest.raises(TransientError):
        await on(pool, kafka).take([event("a", "x")])
    kafka.acknowledges = True
    assert await on(pool, kafka).take([event("a", "y")]) == Taken(1, 0)
    first, other = (dict(record.headers)["ce_id"] for record in kafka.records)
    assert first != other, "whoever reads takes both, the last one last"
    await pool.close()


class Waiting:
    """A connection whose second statement waits for somebody to wait for what the first has locked."""

    def __init__(self, connection: Connection, pool: Pool, has_locked: asyncio.Event) -> None:
        self._connection, self._pool, self._has_locked, self._asked = connection, pool, has_locked, 0

    async def fetch(self, *asked: Any) -> Any:
        self._asked += 1
        if self._asked == 2:
            self._has_locked.set()
            await until_held_up(self._pool)
        return await self._connection.fetch(*asked)


async def test_batches_that_tell_of_the_same_records_wait_for_each_other_in_one_order(pool: Pool) -> None:
    low, high = sorted(("r1", "r2"), key=lambda record: hashlib.sha256(record.encode()).digest())
    keys, has_locked = intake_keys(), asyncio.Event()

    async def first() -> list[Outcome]:
        async with unit_of_work(pool, at=NOON, source="signup") as unit:
            waiting: Any = Waiting(unit.connection, pool, has_locked)
            told = [hook("a", "x", record=high), hook("b", "x", record=low), hook("c", "y", record=low)]
            return await note(Unit(waiting, NOON, "signup"), told, keys)

    async def second() -> list[Outcome]:
        await has_locked.wait()
        async with unit_of_work(pool, at=NOON, source="signup") as unit:
            return await note(unit, [hook("d", "z", record=low), hook("e", "z", record=high)], keys)

    assert list(await asyncio.gather(first(), second())) == [["accepted"] * 3, ["accepted"] * 2]
    await pool.close()
