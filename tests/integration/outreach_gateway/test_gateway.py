"""The gateway as one process on real Kafka, PostgreSQL and Redis: what its users and its neighbours see."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from services.outreach_gateway.adapters.postgres_epochs import PostgresEpochs
from services.outreach_gateway.app import build
from services.outreach_gateway.model import shard_of
from services.outreach_gateway.settings import GatewaySettings
from shared.contracts.base import Event
from shared.contracts.consent import Purpose
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.contracts.pool_matching import Membership, MembershipsChangedV1
from shared.contracts.signup import CandidateKeyPublishedV1, MailboxChangedV1, OutreachOutcomeReportedV1
from shared.contracts.topics import CANDIDATE_KEYS
from shared.facts import UNKNOWN
from shared.feed.postgres import PostgresFeedRows
from shared.messaging import topics
from shared.messaging.envelope import Outgoing, encode
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.unit import unit_of_work
from shared.metrics import SIGNATURES_REFUSED
from shared.security.member_refs import MemberRefs
from shared.security.tenant_keys import hash_key, new_key
from shared.security.words import KeyPair
from shared.service import Service
from tests import window_logs
from tests.conftest import unique
from tests.signing import Owners, consented, settings_of, statement
from tests.stack import Servers
from tests.waiting import until

OPEN = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)  # open in all zones of the 50 states
MEMBER_REF_KEY = secrets.token_bytes(64)


def ref_of(candidate: str, employer: str, generation: int = 0) -> str:
    return MemberRefs(MEMBER_REF_KEY).make(candidate, employer, f"p_{employer}", generation)


JOB = {
    "title": "Registered nurse",
    "occupation": "29-1141",
    "organization": "Denver Health",
    "location": "Denver, CO",
    "remote": False,
    "pay": {"min": 82000, "max": 96000, "currency": "USD", "per": "year"},
    "url": "https://jobs.example.org/42",
    "valid_through": "2099-01-31",
}
TENANTS: dict[str, TenantKind] = {
    "emp_a": "employer",
    "emp_b": "employer",
    "emp_c": "employer",
    "emp_d": "employer",
    "vendor-x": "vendor",
    "operator": "operator",
}


@dataclass
class Gateway:
    http: httpx.AsyncClient
    service: Service
    producer: Producer
    keys: dict[str, str]
    redis: Redis
    clock_file: Path

    @asynccontextmanager
    async def time_is(self, moment: datetime) -> AsyncIterator[None]:
        """The service's clock stands elsewhere for a while."""
        kept = self.clock_file.read_text()
        clock_at(moment, self.clock_file.parent)
        await until(lambda: abs(self.service.clock.now() - moment) < timedelta(minutes=1))
        try:
            yield
        finally:
            self.clock_file.write_text(kept)
            await until(lambda: abs(self.service.clock.now() - OPEN) < timedelta(minutes=30))

    async def tell(self, *events: Event) -> None:
        await self.producer.send([encode(event, source="test", at=datetime.now(UTC)) for event in events])

    async def person(self, *purposes: Purpose, employers: tuple[str, ...] = ("emp_a", "emp_b")) -> str:
        """A person whose key, consent and memberships the gateway has been told of."""
        candidate, now = str(uuid4()), self.service.clock.now()
        await self.tell(
            CandidateKeyPublishedV1(candidate=candidate, version=1, public_key=KeyPair.generate().public),
            MembershipsChangedV1(
                candidate=candidate,
                version=1,
                pools=tuple(Membership(pool=f"p_{employer}", employer=employer, since=now) for employer in employers),
            ),
            consented(candidate=candidate, version=1, at=now, purposes=purposes),
        )
        has_key = "SELECT 1 FROM candidate_keys WHERE candidate = $1"  # without it words are sealed to nobody
        await until(lambda: self.service.pool.fetchval(has_key, candidate), what="the person's key")
        return candidate

    async def send(
        self, candidate: str, employer: str = "emp_a", *, key: str | None = None, **changes: Any
    ) -> httpx.Response:
        body = {
            "member_ref": ref_of(candidate, employer),
            "subject": "Night-shift RN, Denver",
            "body": "We would like to talk with you.",
            "job": JOB,
        }
        return await self.http.post(
            "/v1/outreach",
            json={**body, **changes},
            headers={**self.auth(employer), "Idempotency-Key": key or secrets.token_hex(8)},
        )

    def auth(self, tenant: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[tenant]}"}

    @asynccontextmanager
    async def epochs(self) -> AsyncIterator[PostgresEpochs]:
        async with unit_of_work(self.service.pool, at=self.service.clock.now(), source="test") as unit:
            yield PostgresEpochs(unit)

    async def shown(self, id: str, tenant: str = "emp_a") -> dict[str, Any]:
        answer = await self.http.get(f"/v1/outreach/{id}", headers=self.auth(tenant))
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def feed(self, tenant: str) -> list[dict[str, Any]]:
        """All that the tenant's feed holds."""
        found: list[dict[str, Any]] = []
        while True:
            after = {"after": found[-1]["id"]} if found else {}
            items = (await self.http.get("/v1/outreach", params=after, headers=self.auth(tenant))).json()["items"]
            if not items:
                return found
            found += items

    async def decided(self, id: str) -> dict[str, Any]:
        """As the operator sees it, once something was decided."""

        async def is_decided() -> dict[str, Any] | None:
            found = await self.shown(id, "operator")
            return found if found["decision"] is not None else None

        return await until(is_decided, what="a decision")

    async def is_in(self, state: str, id: str) -> bool:
        """Whether that is its state, as the operator sees it."""
        return bool((await self.shown(id, "operator"))["state"] == state)

    def tick_after(self, moment: datetime, tenant: str = "emp_a") -> datetime:
        """The employer's first tick after this."""
        settings: Any = self.service.settings
        at: datetime = settings.ticks.next(tenant, moment)
        return at

    async def told(self, id: str, state: str, tenant: str = "emp_a") -> dict[str, Any]:
        """The answer and the row of the feed, once both say this."""

        async def is_told() -> dict[str, Any] | None:
            in_feed = [item["state"] for item in await self.feed(tenant) if item["outreach"] == id]
            found = await self.shown(id, tenant)
            return found if found["state"] == state and in_feed[-1:] == [state] else None

        return await until(is_told, what=f"{state} is told")


def clock_at(moment: datetime, folder: Path) -> Path:
    file = folder / "clock"
    file.write_text(str(int((moment - datetime.now(UTC)) / timedelta(milliseconds=1))))
    return file


@pytest.fixture(scope="module")
async def gateway(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    await topics.create_missing(Kafka.plain(servers.kafka))
    clock_file = clock_at(OPEN, tmp_path_factory.mktemp("clock"))
    settings = GatewaySettings(
        kafka=(servers.kafka,),
        kafka_idempotence=servers.idempotence,
        http_port=0,
        clock_file=clock_file,
        **settings_of("outreach_gateway"),
        outreach_gateway_database=await servers.create_database(unique("gateway")),
        redis=servers.redis,
        member_ref_key=MEMBER_REF_KEY,
        outreach_id_key=secrets.token_bytes(32),
    )
    keys = {tenant: new_key(tenant) for tenant in TENANTS}
    producer = Producer(Kafka.plain(servers.kafka), idempotence=False, client_id="test", signer=Owners())
    await producer.start()
    service, app = build(settings)
    redis = Redis.from_url(servers.redis)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as http:
        made = Gateway(http, service, producer, keys, redis, clock_file)
        await made.tell(
            *(
                TenantChangedV1(tenant=tenant, version=1, kind=kind, name=tenant, key_hashes=(hash_key(keys[tenant]),))
                for tenant, kind in TENANTS.items()
            )
        )
        await until(lambda: service.tenants.get("operator") != UNKNOWN)
        yield made
    await redis.aclose()
    await producer.stop()


async def delivered(gateway: Gateway, id: str, person: str, outcome: str = "delivered", **more: Any) -> None:
    """The courier says so of what was decided first."""
    said = {"outreach": id, "decision_version": 1, "candidate": person, "employer": "emp_a", "outcome": outcome}
    await gateway.tell(OutreachOutcomeReportedV1.model_validate({**said, "at": OPEN, **more}))
    await until(partial(gateway.is_in, outcome, id))


async def test_what_was_sent_is_told_at_the_senders_tick_after_the_day_and_not_before(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    answer = await gateway.send(person)
    end = gateway.tick_after(datetime(2026, 12, 9, tzinfo=UTC))
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    assert answer.json()["known_by"] == end.date().isoformat()
    id = answer.json()["id"]
    waits = await gateway.shown(id)
    assert (waits["expires_at"], waits["sent_on"], waits["policy"]) == ("2026-12-08", None, "2026-12")
    assert (await gateway.decided(id))["state"] == "admitted"
    await delivered(gateway, id, person)
    assert await gateway.shown(id) == waits, "nothing of it is told in between"
    tick = gateway.tick_after(datetime(2026, 11, 25, tzinfo=UTC))
    async with gateway.time_is(tick):
        told = await gateway.told(id, "sent")
    assert told["sent_on"] == "2026-11-24"
    (row,) = [item for item in await gateway.feed("emp_a") if item["outreach"] == id]
    assert (row["state"], row["sent_on"], datetime.fromisoformat(row["at"])) == ("sent", "2026-11-24", tick)


async def test_a_full_person_a_block_and_a_pause_answer_alike_in_each_byte_until_the_end(gateway: Gateway) -> None:
    full, free, blocks, unheard_of = [
        await gateway.person("match", "contact", employers=("emp_a", "emp_b")) for _ in range(3)
    ] + [str(uuid4())]
    await gateway.tell(
        consented(candidate=blocks, version=2, at=OPEN, purposes=("match", "contact"), blocked_employers=("emp_a",))
    )
    assert (await gateway.decided((await gateway.send(full, "emp_b")).json()["id"]))["state"] == "admitted"
    sent = {person: (await gateway.send(person)).json() for person in (full, free, blocks, unheard_of)}
    states = [(await gateway.decided(sent[person]["id"]))["state"] for person in (full, free)]
    assert states == ["delayed", "admitted"]

    def but_its_own(answer: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in answer.items() if name not in ("id", "member_ref", "submitted_at")}

    seen = [but_its_own(await gateway.shown(answer["id"])) for answer in sent.values()]
    assert seen == [seen[0]] * 4
    assert [but_its_own(answer) for answer in sent.values()] == [but_its_own(sent[full])] * 4
    exact = (await gateway.shown(sent[full]["id"], "operator"))["decision"]
    assert (exact["rule"], exact["until"] > exact["at"]) == ("network_gap", True)


async def test_what_could_not_be_sent_is_told_at_its_own_end_without_a_reason(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact", employers=("emp_b",))
    id = (await gateway.send(person, expires_at="2026-11-27")).json()["id"]
    async with gateway.time_is(OPEN + timedelta(minutes=1)):
        assert (await gateway.decided(id))["decision"]["rule"] == "not_a_member"
        assert (await gateway.shown(id))["state"] == "waiting"
    async with gateway.time_is(gateway.tick_after(datetime(2026, 11, 28, tzinfo=UTC))):
        told = await gateway.told(id, "not_sent")
    assert told["sent_on"] is None


async def test_words_for_whom_there_is_no_key_are_taken_like_any_and_read_by_nobody(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    await gateway.decided((await gateway.send(person, "emp_b")).json()["id"])
    await gateway.producer.send([Outgoing(CANDIDATE_KEYS.name, person.encode(), None, ())])

    async def has_no_key() -> bool:
        return await gateway.service.pool.fetchval("SELECT 1 FROM candidate_keys WHERE candidate = $1", person) is None

    await until(has_no_key)
    answer = await gateway.send(person)
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    async with gateway.time_is(OPEN + timedelta(minutes=1)):
        assert (await gateway.decided(answer.json()["id"]))["decision"]["rule"] == "key_missing"


async def test_a_message_closes_its_member_to_the_same_employer(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    first = (await gateway.send(person)).json()["id"]
    again = await gateway.send(person)
    assert (again.status_code, again.json()["type"]) == (409, "urn:fairpool:problem:earlier-message")
    assert first in again.json()["detail"], "it waits"
    back = await gateway.http.delete(f"/v1/outreach/{first}", headers=gateway.auth("emp_a"))
    assert back.status_code == 204
    again = await gateway.send(person)
    assert (again.status_code, "from 2026-12-09" in again.json()["detail"]) == (409, True)
    assert (await gateway.send(person, "emp_b")).status_code == 202, "to others it is open"


async def test_words_are_corrected_while_it_waits_and_it_keeps_its_place(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    id = (await gateway.send(person)).json()["id"]
    await gateway.decided(id)
    words = {"subject": "Day-shift RN", "body": "By day, that is.", "job": JOB}

    async def corrects(tenant: str = "emp_a", **changes: Any) -> httpx.Response:
        headers = gateway.auth(tenant)
        return await gateway.http.patch(f"/v1/outreach/{id}", json={**words, **changes}, headers=headers)

    before = await gateway.shown(id)
    answer = await corrects()
    assert (answer.status_code, {**answer.json(), "detail": ""}) == (200, {**before, "detail": ""})
    assert (await corrects("emp_b")).status_code == 404
    for changes, pointer in (
        ({"subject": 5}, "#/subject"),
        ({"member_ref": "m_x"}, "#/member_ref"),
        ({"job": {**JOB, "valid_through": "2026-12-01"}}, "#/job/valid_through"),
    ):
        refused = await corrects(**changes)
        assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    await delivered(gateway, id, person)
    assert (await corrects()).status_code == 200, "whatever has become of it by now"
    async with gateway.time_is(gateway.tick_after(datetime(2026, 11, 25, tzinfo=UTC))):
        await gateway.told(id, "sent")
    assert (await corrects()).json()["type"] == "urn:fairpool:problem:too-late"


async def test_without_contact_it_is_held_and_a_grant_lets_it_go(gateway: Gateway) -> None:
    person = await gateway.person("match")
    id = (await gateway.send(person)).json()["id"]
    grant = consented(candidate=person, version=2, at=OPEN, purposes=("match", "contact"))
    await gateway.tell(grant)
    assert (await gateway.decided(id))["state"] == "admitted"


async def test_with_consents_own_key_nobody_says_yes_for_somebody_or_says_it_again_after_a_no(gateway: Gateway) -> None:
    def refused(reason: str) -> float:
        return float(SIGNATURES_REFUSED.labels("consent-state", reason)._value.get())

    person = await gateway.person("match", "contact")
    later = OPEN + timedelta(days=1)
    before = refused("bad_signature"), refused("replayed")
    again: dict[str, Any] = {"candidate": person, "at": later, "purposes": ("match", "contact"), "said_at": later}
    await gateway.tell(
        consented(candidate=person, version=2, at=later, purposes=()),
        consented(**again, version=3, statement=statement(person, OPEN)),
        consented(**again, version=2**31 - 1, statement=None),
        consented(**again, version=2**31 - 1, statement=statement(str(uuid4()), later)),
    )
    await until(lambda: (refused("bad_signature"), refused("replayed")) == (before[0] + 2, before[1] + 1))
    kept = "SELECT version, contact FROM consents WHERE candidate = $1"

    async def is_kept() -> bool:  # what is refused is counted before the batch is committed
        return [tuple(row) for row in await gateway.service.pool.fetch(kept, person)] == [(2, False)]

    await until(is_kept)
    id = (await gateway.send(person)).json()["id"]
    await gateway.tell(consented(**again, version=3, statement=statement(person, later)))
    assert (await gateway.decided(id))["state"] == "admitted"


async def test_the_same_key_is_the_same_outreach_and_another_body_is_refused(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    first, again = await gateway.send(person, key="one"), await gateway.send(person, key="one")
    assert first.json() == again.json()
    other = await gateway.send(person, key="one", subject="Another subject")
    assert (other.status_code, other.json()["type"]) == (422, "urn:fairpool:problem:idempotency-key-reused")


async def test_the_same_request_is_recognised_whatever_has_become_of_it(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    job = {**JOB, "valid_through": "2026-11-27"}
    sent: dict[str, Any] = {"key": "late", "expires_at": "2026-11-27", "job": job}
    first = await gateway.send(person, **sent)
    assert first.status_code == 202
    async with gateway.time_is(OPEN + timedelta(days=20)):
        again = await gateway.send(person, **sent)
        assert (again.status_code, {**again.json(), "state": ""}) == (202, {**first.json(), "state": ""})
        other = await gateway.send(person, **sent, subject="Another subject")
        assert (other.status_code, other.json()["type"]) == (422, "urn:fairpool:problem:idempotency-key-reused")
        fresh = await gateway.send(person, **{**sent, "key": "late, and new"})
        assert [error["pointer"] for error in fresh.json()["errors"]] == ["#/job/valid_through"]


async def test_the_same_request_is_recognised_after_the_person_has_gone(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    first = await gateway.send(person, key="gone")
    await gateway.producer.send([Outgoing(CANDIDATE_KEYS.name, person.encode(), None, ())])

    async def has_no_key() -> bool:
        return await gateway.service.pool.fetchval("SELECT 1 FROM candidate_keys WHERE candidate = $1", person) is None

    await until(has_no_key)
    again = await gateway.send(person, key="gone")
    assert (again.status_code, again.json()) == (202, first.json())


async def test_what_was_refused_is_not_kept_under_its_key(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    assert (await gateway.send(person, key="mended", subject=5)).status_code == 422
    assert (await gateway.send(person, key="mended")).status_code == 202


async def test_an_offer_has_three_days_left_at_least_and_the_message_ends_with_it(gateway: Gateway) -> None:
    """By the service's clock, not the machine's; days are those of UTC."""
    person = await gateway.person("match", "contact")
    offer = {**JOB, "valid_through": "2026-11-28"}
    async with gateway.time_is(datetime(2026, 11, 26, 0, 30, tzinfo=UTC)):
        assert (await gateway.send(person, job=offer)).status_code == 422
    async with gateway.time_is(datetime(2026, 11, 25, 22, 30, tzinfo=UTC)):
        answer = await gateway.send(person, job=offer)
    assert (await gateway.shown(answer.json()["id"]))["expires_at"] == "2026-11-28"


async def test_a_bounce_frees_the_slot_and_a_mailbox_that_is_gone_ends_what_waits(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact", employers=("emp_a", "emp_b", "emp_c"))
    first = (await gateway.send(person, "emp_a")).json()["id"]
    await gateway.decided(first)
    second = (await gateway.send(person, "emp_b")).json()["id"]
    assert (await gateway.decided(second))["state"] == "delayed"
    await gateway.tell(MailboxChangedV1(candidate=person, version=1, at=OPEN, reachable=False))
    await until(partial(gateway.is_in, "cancelled", second))  # before the slot is free: else it would be sent in that
    await delivered(gateway, first, person, "bounced", mailbox_gone=True)
    rules = [(await gateway.shown(id, "operator"))["decision"]["rule"] for id in (first, second)]
    assert rules == ["mailbox_gone", "mailbox_gone"]
    async with gateway.time_is(gateway.tick_after(datetime(2026, 11, 25, tzinfo=UTC))):
        assert (await gateway.told(first, "sent"))["sent_on"] == "2026-11-24"
        assert (await gateway.shown(second, "emp_b"))["state"] == "waiting"

    async def is_told() -> bool:
        told = [(item["state"], item["rule"]) for item in await gateway.feed("operator") if item["outreach"] == first]
        return told == [("admitted", None), ("bounced", "mailbox_gone")]

    await until(is_told)  # a feed shows what is committed once nobody can write before it any more
    await gateway.tell(MailboxChangedV1(candidate=person, version=2, at=OPEN, reachable=True))
    await until(lambda: gateway.service.pool.fetchval("SELECT reachable FROM mailboxes WHERE candidate = $1", person))
    third = (await gateway.send(person, "emp_c")).json()["id"]
    assert (await gateway.decided(third))["state"] == "admitted"


async def test_two_tenants_with_the_same_key_do_not_meet(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    one, two = await gateway.send(person, "emp_a", key="same"), await gateway.send(person, "emp_b", key="same")
    assert one.json()["id"] != two.json()["id"]


async def test_another_tenant_cannot_read_or_take_back(gateway: Gateway) -> None:
    id = (await gateway.send(await gateway.person("match", "contact"))).json()["id"]
    read = await gateway.http.get(f"/v1/outreach/{id}", headers=gateway.auth("emp_b"))
    back = await gateway.http.delete(f"/v1/outreach/{id}", headers=gateway.auth("emp_b"))
    assert (read.status_code, back.status_code) == (404, 404)


async def test_another_employers_member_ref_is_nobody(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    answer = await gateway.send(person, "emp_a", member_ref=ref_of(person, "emp_b"))
    assert answer.status_code == 404


async def test_a_message_names_a_job_that_was_declared_or_brings_it_along(gateway: Gateway) -> None:
    auth = gateway.auth("emp_c")
    declared = await gateway.http.put("/v1/jobs/rn-42", json=JOB, headers=auth)
    assert (declared.status_code, declared.json()["version"]) == (201, 1)
    person = await gateway.person("match", "contact", employers=("emp_c",))
    assert (await gateway.send(person, "emp_c", job="rn-42", key="by its id")).status_code == 202
    unknown = await gateway.send(person, "emp_c", job="rn-43")
    others = await gateway.send(person, "emp_a", job="rn-42")
    for refused in (unknown, others):
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/job")
    over = {**JOB, "valid_through": "2026-11-24"}
    async with gateway.time_is(OPEN - timedelta(days=1)):
        assert (await gateway.http.put("/v1/jobs/over", json=over, headers=auth)).status_code == 201
    async with gateway.time_is(OPEN + timedelta(days=3)):
        late = await gateway.send(person, "emp_c", job="over")
    assert (late.status_code, "PUT /v1/jobs" in late.json()["errors"][0]["detail"]) == (422, True)

    assert (await gateway.http.delete("/v1/jobs/rn-42", headers=auth)).status_code == 204
    again = await gateway.send(person, "emp_c", job="rn-42", key="by its id")
    assert again.status_code == 202
    for _ in range(2):
        await gateway.send(await gateway.person("match", "contact", employers=("emp_c",)), "emp_c")
    items = (await gateway.http.get("/v1/jobs", headers=auth)).json()["items"]
    assert [item["id"] == "over" or item["id"].startswith("inline:") for item in items] == [True, True]
    assert (await gateway.send(person, "emp_c", job=items[0]["id"])).status_code != 422


async def test_no_link_stands_in_the_words_of_a_message(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    answer = await gateway.send(
        person, subject="See a7f.example.org", body="Hello.\nhttps://example.org/x", job={**JOB, "title": "hxxp://x"}
    )
    assert answer.status_code == 422
    found = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
    assert set(found) == {"#/subject", "#/body"}
    assert "line 2, word 1" in found["#/body"]
    assert "job.url" in found["#/body"]
    title = await gateway.send(person, job={**JOB, "title": "hxxp://x"})
    assert [error["pointer"] for error in title.json()["errors"]] == ["#/job/title"]


async def test_no_employer_speaks_in_the_networks_name_but_may_name_it_in_what_is_marked_as_theirs(
    gateway: Gateway,
) -> None:
    person = await gateway.person("match", "contact")
    answer = await gateway.send(person, subject="Fa\u0456rpool Security: your session is over")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/subject"]
    posing = {
        **JOB,
        "organization": "Fair-Pool Security Team",
        "title": "Fairpool: sign in again",
        "location": "Fair Pool, CO",
    }
    answer = await gateway.send(person, job=posing)
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert (answer.status_code, pointers) == (422, ["#/job/title", "#/job/organization", "#/job/location"])
    put = await gateway.http.put("/v1/jobs/posing", json=posing, headers=gateway.auth("emp_a"))
    assert [error["pointer"] for error in put.json()["errors"]] == ["#/title", "#/organization", "#/location"]
    swims = {**JOB, "title": "State Fair Pool Lifeguard"}
    named = await gateway.send(
        person, subject="Swim at the State Fair pool", body="We found you through Fairpool. Swim with us?", job=swims
    )
    assert named.status_code == 202, named.text


async def test_what_waits_can_be_taken_back_and_the_answer_says_nothing_of_what_became_of_it(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    gone = (await gateway.send(person, "emp_a")).json()["id"]
    await gateway.decided(gone)
    waits = (await gateway.send(person, "emp_b")).json()["id"]
    assert (await gateway.decided(waits))["state"] == "delayed"
    for id, tenant in ((gone, "emp_a"), (waits, "emp_b")):
        for _ in range(2):
            back = await gateway.http.delete(f"/v1/outreach/{id}", headers=gateway.auth(tenant))
            assert (back.status_code, back.content) == (204, b"")
        await gateway.told(id, "cancelled", tenant)
    await until(partial(gateway.is_in, "cancelled", waits))
    await delivered(gateway, gone, person)
    async with gateway.time_is(gateway.tick_after(datetime(2026, 11, 25, tzinfo=UTC))):
        await gateway.told(gone, "sent")
    states = [item["state"] for item in await gateway.feed("emp_a") if item["outreach"] == gone]
    assert states == ["cancelled", "sent"]
    late = await gateway.http.delete(f"/v1/outreach/{gone}", headers=gateway.auth("emp_a"))
    assert (late.status_code, late.json()["type"]) == (409, "urn:fairpool:problem:too-late")


async def test_the_operators_feed_tells_each_change_once_and_its_looks_are_logged(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    person = await gateway.person("match", "contact")
    id = (await gateway.send(person)).json()["id"]
    await gateway.decided(id)
    await delivered(gateway, id, person)

    async def both() -> bool:
        told = [item["state"] for item in await gateway.feed("operator") if item["outreach"] == id]
        return told == ["admitted", "delivered"]

    await until(both)
    capsys.readouterr()
    await gateway.shown(id, "operator")
    await gateway.feed("operator")
    of_person = await gateway.http.get(f"/v1/people/{person}/outreach", headers=gateway.auth("operator"))
    assert [(item["state"], item["told"]) for item in of_person.json()["items"]] == [("delivered", "waiting")]
    logged = [line for line in capsys.readouterr().out.splitlines() if "operator_looked" in line]
    for what in ("outreach", "changes", "person"):
        assert any(f"what={what}" in line or f'"what": "{what}"' in line for line in logged), what
    assert not any(person in line for line in logged)


async def test_redis_flushed_is_rebuilt_from_the_rows_and_no_cap_is_exceeded(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    await gateway.decided((await gateway.send(person, "emp_a")).json()["id"])
    await gateway.redis.flushall()
    id = (await gateway.send(person, "emp_b")).json()["id"]
    found = await gateway.decided(id)
    assert found["state"] == "delayed"

    async def is_ready() -> bool:
        return (await gateway.http.get("/health/ready")).status_code == 200

    await until(is_ready)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"subject": 5}, "#/subject"),
        ({"subject": "two\nlines"}, "#/subject"),
        ({"subject": "nul\u0000"}, "#/subject"),
        ({"body": "  "}, "#/body"),
        ({"body": "x" * 10_001}, "#/body"),
        ({"extra": 1}, "#/extra"),
        ({"member_ref": "p_wrong"}, "#/member_ref"),
        ({"job": None}, "#/job"),
        ({"job": {**JOB, "pay": {**JOB["pay"], "max": 1}}}, "#/job/pay"),  # type: ignore[dict-item]  # invented JSON
        ({"job": {**JOB, "url": "http://jobs.example.org"}}, "#/job/url"),
        ({"job": {**JOB, "valid_through": "2020-01-01"}}, "#/job/valid_through"),
        ({"job": {**JOB, "valid_through": "2026-11-26"}}, "#/job/valid_through"),
        ({"job": {**JOB, "occupation": "nurse"}}, "#/job/occupation"),
        ({"expires_at": "2020-01-01"}, "#/expires_at"),
        ({"expires_at": "2026-11-26"}, "#/expires_at"),
        ({"expires_at": "2026-12-09"}, "#/expires_at"),
        ({"expires_at": "2026-11-30T10:00:00Z"}, "#/expires_at"),
        ({"expires_at": "9999-12-31"}, "#/expires_at"),
        ({"job": {**JOB, "occupation": "٢٩-١١٤١"}}, "#/job/occupation"),
        ({"subject": "=?utf-8?q?Hi=0D=0ABcc:_evil@example.net?= there"}, "#/subject"),
        ({"subject": "right-to-left \u202e override"}, "#/subject"),
    ],
)
async def test_bad_fields_are_named(gateway: Gateway, changes: dict[str, Any], pointer: str) -> None:
    answer = await gateway.send(str(uuid4()), **changes)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_wrong_member_ref_is_told_which_form_is_expected(gateway: Gateway) -> None:
    (error,) = (await gateway.send(str(uuid4()), member_ref="p_wrong")).json()["errors"]
    assert error["detail"].startswith("must be a member_ref as a pool's members or updates give it: m_")


async def test_who_may_not_write_is_told_so(gateway: Gateway) -> None:
    body: dict[str, Any] = {}
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer fp_emp_a_wrong"}, 401),
        ({"Authorization": "Bearer \u00e9".encode("latin-1")}, 401),
        (gateway.auth("vendor-x"), 403),
    ):
        answer = await gateway.http.post("/v1/outreach", json=body, headers=headers)  # type: ignore[arg-type]  # bytes on purpose
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_a_missing_idempotency_key_is_a_clear_400(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact")
    body = {"member_ref": ref_of(person, "emp_a"), "subject": "s", "body": "b", "job": JOB}
    answer = await gateway.http.post("/v1/outreach", json=body, headers=gateway.auth("emp_a"))
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]


@pytest.mark.parametrize("id", ["o_unknown", "%00", "o_%F0%9F%92%A9", "o_" + "x" * 22, "..%2F..", "o_" + "x" * 5000])
async def test_an_id_that_is_none_is_not_found(gateway: Gateway, id: str) -> None:
    for method in ("GET", "DELETE", "PATCH"):
        words = {"subject": "s", "body": "b", "job": JOB} if method == "PATCH" else None
        answer = await gateway.http.request(method, f"/v1/outreach/{id}", headers=gateway.auth("emp_a"), json=words)
        assert answer.status_code == (400 if id == "%00" else 404)


@pytest.mark.parametrize("after", ["x", "AAAA", "////", "1.1", "9" * 90])
async def test_a_bad_cursor_is_refused(gateway: Gateway, after: str) -> None:
    answer = await gateway.http.get("/v1/outreach", params={"after": after}, headers=gateway.auth("emp_a"))
    assert answer.status_code == 422


async def test_a_feed_goes_on_from_a_time_and_says_where_it_can_not(gateway: Gateway) -> None:
    id = (await gateway.send(await gateway.person("match", "contact"))).json()["id"]
    await gateway.http.delete(f"/v1/outreach/{id}", headers=gateway.auth("emp_a"))
    await gateway.told(id, "cancelled")

    async def since(moment: str) -> httpx.Response:
        return await gateway.http.get("/v1/outreach", params={"since": moment}, headers=gateway.auth("emp_a"))

    assert id in {item["outreach"] for item in (await since(OPEN.isoformat())).json()["items"]}
    assert (await since((OPEN + timedelta(days=40)).isoformat())).json()["items"] == []
    for moment, status in (("yesterday", 422), ("2026-11-23T10:00:00", 422), ("2020-01-01T00:00:00Z", 410)):
        assert (await since(moment)).status_code == status, moment


async def test_the_policy_is_public(gateway: Gateway) -> None:
    answer = await gateway.http.get("/v1/policy")
    assert answer.json()["first_contact"]["at_most"] == [{"number": 2, "days": 7.0}, {"number": 6, "days": 30.0}]
    assert answer.json()["told_every_hours"] == 24.0


async def test_an_unknown_parameter_is_named(gateway: Gateway) -> None:
    answer = await gateway.http.get("/v1/outreach", params={"cursor": "x"}, headers=gateway.auth("emp_a"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/cursor")
    assert "after" in answer.json()["errors"][0]["detail"]


async def test_more_removed_keys_than_the_dead_letter_limit_are_forgotten_and_nothing_stops(gateway: Gateway) -> None:
    people = [await gateway.person("match", "contact") for _ in range(40)]
    removals = [Outgoing(CANDIDATE_KEYS.name, person.encode(), None, ()) for person in people]

    async def known() -> int:
        count = await gateway.service.pool.fetchval(
            "SELECT count(*) FROM candidate_keys WHERE candidate = ANY($1::uuid[])", people
        )
        return int(count)

    async def all_are_known() -> bool:
        return await known() == 40

    async def none_is_known() -> bool:
        return await known() == 0

    await until(all_are_known)
    await gateway.producer.send(removals)
    await until(none_is_known)
    assert gateway.service.process.failed is None


@pytest.mark.parametrize("subject", ["Nurse\u00a0job", "Nurse 👩\u200d⚕️ job", "Pflegekraft für München"])
async def test_an_ordinary_subject_is_taken(gateway: Gateway, subject: str) -> None:
    person = await gateway.person("match", "contact")
    assert (await gateway.send(person, subject=subject)).status_code == 202


async def test_two_employers_cannot_match_a_person_by_times_or_cursors(gateway: Gateway) -> None:
    person = await gateway.person("match", "contact", employers=("emp_a", "emp_b"))
    ids = {employer: (await gateway.send(person, employer)).json()["id"] for employer in ("emp_a", "emp_b")}
    for employer, id in ids.items():
        await gateway.decided(id)
        await gateway.http.delete(f"/v1/outreach/{id}", headers=gateway.auth(employer))
        await gateway.told(id, "cancelled", employer)
    feeds = [await gateway.feed(employer) for employer in ids]
    cursors = [{item["id"] for item in feed} for feed in feeds]
    assert cursors[0].isdisjoint(cursors[1])
    strangers = await gateway.http.get(
        "/v1/outreach", params={"after": feeds[0][-1]["id"]}, headers=gateway.auth("emp_b")
    )
    assert strangers.status_code == 422


async def test_whatever_is_done_to_a_persons_windows_no_cap_is_exceeded(gateway: Gateway) -> None:
    """Four employers' first messages, and between them a key is deleted, a marker, and a later place is forged."""
    employers = ("emp_a", "emp_b", "emp_c", "emp_d")
    person = await gateway.person("match", "contact", employers=employers)

    marker = f"fp:{{s{shard_of(person)}}}"
    states = []
    for employer in employers:
        id = (await gateway.send(person, employer)).json()["id"]
        states.append((await gateway.decided(id))["state"])
        match employer:
            case "emp_a":
                await gateway.redis.delete(f"{marker}:{person}")
            case "emp_b":
                await gateway.redis.delete(marker)
            case _:
                log, forged = f"{marker}:{person}", {"forged|emp_x": 9e12, f"{id}|{employer}": 1.0}
                await window_logs.write(gateway.redis, log, await window_logs.read(gateway.redis, log) | forged)
    assert states[:2] == ["admitted", "delayed"]
    assert set(states[2:]) == {"delayed"}
    slots = await gateway.service.pool.fetch(
        "SELECT slot_at FROM outreach WHERE candidate = $1 ORDER BY slot_at", UUID(person)
    )
    gaps = [later["slot_at"] - first["slot_at"] for first, later in pairwise(slots)]
    assert len(gaps) == 3
    assert min(gaps) >= timedelta(hours=24)


def holds(part: str) -> bool:
    return REGISTRY.get_sample_value("fairpool_holding", {"part": part, "waits_for": "windows"}) == 1


async def test_while_the_windows_of_a_shard_are_away_for_long_all_others_are_decided_for(gateway: Gateway) -> None:
    writes_later, withdraws, another = [await gateway.person("match", "contact") for _ in range(3)]
    while shard_of(another) == shard_of(writes_later):
        another = await gateway.person("match", "contact")
    await gateway.decided((await gateway.send(withdraws, "emp_a")).json()["id"])
    waits = (await gateway.send(withdraws, "emp_b")).json()["id"]
    assert (await gateway.decided(waits))["state"] == "delayed"
    async with gateway.epochs() as somebody:
        await somebody.take(shard_of(writes_later))
        await gateway.redis.delete(f"fp:{{s{shard_of(writes_later)}}}")
        held = (await gateway.send(writes_later, "emp_a")).json()["id"]
        await until(lambda: holds("due"), what="the request waits for the windows")
        goes_on = (await gateway.send(another, "emp_a")).json()["id"]
        assert (await gateway.decided(goes_on))["state"] == "admitted"
        assert (await gateway.http.get("/health/ready")).status_code == 200
        assert (await gateway.http.get("/v1/outreach", headers=gateway.auth("emp_a"))).status_code == 200
        await gateway.tell(consented(candidate=withdraws, version=2, at=OPEN, purposes=("match",)))

        await until(partial(gateway.is_in, "cancelled", waits), what="the withdrawal is handled")
        assert (await gateway.shown(held, "operator"))["decision"] is None
    assert (await gateway.decided(held))["state"] == "admitted"
    await until(lambda: not holds("due"), what="nothing is held")
    assert gateway.service.process.failed is None


async def test_a_full_redis_holds_requests_and_what_is_due_and_ends_nothing(gateway: Gateway) -> None:
    person, another = await gateway.person("match", "contact"), await gateway.person("match", "contact")
    await gateway.decided((await gateway.send(person, "emp_a")).json()["id"])
    due = (await gateway.send(person, "emp_b")).json()["id"]
    assert (await gateway.decided(due))["state"] == "delayed"
    kept = int((await gateway.redis.config_get("maxmemory"))["maxmemory"] or 0)
    async with gateway.time_is(OPEN + timedelta(hours=25)):
        await gateway.redis.config_set("maxmemory", 1)
        try:
            new = (await gateway.send(another, "emp_a")).json()["id"]
            await until(lambda: holds("due"), what="both are held")
            assert (await gateway.shown(new, "operator"))["decision"] is None
            back = await gateway.http.delete(f"/v1/outreach/{due}", headers=gateway.auth("emp_b"))
            assert back.status_code == 204
        finally:
            await gateway.redis.config_set("maxmemory", kept)
        assert (await gateway.decided(new))["state"] == "admitted"
    assert gateway.service.process.failed is None


async def test_a_cursor_behind_which_changes_were_forgotten_is_gone(gateway: Gateway) -> None:
    """Last of this file: it forgets what the others wrote."""

    async def nothing_waits() -> bool:
        waits = "SELECT 1 FROM outreach WHERE state = 'submitted'"
        return await gateway.service.pool.fetchval(waits) is None

    await until(nothing_waits, what="what the other tests left is decided")
    first = {
        employer: (await gateway.send(await gateway.person("match", "contact"), employer)).json()["id"]
        for employer in ("emp_a", "emp_b")
    }
    for employer, id in first.items():
        await gateway.decided(id)
        await gateway.http.delete(f"/v1/outreach/{id}", headers=gateway.auth(employer))
        await gateway.told(id, "cancelled", employer)

    async def all_is_told() -> bool:
        told = {item["outreach"] for item in await gateway.feed("operator")}
        return told >= set(first.values())

    await until(all_is_told)

    async def feed(tenant: str, after: str | None = None) -> httpx.Response:
        return await gateway.http.get(
            "/v1/outreach", params={"after": after} if after else {}, headers=gateway.auth(tenant)
        )

    pages = {tenant: (await feed(tenant)).json() for tenant in ("emp_a", "emp_b", "operator")}
    old = {tenant: page["items"][0]["id"] for tenant, page in pages.items()}
    last = {tenant: page["next"] for tenant, page in pages.items()}
    for name in ("outreach", "told"):
        in_a_year = PostgresFeedRows(gateway.service.get_pool, name, lambda: OPEN + timedelta(days=365))
        while await in_a_year.forget(kept=timedelta(days=100)):
            pass

    async def is_gone() -> httpx.Response | None:
        answer = await feed("emp_a", old["emp_a"])  # from memory, until the tailer has looked
        return answer if answer.status_code == 410 else None

    gone = await until(is_gone)
    assert (gone.status_code, gone.headers["content-type"]) == (410, "application/problem+json")
    assert gone.json()["type"] == "urn:fairpool:problem:cursor-expired"
    assert "/v1/outreach/{id}" in gone.json()["detail"]
    assert (await feed("emp_a", last["emp_a"])).json() == {"items": [], "next": last["emp_a"]}
    anew = await feed("emp_a")
    assert (anew.status_code, anew.json()["items"]) == (200, [])
    assert (await feed("operator", old["operator"])).status_code == 410
    person = await gateway.person("match", "contact")
    id = (await gateway.send(person)).json()["id"]
    await gateway.http.delete(f"/v1/outreach/{id}", headers=gateway.auth("emp_a"))

    async def is_told() -> bool:
        found = [(await feed("emp_a", after)).json()["items"] for after in (None, last["emp_a"])]
        return all([item["outreach"] for item in items] == [id] for items in found)

    await until(is_told)


async def test_a_message_to_a_pool_reaches_whoever_is_in_it_and_is_told_in_fives(gateway: Gateway) -> None:
    people = [await gateway.person("match", "contact", employers=()) for _ in range(6)]
    rural = Membership(pool="p_rural", employer="emp_c", since=OPEN)
    await gateway.tell(
        *(MembershipsChangedV1(candidate=one, version=2, pools=(rural,)) for one in people),
        consented(candidate=people[0], version=2, at=OPEN, purposes=("match",)),  # allows nobody to write
    )

    async def are_in() -> bool:
        known = "SELECT count(*) FROM memberships WHERE seats = ARRAY['emp_c p_rural']"
        withdrawn = "SELECT NOT contact FROM consents WHERE candidate = $1"
        rows = gateway.service.pool
        return await rows.fetchval(known) == 6 and bool(await rows.fetchval(withdrawn, people[0]))

    await until(are_in)
    body = {"pool": "p_rural", "subject": "Night-shift RN", "body": "We would like to talk with you.", "job": JOB}
    headers = {**gateway.auth("emp_c"), "Idempotency-Key": "to a pool"}
    answer = await gateway.http.post("/v1/outreach", json=body, headers=headers)
    assert (answer.status_code, answer.json()["state"]) == (202, "taken")
    id = answer.json()["id"]
    children = "SELECT id, candidate::text FROM outreach WHERE parent = $1"

    async def spread() -> dict[str, str]:
        found = {row["candidate"]: row["id"] for row in await gateway.service.pool.fetch(children, id)}
        return found if len(found) == 6 else {}

    of_person = await until(spread)
    assert set(of_person) == set(people)
    for person in people[1:]:
        assert (await gateway.decided(of_person[person]))["state"] == "admitted"
        await delivered(gateway, of_person[person], person, employer="emp_c")
        mine = await gateway.http.get(f"/v1/outreach/{of_person[person]}", headers=gateway.auth("emp_c"))
        assert mine.status_code == 404
    assert (await gateway.shown(id, "emp_c"))["state"] == "taken"
    tick = gateway.tick_after(datetime(2026, 12, 9, tzinfo=UTC), "emp_c")
    async with gateway.time_is(tick):
        told = await gateway.told(id, "ended", "emp_c")
    assert (told["sent"], told["known_by"]) == (5, tick.date().isoformat())
    of_people = set(of_person.values())
    rows = [item for item in await gateway.feed("emp_c") if item["outreach"] == id or item["outreach"] in of_people]
    assert [(row["state"], row["sent"], datetime.fromisoformat(row["at"])) for row in rows] == [("ended", 5, tick)]
