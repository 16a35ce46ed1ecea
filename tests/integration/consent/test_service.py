"""The whole service: its own database, Kafka's protocol, its routes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI

from services.consent.adapters.postgres import consents_behind
from services.consent.app import build
from services.consent.settings import Settings
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.operator import TenantChangedV1
from shared.contracts.signup import CandidateRegisteredV1, NoticeRequestedV2
from shared.contracts.topics import CONSENT_STATE, NOTICES
from shared.facts import UNKNOWN
from shared.ids import new_candidate_id
from shared.messaging import topics
from shared.messaging.envelope import Received, Record, decode, encode
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.reading import read_to_the_end
from shared.messaging.unit import unit_of_work
from shared.security.links import public_half
from shared.service import Service
from tests.conftest import unique
from tests.fakes.clock import NOON
from tests.fakes.consent_pages import SEED, SUBJECT_KEY, link
from tests.signing import SEALS, Owners, settings_of, verifier
from tests.stack import Servers
from tests.waiting import until

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(scope="module")
async def running(servers: Servers) -> AsyncIterator[tuple[Service, FastAPI]]:
    await topics.create_missing(Kafka.plain(servers.kafka))
    settings = Settings(
        kafka=(servers.kafka,),
        kafka_idempotence=servers.idempotence,
        http_port=0,
        **settings_of("consent"),
        consent_database=await servers.create_database(unique("consent")),
        link_verify_key=public_half(SEED),
        link_subject_key=SUBJECT_KEY,
        signup_url="http://signup.example",
        consent_url="http://consent.example",
    )
    service, app = build(settings)
    async with app.router.lifespan_context(app):
        yield service, app


@pytest.fixture
async def client(running: tuple[Service, FastAPI]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(running[1]), base_url="http://consent.example"
    ) as opened:
        yield opened


@pytest.fixture
def candidate() -> str:
    return new_candidate_id()


def token(service: Service, candidate: str, purpose: str = "confirm", employer: str | None = None) -> str:
    now = service.clock.now()
    expires_at = now + timedelta(hours=1)
    return link(candidate, purpose, employer=employer, expires_at=expires_at, issued_at=now)  # type: ignore[arg-type]  # one of the three


async def states(servers: Servers, candidate: str) -> list[ConsentChangedV2]:
    """Every state that the topic holds of one person, in its order, those that a relay sent twice once."""
    reading = read_to_the_end(Kafka.plain(servers.kafka), [CONSENT_STATE], client_id="test")
    decoded = [decode(record, verifier()) async for records in reading for record in records]
    events = [item.event for item in decoded if isinstance(item, Received)]
    found = [event for event in events if isinstance(event, ConsentChangedV2) and event.candidate == candidate]
    return [event for place, event in enumerate(found) if event not in found[:place]]


async def saved(client: httpx.AsyncClient, address: str, **sent: Any) -> httpx.Response:
    """The answer once Kafka has what was asked for; until then the same request is answered with 202."""

    async def answered() -> httpx.Response | None:
        answer = await client.post(address, **sent)
        assert answer.status_code in (200, 202), answer.text
        return answer if answer.status_code == 200 else None

    return await until(answered)


async def test_a_grant_is_on_the_topic_when_it_is_answered_with_200(
    running: tuple[Service, FastAPI], client: httpx.AsyncClient, servers: Servers, candidate: str
) -> None:
    address = f"/confirm/{token(running[0], candidate)}"
    body = {
        "purposes": ["match", "contact"],
        "time_zone": "America/Denver",
        "quiet_hours": {"start": "21:00", "end": "08:00"},
        "first_contacts_per_week": 2,
    }
    answer = await saved(client, address, json=body)
    (state,) = await states(servers, candidate)
    assert (state.version, state.purposes, state.limits.time_zone) == (1, ("match", "contact"), "America/Denver")
    assert state.limits.first_contacts_per_week == 2
    assert state.ends_at is not None
    assert state.ends_at - state.at == timedelta(days=365)
    by_link = {"Authorization": f"Bearer {token(running[0], candidate)}"}
    receipt = (await client.get(f"/v1/receipts/{answer.json()['receipt']}", headers=by_link)).json()
    assert receipt["ledger"]["committed"]["version"] == 1


async def test_two_posts_at_once_become_two_versions_in_one_chain(
    running: tuple[Service, FastAPI], client: httpx.AsyncClient, servers: Servers, candidate: str
) -> None:
    address = f"/confirm/{token(running[0], candidate)}"
    answers = await asyncio.gather(
        client.post(address, json={"purposes": ["match"]}), client.post(address, json={"purposes": ["contact"]})
    )
    assert sorted(answer.json()["version"] for answer in answers) == [1, 2]
    last = max((answer.json() for answer in answers), key=lambda answer: int(answer["version"]))

    async def are_told() -> bool:
        return [state.version for state in await states(servers, candidate)] == [1, 2]

    await until(are_told)
    rows = await running[0].pool.fetch(
        "SELECT leaf, previous FROM ledger WHERE candidate = (SELECT principal FROM consents WHERE candidate = $1) ORDER BY version",
        candidate,
    )
    assert rows[1]["previous"] == rows[0]["leaf"]
    shown = await client.post(address, json={"purposes": last["purposes"]})
    assert shown.json() == last


async def test_the_unsubscribe_link_ends_everything_on_the_topic(
    running: tuple[Service, FastAPI], client: httpx.AsyncClient, servers: Servers, candidate: str
) -> None:
    await saved(client, f"/confirm/{token(running[0], candidate)}", json={"purposes": ["match", "contact"]})
    way_out = f"/u/{token(running[0], candidate, 'unsubscribe', 'emp_acme')}"
    assert (await client.get(way_out)).status_code == 200
    for _ in range(2):
        await saved(client, way_out, data=ONE_CLICK)
    assert [state.purposes for state in await states(servers, candidate)] == [("match", "contact"), ()]


async def test_what_a_link_stopped_is_soon_on_its_way_to_the_persons_mailbox(
    running: tuple[Service, FastAPI], client: httpx.AsyncClient, servers: Servers, candidate: str
) -> None:
    await client.post(f"/confirm/{token(running[0], candidate)}", json={"purposes": ["match", "contact"]})
    await client.post(f"/u/{token(running[0], candidate, 'unsubscribe', 'emp_acme')}", data=ONE_CLICK)

    async def told() -> bool:
        asked = "SELECT told_at IS NOT NULL FROM tellings WHERE candidate = $1"
        return bool(await running[0].pool.fetchval(asked, candidate))

    await until(told)
    consumer = AIOKafkaConsumer(NOTICES.name, bootstrap_servers=servers.kafka, auto_offset_reset="earliest")
    await consumer.start()
    told_of: list[str] = []
    try:
        async for raw in consumer:
            received = decode(
                Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers)), None
            )
            event = getattr(received, "event", None)
            if isinstance(event, NoticeRequestedV2) and event.candidate == candidate:
                told_of = [change.what for change in event.changes]
                break
    finally:
        await consumer.stop()
    assert told_of == ["everything_stopped"]


async def test_people_registered_by_signup_have_rows_whichever_comes_first(
    running: tuple[Service, FastAPI], client: httpx.AsyncClient, servers: Servers
) -> None:
    service, early, late = running[0], new_candidate_id(), new_candidate_id()
    await client.post(f"/confirm/{token(service, early)}", json={"purposes": ["match"]})
    producer = Producer(Kafka.plain(servers.kafka), idempotence=False, client_id="test", signer=Owners())
    await producer.start()
    now = service.clock.now()
    try:
        await producer.send(
            [encode(CandidateRegisteredV1(candidate=one, at=now), source="signup", at=now) for one in (early, late)]
        )
    finally:
        await producer.stop()

    async def registered() -> bool:
        found = await service.pool.fetchval("SELECT version FROM consents WHERE candidate = $1", late)
        return bool(found == 0)

    await until(registered)
    assert await service.pool.fetchval("SELECT version FROM consents WHERE candidate = $1", early) == 1


async def test_employers_can_be_blocked_as_soon_as_the_copy_of_tenants_has_them(
    running: tuple[Service, FastAPI], client: httpx.AsyncClient, servers: Servers, candidate: str
) -> None:
    service, employer, now = running[0], unique("emp"), running[0].clock.now()
    address, body = f"/confirm/{token(service, candidate)}", {"purposes": ["match"], "blocked_employers": [employer]}
    assert (await client.post(address, json=body)).status_code == 422
    event = TenantChangedV1(tenant=employer, version=1, kind="employer", name="New Employer & Co", key_hashes=())
    producer = Producer(Kafka.plain(servers.kafka), idempotence=False, client_id="test", signer=Owners())
    await producer.start()
    try:
        await producer.send([encode(event, source="operator", at=now)])
    finally:
        await producer.stop()
    await until(lambda: service.tenants.get(employer) != UNKNOWN)
    page = await client.get(address, headers={"Accept": "text/html"})
    assert "New Employer &amp; Co" in page.text
    await saved(client, address, json=body)


async def test_an_employer_that_joins_is_blocked_for_whoever_named_it(
    running: tuple[Service, FastAPI], client: httpx.AsyncClient, servers: Servers, candidate: str
) -> None:
    service, employer, now = running[0], unique("emp"), running[0].clock.now()
    body = {"purposes": ["match"], "blocked_names": [employer]}
    await saved(client, f"/confirm/{token(service, candidate)}", json=body)
    event = TenantChangedV1(tenant=employer, version=1, kind="employer", name=f"The {employer} LLC", key_hashes=())
    producer = Producer(Kafka.plain(servers.kafka), idempotence=False, client_id="test", signer=Owners())
    await producer.start()
    try:
        await producer.send([encode(event, source="operator", at=now)])
    finally:
        await producer.stop()

    async def blocked() -> bool:
        asked = "SELECT blocked_employers = ARRAY[$2] FROM consents WHERE candidate = $1"
        return bool(await service.pool.fetchval(asked, candidate, employer))

    await until(blocked)

    async def told() -> bool:
        return [state.limits.blocked_employers for state in await states(servers, candidate)] == [(), (employer,)]

    await until(told)


async def test_the_service_says_that_it_is_ready_and_what_it_offers(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/ready")).status_code == 200
    document = (await client.get("/openapi.json")).json()
    assert {"/confirm/{token}", "/me", "/u/{token}", "/v1/receipts/{receipt}"} <= set(document["paths"])
    assert "$defs" not in str(document["paths"])


@pytest.mark.parametrize("address", ["/v1/ledger/checkpoint", "/v1/ledger/proof/1"])
async def test_routes_of_later_issues_are_absent(client: httpx.AsyncClient, address: str) -> None:
    assert (await client.get(address)).status_code == 404


async def test_a_topic_that_is_ahead_of_somebody_who_is_gone_keeps_nobody_out(
    running: tuple[Service, FastAPI], candidate: str
) -> None:
    gone, kept, lapsed, unknown = new_candidate_id(), candidate, new_candidate_id(), new_candidate_id()
    behind = consents_behind(SEALS, without_statement=True)
    async with unit_of_work(running[0].pool, at=NOON, source="consent") as unit:
        await unit.connection.executemany(
            "INSERT INTO consents (candidate, principal, version, closed_at, changed_at, leaf) VALUES ($1, $1, $2, $3, $4, $5)",
            [(gone, 4, NOON, NOON, b"leaf"), (kept, 3, None, NOON, b"leaf"), (lapsed, 0, NOON, None, None)],
        )
        await unit.connection.execute(
            "CREATE TEMPORARY TABLE read_back (key text, version bigint, highest bigint) ON COMMIT DROP"
        )
        await unit.connection.executemany(
            "INSERT INTO pg_temp.read_back VALUES ($1, 4, 7)", [(one,) for one in (gone, kept, lapsed, unknown)]
        )
        assert await behind.ahead(unit) == 3
