"""A database that was restored from a dump: nobody opens on it before everybody whom `erasures` names was erased again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import httpx
import pytest
from fastapi import FastAPI

from services.consent import app
from services.consent.settings import Settings
from shared.contracts.signup import CandidateErasedV1
from shared.contracts.topics import ERASURES
from shared.ids import new_candidate_id
from shared.messaging import topics
from shared.messaging.envelope import encode
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.reconciled import Reconciled
from shared.messaging.restored import REPLAY_LOCK, SQL, Replay
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool, open_pool
from shared.service import Service
from shared.settings import load
from tests.architecture.test_subscriptions import ENVIRONMENT
from tests.databases import MIGRATIONS_OF, Databases
from tests.signing import signed_by, verifier
from tests.stack import Servers
from tests.waiting import until

AT = datetime(2026, 11, 22, tzinfo=UTC)
_BACK = "INSERT INTO back (candidate) SELECT unnest($1::text[])"
_ROW = "INSERT INTO restored (process, taken_at, ends) VALUES ($1, $2, $3)"
_NOTHING = [0] * ERASURES.partitions
_NOWHERE = Kafka.plain("127.0.0.1:1")


@dataclass(slots=True)
class Erasing:
    """A service whose people are rows of `back`; it notes which pages it was given."""

    pages: list[int] = field(default_factory=list)
    fails: Callable[[int], Exception | None] = field(default=lambda _: None)

    async def apply(self, unit: Unit, _: int) -> int:
        """Deletes who is on this page."""
        gone = await unit.connection.fetch(
            'DELETE FROM back USING pg_temp.read_back WHERE candidate = key COLLATE "default" AND version <> 0 RETURNING 1'
        )
        self.pages.append(len(gone))
        if (error := self.fails(len(self.pages))) is not None:
            raise error
        return len(gone)


@pytest.fixture
async def rows(pool: Pool) -> Pool:
    """A database of a service that keeps people."""
    await pool.execute("CREATE TABLE back (candidate text PRIMARY KEY)")
    return pool


@pytest.fixture
async def erased(kafka: Kafka, servers: Servers, rows: Pool) -> Sequence[str]:
    """Five who were erased after the dump, which has them."""
    await topics.create_missing(kafka)
    people = [new_candidate_id() for _ in range(5)]
    signing = Producer(kafka, idempotence=servers.idempotence, client_id="test", signer=signed_by("signup"))
    await signing.start()
    await signing.send([encode(CandidateErasedV1(candidate=one, at=AT), source="signup", at=AT) for one in people])
    await signing.stop()
    await rows.execute(_BACK, people)
    return people


async def restored(rows: Pool, *processes: str, ends: Sequence[int] = ()) -> None:
    for process in processes:
        await rows.execute(_ROW, process, AT, list(ends or _NOTHING))


def replay(rows: Pool, kafka: Kafka, erasing: Erasing, process: str = "things", *, at_once: int = 500) -> Replay:
    work = partial(unit_of_work, rows, at=AT, source=process)
    return Replay(process, kafka, [Reconciled(ERASURES, apply=erasing.apply)], rows, work, at_once=at_once)


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def left(rows: Pool) -> int:
    return int(await rows.fetchval("SELECT count(*) FROM back"))


async def who_is_left(rows: Pool) -> list[str]:
    return [row["candidate"] for row in await rows.fetch("SELECT candidate FROM back")]


async def is_restored(rows: Pool) -> bool:
    return bool(await rows.fetchval("SELECT count(*) FROM restored"))


async def test_a_database_that_was_not_restored_is_open(rows: Pool, kafka: Kafka) -> None:
    assert not await replay(rows, kafka, Erasing()).is_closed()


async def test_it_opens_once_all_of_the_topic_was_replayed_and_nobody_else_is_gone(
    rows: Pool, kafka: Kafka, erased: Sequence[str]
) -> None:
    other = new_candidate_id()
    await rows.execute(_BACK, [other])
    await restored(rows, "things")
    opening = replay(rows, kafka, Erasing(), at_once=2)
    assert await opening.is_closed()
    assert "2026-11-22" in opening.why
    await opening.until_open()
    assert await who_is_left(rows) == [other]
    assert (opening.why, await is_restored(rows)) == ("", False)


async def test_killed_on_the_way_it_is_closed_still_and_begins_anew(
    rows: Pool, kafka: Kafka, erased: Sequence[str]
) -> None:
    await restored(rows, "things")
    dying = Erasing(fails=lambda page: RuntimeError("killed") if page == 2 else None)
    with pytest.raises(RuntimeError, match="killed"):
        await replay(rows, kafka, dying, at_once=2).until_open()
    assert await is_restored(rows)
    await rows.execute(_BACK + " ON CONFLICT DO NOTHING", list(erased))  # what was done before is looked at once more
    await replay(rows, kafka, Erasing(), at_once=2).until_open()
    assert (await left(rows), await is_restored(rows)) == (0, False)


async def test_a_page_that_takes_too_long_is_taken_in_smaller_ones(
    rows: Pool, kafka: Kafka, erased: Sequence[str]
) -> None:
    await restored(rows, "things")
    slow = Erasing(fails=lambda page: TimeoutError() if page == 1 else None)
    await replay(rows, kafka, slow, at_once=16).until_open()
    assert await left(rows) == 0


async def test_of_several_processes_one_replays_and_all_open(rows: Pool, kafka: Kafka, erased: Sequence[str]) -> None:
    await restored(rows, "things")
    erasing = [Erasing() for _ in range(3)]
    await asyncio.gather(*(replay(rows, kafka, one).until_open() for one in erasing))
    assert sorted(sum(one.pages) for one in erasing) == [0, 0, 5]


async def test_who_shares_the_database_opens_only_when_the_other_has_replayed_too(
    rows: Pool, kafka: Kafka, erased: Sequence[str]
) -> None:
    await restored(rows, "things", "mails")
    mails = replay(rows, kafka, Erasing(), "mails")
    opening = asyncio.create_task(mails.until_open())
    await until(lambda: "; things must" in mails.why, what="its own was replayed")
    assert not opening.done()
    await replay(rows, kafka, Erasing()).until_open()
    await opening


async def test_with_kafka_away_it_stays_closed_and_says_so(rows: Pool) -> None:
    await restored(rows, "things")
    waiting = replay(rows, _NOWHERE, Erasing())
    opening = asyncio.create_task(waiting.until_open())
    await until(lambda: "KafkaConnectionError" in waiting.why, what="it says what it waits for")
    assert await is_restored(rows)
    await stopped(opening)


async def test_a_topic_that_has_less_than_when_the_dump_was_made_opens_nothing(
    rows: Pool, kafka: Kafka, erased: Sequence[str]
) -> None:
    await restored(rows, "things", ends=[1_000_000, *_NOTHING[1:]])
    waiting = replay(rows, kafka, Erasing())
    opening = asyncio.create_task(waiting.until_open())
    await until(lambda: "was lost or made anew" in waiting.why, what="it says that the topic was lost")
    assert (await left(rows), await is_restored(rows)) == (len(erased), True)
    await stopped(opening)


async def test_a_forged_erasure_erases_nobody(
    rows: Pool, kafka: Kafka, servers: Servers, erased: Sequence[str]
) -> None:
    believing = Kafka(kafka.servers, verifier=verifier())
    other = new_candidate_id()
    await rows.execute(_BACK, [other])
    forging = Producer(kafka, idempotence=servers.idempotence, client_id="test", signer=signed_by("courier"))
    await forging.start()
    await forging.send([encode(CandidateErasedV1(candidate=other, at=AT), source="signup", at=AT)])
    await forging.stop()
    await restored(rows, "things")
    await replay(rows, believing, Erasing()).until_open()
    assert await who_is_left(rows) == [other]


# The whole process


@pytest.fixture
async def consent(
    servers: Servers, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Service, FastAPI, Pool]]:
    """Consent as its own `app.py` puts it together, and its database."""
    async with databases.lent(*MIGRATIONS_OF["consent"]) as dsn, await open_pool(dsn, name="test") as rows:
        given = {**ENVIRONMENT, "KAFKA": servers.kafka, "KAFKA_IDEMPOTENCE": str(servers.idempotence).lower()}
        with monkeypatch.context() as environment:
            for name, value in {**given, "CONSENT_DATABASE": dsn}.items():
                environment.setenv(f"FAIRPOOL_{name}", value)
            service, face = app.build(load(Settings))
        yield service, face, rows


@pytest.mark.slow  # a whole process starts, and joins its groups
async def test_a_restored_service_serves_its_health_alone_until_it_has_replayed(
    consent: tuple[Service, FastAPI, Pool], erased: Sequence[str]
) -> None:
    service, face, rows = consent
    for one in erased:
        await rows.execute("INSERT INTO consents (candidate, principal) VALUES ($1, 'person_of_' || $1)", one)
    await restored(rows, "consent")
    async with AsyncExitStack() as stack:
        another = await stack.enter_async_context(rows.acquire())
        await another.fetchval(SQL["try_replay"], REPLAY_LOCK)  # somebody else is about to replay
        await stack.enter_async_context(face.router.lifespan_context(face))
        http = httpx.AsyncClient(transport=httpx.ASGITransport(face), base_url="http://consent.test")
        client = await stack.enter_async_context(http)
        assert (await client.get("/health/live")).status_code == 200
        ready = await client.get("/health/ready")
        assert (ready.status_code, "2026-11-22" in ready.json()["detail"]) == (503, True)
        assert ready.json()["type"] == "urn:fairpool:problem:restoring", "what `fairpool status` shows as closed"
        for method, path in (("GET", "/me"), ("POST", "/v1/read-back"), ("GET", "/"), ("GET", "/openapi.json")):
            answer = await client.request(method, path)
            told = (answer.status_code, answer.json()["type"], "retry-after" in answer.headers)
            assert told == (503, "urn:fairpool:problem:restoring", True)
        assert "Being restored" in (await client.get("/me", headers={"Accept": "text/html"})).text
        assert service.process.consumers == []
        with pytest.raises(RuntimeError, match="has not started"):
            _ = service.relay
        await another.fetchval(SQL["leave_replay"], REPLAY_LOCK)

        async def is_ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await until(is_ready, what="it opens")
        assert (await client.get("/openapi.json")).status_code == 200
        assert not await is_restored(rows)
        assert await rows.fetchval("SELECT count(*) FROM consents WHERE closed_at IS NULL") == 0
        assert service.process.consumers
