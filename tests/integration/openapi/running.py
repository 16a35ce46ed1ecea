"""Services as they run, on real servers of their own, and how each of their routes is opened."""

import asyncio
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from fastapi import FastAPI

from services.consent import app as consent
from services.consent.settings import Settings as ConsentSettings
from services.outreach_gateway import app as gateway
from services.outreach_gateway.settings import GatewaySettings
from services.pool_matching import app as pools
from services.pool_matching.settings import PoolMatchingSettings
from services.signup import app as signup
from services.signup.api import join, sign_in
from services.signup.settings import Settings as SignupSettings
from services.signup.vault import hashing
from shared.contracts.base import rfc3339
from shared.contracts.operator import TenantChangedV1
from shared.ids import new_candidate_id
from shared.messaging import topics
from shared.messaging.kafka import Kafka
from shared.security.links import LinkPurpose, public_half
from shared.security.tenant_keys import hash_key
from shared.service import Service
from tests.conftest import unique
from tests.fakes.consent_pages import SEED, SUBJECT_KEY, link, session
from tests.signing import settings_of
from tests.stack import Servers
from tests.waiting import until

KEYS = {kind: f"fp_{kind}_" + "a" * 32 for kind in ("vendor", "employer", "operator")}
CHANGED = "changed"
"""The employer that operators' requests move, suspend and remove: whose key is used for others stays."""
LINKS: Mapping[str, LinkPurpose] = {
    "/confirm": "confirm", "/sign-in": "me", "/profile": "confirm", "/u": "unsubscribe", "/refuse": "refuse",
    "/erase": "confirm", "/v1/me": "confirm",
}  # fmt: skip
"""By how a path begins: what the link is for that opens it."""
SOURCE, SECRET = "acme-greenhouse", "a-secret-of-the-source"
SERVICES = ("signup", "consent", "pool_matching", "outreach_gateway")


@dataclass
class Running:
    """One service, open to requests, with people and tenants that it knows."""

    name: str
    service: Service
    app: FastAPI
    people: Sequence[str] = ()
    sessions: Sequence[str] = ()
    """That began by a link, where the service knows which did; elsewhere a signature is enough."""
    path_parameters: dict[str, str] = field(default_factory=dict)
    """What is there, by the name of a path's parameter."""
    _turn: Iterator[int] = field(default_factory=itertools.count)

    async def ask(self, request: requests.PreparedRequest) -> httpx.Response:
        """The answer; each request comes from another network, since what one network may do in an hour is limited."""
        turn = next(self._turn)
        network = f"10.{turn >> 16 & 255}.{turn >> 8 & 255}.{turn & 255}"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(network, 1))
        sent = httpx.Request(
            request.method or "",
            request.url or "",
            headers={name: str(value) for name, value in request.headers.items()},
            content=sent_of(request),
        )
        async with httpx.AsyncClient(transport=transport) as client:
            return await asyncio.wait_for(client.send(sent), 60)

    async def post(self, path: str, body: object, *, kind: str = "", content_type: str = "application/json") -> Any:
        """The JSON of the answer, which has to be a success."""
        headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {KEYS[kind]}"} if kind else {})
        url = f"http://{self.name}.example{path}"
        answer = await self.ask(requests.Request("POST", url, headers=headers, data=json.dumps(body)).prepare())
        assert answer.is_success, answer.text
        return answer.json()

    def token(self, path: str) -> str | None:
        """A link that opens this path, of the next of the people; None where no link opens it."""
        purpose = next((purpose for begin, purpose in LINKS.items() if f"{path}/".startswith(f"{begin}/")), None)
        if purpose is None:
            return None
        now = self.service.clock.now()
        person = self.people[next(self._turn) % len(self.people)]
        employer = "employer" if purpose == "unsubscribe" else None
        return link(person, purpose, employer=employer, expires_at=now + timedelta(hours=1), issued_at=now)

    def session(self) -> str:
        """Of the next of the people, who is signed in."""
        if self.sessions:
            return self.sessions[next(self._turn) % len(self.sessions)]
        person, now = self.people[next(self._turn) % len(self.people)], self.service.clock.now()
        return session(person, at=now, said_by=now).token

    def signature(self, raw: bytes) -> str:
        """Of a webhook's body."""
        return "sha256 " + hmac.new(SECRET.encode(), raw, "sha256").hexdigest()


def sent_of(request: requests.PreparedRequest) -> bytes:
    """Its body."""
    body = request.body or b""
    assert isinstance(body, str | bytes)
    return body.encode() if isinstance(body, str) else body


@asynccontextmanager
async def running(name: str, servers: Servers, folder: Path) -> AsyncIterator[Running]:
    """The service of this name; what it does slowly on purpose, it does at once: so that
    nobody learns anything from a time, or guesses."""
    await topics.create_missing(Kafka.plain(servers.kafka))
    with pytest.MonkeyPatch.context() as patch:
        for module in (join, sign_in):
            patch.setattr(module, "wait_since", _at_once)
        patch.setattr(consent, "_STOPS_WITHIN", timedelta(0))
        patch.setattr(hashing, "slow_hash", lambda mail, pepper: hmac.digest(pepper, mail.encode(), "sha256"))
        service, app = _BUILD[name](servers, await servers.create_database(unique(name)), folder)
        async with app.router.lifespan_context(app):
            made = Running(name, service, app)
            await _know_tenants(made)
            await _FILL[name](made)
            yield made


async def _at_once(began: float, span: timedelta) -> None:
    """No time passes."""


async def _know_tenants(made: Running) -> None:
    """In versions above whatever a service of before has said of them on the topic that all of them read."""
    version = 1_000 * (1 + list(_BUILD).index(made.name))
    for tenant, key in (KEYS | {CHANGED: f"fp_{CHANGED}_" + "a" * 32}).items():
        kind: Any = "employer" if tenant == CHANGED else tenant
        made.service.tenants.apply(
            TenantChangedV1(
                tenant=tenant,
                version=version,
                kind=kind,
                name=tenant.title(),
                key_hashes=(hash_key(key),),
                vendor="vendor" if kind == "employer" else None,
            )
        )


def _shared(name: str, servers: Servers) -> dict[str, Any]:
    return {
        "kafka": (servers.kafka,),
        "kafka_idempotence": servers.idempotence,
        "http_port": 0,
        **settings_of(name),
    }


_OF_PEOPLE: dict[str, Any] = {
    "link_verify_key": public_half(SEED),
    "link_subject_key": SUBJECT_KEY,
    "signup_url": "http://signup.example",
    "consent_url": "http://consent.example",
}


def _signup(servers: Servers, database: str, folder: Path) -> tuple[Service, FastAPI]:
    own: dict[str, Any] = {"signup_database": database, "vault_keys": f"file://{folder}", "blind_index_key": bytes(32)}
    return signup.build(SignupSettings(**_shared("signup", servers), **_OF_PEOPLE, **own))


def _consent(servers: Servers, database: str, folder: Path) -> tuple[Service, FastAPI]:
    return consent.build(ConsentSettings(**_shared("consent", servers), **_OF_PEOPLE, consent_database=database))


def _pools(servers: Servers, database: str, folder: Path) -> tuple[Service, FastAPI]:
    own: dict[str, Any] = {"pool_changes_per_minute": 10_000, "pools_asked_per_day": 10_000}
    return pools.build(
        PoolMatchingSettings(
            **_shared("pool_matching", servers), **own, pool_matching_database=database, member_ref_key=bytes(64)
        )
    )


def _gateway(servers: Servers, database: str, folder: Path) -> tuple[Service, FastAPI]:
    own: dict[str, Any] = {"redis": servers.redis, "member_ref_key": bytes(64), "outreach_id_key": bytes(32)}
    return gateway.build(
        GatewaySettings(**_shared("outreach_gateway", servers), **own, outreach_gateway_database=database)
    )


_BUILD: Mapping[str, Callable[[Servers, str, Path], tuple[Service, FastAPI]]] = {
    "signup": _signup, "consent": _consent, "pool_matching": _pools, "outreach_gateway": _gateway,
}  # fmt: skip


async def _people_of_a_vendor(made: Running) -> None:
    """Forty people whom a vendor told of, a source of webhooks, and a tenant that may be changed."""
    source = {"format": "greenhouse", "source": SOURCE, "vendor": "vendor", "employer": "employer", "secret": SECRET}
    await made.post("/v1/sources", source, kind="operator")
    events = [_event(made, f"r{number}") for number in range(40)]
    await made.post("/v1/events", events, kind="vendor", content_type="application/cloudevents-batch+json")

    async def registered() -> list[str] | None:
        found = [row["candidate"] for row in await made.service.pool.fetch("SELECT candidate::text FROM candidates")]
        return found if len(found) == len(events) else None

    made.people = await until(registered, what="all of them are registered")
    made.sessions = [(await made.post(f"/sign-in/{made.token('/sign-in/')}", {}))["session"] for _ in range(20)]
    made.path_parameters |= {"format": "greenhouse", "source": SOURCE, "tenant": CHANGED}


def _event(made: Running, record: str) -> dict[str, Any]:
    profile = {"occupations": ["29-1141"], "titles": ["Registered nurse"], "skills": ["triage"], "state": "CO"}
    return {
        "specversion": "1.0", "id": record, "source": "vendor", "type": "candidate.signed_up",
        "time": rfc3339(made.service.clock.now()), "subject": f"vendor:candidate:{record}",
        "data": {
            "employer": "employer", "record": record, "profile": profile,
            "person": {"given_name": "Ana", "emails": [f"ana.{hashlib.sha256(record.encode()).hexdigest()[:8]}@example.org"]},
        },
    }  # fmt: skip


async def _people_with_choices(made: Running) -> None:
    """Forty people, half of whom allowed something, and one's receipt."""
    made.people = [new_candidate_id() for _ in range(40)]
    for _ in made.people[::2]:
        answer = await made.post(f"/confirm/{made.token('/confirm/')}", {"purposes": ["match", "contact"]})
        made.path_parameters["receipt"] = answer["receipt"]


async def _a_pool(made: Running) -> None:
    pool = {"name": "Nurses", "occupations": ["29-1141"]}
    made.path_parameters["id"] = (await made.post("/v1/pools", pool, kind="employer"))["id"]


async def _nothing(made: Running) -> None:
    """It begins empty."""


_FILL = {
    "signup": _people_of_a_vendor,
    "consent": _people_with_choices,
    "pool_matching": _a_pool,
    "outreach_gateway": _nothing,
}
