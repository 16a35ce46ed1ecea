"""One message through the gateway and the courier on real servers, seen as one trace that names nobody."""

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.outreach_gateway.app import build as build_gateway
from services.outreach_gateway.settings import GatewaySettings
from services.signup.courier.app import build as build_courier
from services.signup.courier.model import Person
from services.signup.courier.settings import CourierSettings
from services.signup.vault.keepers.file import FileKeeper
from shared import tracing
from shared.contracts.base import Event
from shared.contracts.operator import TenantChangedV1
from shared.contracts.pool_matching import Membership, MembershipsChangedV1
from shared.contracts.signup import CandidateKeyPublishedV1
from shared.contracts.topics import OUTREACH_DECISIONS, OUTREACH_OUTCOMES, OUTREACH_REQUESTS
from shared.facts import UNKNOWN
from shared.ids import new_candidate_id
from shared.messaging import topics
from shared.messaging.envelope import encode
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.postgres.pool import open_pool
from shared.security.member_refs import MemberRefs
from shared.security.tenant_keys import hash_key, new_key
from shared.security.words import KeyPair
from shared.web.health import HeldError
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.keeper import begun
from tests.integration.courier.faulty import FaultyRelay, faulty_relay
from tests.integration.courier.tables import put_into_vault
from tests.integration.messaging.kit import Log, Numbered
from tests.signing import Owners, consented, settings_of
from tests.stack import Servers
from tests.waiting import until

OPEN = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)  # open in all zones of the 50 states
EMPLOYER = "emp_traced"
ADDRESS = "canary.traced@people.example"
WORDS = "A canary sentence of the employer."
HEARD_OF = """SELECT EXISTS (SELECT FROM consents WHERE candidate = $1)
AND EXISTS (SELECT FROM memberships WHERE candidate = $1)
AND EXISTS (SELECT FROM candidate_keys WHERE candidate = $1)"""
"""Whether a request is decided at once. One that is held is decided by its row, later, and that is no part of its trace."""
STORY = (
    "POST /v1/outreach",
    "outbox send",
    "outreach_gateway.outreach-requests batch",
    "redis book",
    "courier.outreach-decisions batch",
    "smtp hand over",
    "outreach_gateway.outreach-outcomes batch",
)


@dataclass
class World:
    """Gateway and courier in one process, and whom they can write to."""

    kafka: Kafka
    http: httpx.AsyncClient
    relay: FaultyRelay
    spans: InMemorySpanExporter
    candidate: str
    key: str
    member_ref: str

    async def send(self) -> httpx.Response:
        """The employer's message to the candidate."""
        job = {
            "title": "Registered nurse",
            "occupation": "29-1141",
            "organization": "Denver Health",
            "location": "Denver, CO",
            "remote": False,
            "pay": {"min": 82000, "max": 96000, "currency": "USD", "per": "year"},
            "url": "https://jobs.example.org/42",
            "valid_through": "2099-01-31",
        }
        return await self.http.post(
            "/v1/outreach",
            json={"member_ref": self.member_ref, "subject": "Night-shift RN", "body": WORDS, "job": job},
            headers={"Authorization": f"Bearer {self.key}", "Idempotency-Key": secrets.token_hex(8)},
        )

    def story(self) -> Sequence[ReadableSpan]:
        """The spans of the trace that the request began."""
        found = self.spans.get_finished_spans()
        began = [span.context.trace_id for span in found if span.name == STORY[0] and span.context is not None]
        return [span for span in found if span.context is not None and span.context.trace_id in began]


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


@pytest.fixture
async def world(
    servers: Servers, databases: Databases, spans: InMemorySpanExporter, tmp_path: Path
) -> AsyncIterator[World]:
    await topics.create_missing(Kafka.plain(servers.kafka))
    clock = tmp_path / "clock"
    clock.write_text(str(int((OPEN - datetime.now(UTC)) / timedelta(milliseconds=1))))
    common: dict[str, Any] = {
        "kafka": (servers.kafka,),
        "kafka_idempotence": servers.idempotence,
        "http_port": 0,
        "clock_file": clock,
    }
    member_ref_key, vault_key, tenant_key = secrets.token_bytes(64), secrets.token_bytes(32), new_key(EMPLOYER)
    candidate, words_key = new_candidate_id(), KeyPair.generate()
    async with AsyncExitStack() as stack:
        vault = await stack.enter_async_context(databases.lent(*MIGRATIONS_OF["signup"]))
        gateway_database = await stack.enter_async_context(databases.lent(*MIGRATIONS_OF["outreach_gateway"]))
        relay = await stack.enter_async_context(faulty_relay())
        pool = await open_pool(vault, name="test")
        stack.push_async_callback(pool.close)
        await begun(pool, FileKeeper(tmp_path / "keys"), vault_key)
        await put_into_vault(pool, candidate, Person(ADDRESS, words_key), vault_key)
        await _tell(servers, candidate, words_key, tenant_key)
        gateway, app = build_gateway(
            GatewaySettings(
                **common,
                **settings_of("outreach_gateway"),
                outreach_gateway_database=gateway_database,
                redis=servers.redis,
                member_ref_key=member_ref_key,
                outreach_id_key=secrets.token_bytes(32),
            )
        )
        _, courier = build_courier(
            CourierSettings(
                **common,
                **settings_of("courier"),
                signup_database=vault,
                vault_keys=f"file://{tmp_path}/keys",
                link_signing_key=secrets.token_bytes(32),
                link_subject_key=secrets.token_bytes(64),
                smtp=relay.url,
                consent_url="https://consent.test",
                signup_url="https://signup.test",
            )
        )
        await stack.enter_async_context(app.router.lifespan_context(app))
        await stack.enter_async_context(courier.router.lifespan_context(courier))
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t")
        await stack.enter_async_context(http)
        await until(lambda: gateway.tenants.get(EMPLOYER) != UNKNOWN)

        gateways = await open_pool(gateway_database, name="test")
        stack.push_async_callback(gateways.close)

        async def decides() -> bool:
            try:
                await gateway.parts.checks["windows"]()
            except HeldError:
                return False
            return bool(await gateways.fetchval(HEARD_OF, candidate))

        await until(decides, what="every shard of the windows is open, and the gateway has heard all of the person")
        refs = MemberRefs(member_ref_key)
        yield World(
            Kafka.plain(servers.kafka),
            http,
            relay,
            spans,
            candidate,
            tenant_key,
            refs.make(candidate, EMPLOYER, "p_a", 0),
        )


async def _tell(servers: Servers, candidate: str, words_key: KeyPair, tenant_key: str) -> None:
    events: list[Event] = [
        TenantChangedV1(
            tenant=EMPLOYER, version=1, kind="employer", name="Denver Health", key_hashes=(hash_key(tenant_key),)
        ),
        CandidateKeyPublishedV1(candidate=candidate, version=1, public_key=words_key.public),
        MembershipsChangedV1(
            candidate=candidate, version=1, pools=(Membership(pool="p_a", employer=EMPLOYER, since=OPEN),)
        ),
        consented(candidate=candidate, version=1, at=OPEN, purposes=("match", "contact")),
    ]
    producer = Producer(Kafka.plain(servers.kafka), idempotence=False, client_id="test", signer=Owners())
    await producer.start()
    try:
        await producer.send([encode(event, source="test", at=OPEN) for event in events])
    finally:
        await producer.stop()


async def test_a_message_is_one_trace_from_the_request_to_the_mail_and_names_nobody(world: World) -> None:
    async def is_told() -> bool:
        if not any(span.name == STORY[0] for span in world.story()):
            await world.send()  # a member's key may not have arrived yet: then it is a 503, and no trace goes on
        return {span.name for span in world.story()} >= set(STORY)

    await until(is_told, what="every span of the story")
    assert len(world.relay.reached) == 1
    story = world.story()
    by_name = {span.name: span for span in story}
    request = by_name[STORY[0]]
    assert request.parent is None
    assert request.attributes == {"method": "POST", "route": "/v1/outreach", "status": 202}
    assert by_name["smtp hand over"].attributes == {"mail_kind": "outreach", "outcome": "Taken"}
    assert len({span.context.trace_id for span in story if span.context is not None}) == 1

    for topic in (OUTREACH_REQUESTS, OUTREACH_DECISIONS, OUTREACH_OUTCOMES):
        records = await Log(world.kafka, topic, Numbered).read()
        mine = [dict(record.headers) for record in records if record.key == world.candidate.encode()]
        assert [_trace_of(headers) for headers in mine] == [format(request.context.trace_id, "032x")], topic.name

    named = [world.candidate, world.member_ref, world.key, ADDRESS, WORDS, EMPLOYER, world.relay.url]
    shown = [span.to_json() for span in world.spans.get_finished_spans()]
    assert [(secret, text) for secret in named for text in shown if secret in text] == []
    told = {name for span in world.spans.get_finished_spans() for name in span.attributes or ()}
    assert told <= tracing.ATTRIBUTES


def _trace_of(headers: dict[str, bytes | None]) -> str:
    return (headers.get(tracing.HEADER) or b"--").decode().split("-")[1]
