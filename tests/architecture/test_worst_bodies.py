"""What one request can cost: counts, for each route of each service that its OpenAPI names.

A route is asked without a key, with a wrong one and with one that works; nothing here has a database or a broker, so a body
that were taken would be a fault.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message, Scope

from services.consent.api.edge import Edge
from services.consent.app import build as consent
from services.consent.model import Present
from services.consent.settings import Settings as ConsentSettings
from services.outreach_gateway.adapters.postgres_pool_messages import PostgresPoolMessages
from services.outreach_gateway.adapters.postgres_requests import PostgresRequestStore
from services.outreach_gateway.app import build as gateway
from services.outreach_gateway.settings import GatewaySettings
from services.pool_matching.app import build as pools
from services.pool_matching.settings import PoolMatchingSettings
from services.signup.adapters.certificates import PostgresErasing
from services.signup.adapters.email_changes import PostgresEmailChanges
from services.signup.adapters.page_requests import PostgresPageRequests
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.sessions import PostgresSessions
from services.signup.adapters.sources import PostgresSources
from services.signup.app import build as signup
from services.signup.courier.app import build as courier
from services.signup.courier.settings import CourierSettings
from services.signup.model.email_changes import Nothing
from services.signup.model.hooks import Source
from services.signup.model.sessions import Here
from services.signup.settings import Settings as SignupSettings
from shared.contracts.operator import TenantChangedV1
from shared.facts import UNKNOWN, Unknown
from shared.security.links import LinkPurpose, public_half
from shared.security.tenant_keys import hash_key
from shared.service import Service
from shared.web import gates, problems
from tests.fakes.consent_pages import SEED, SUBJECT_KEY, bearer, link
from tests.signing import settings_of
from tests.worst_bodies import FORM, Operation, Worst, batches, bodies, fullest, greenhouse, limit_of, operations

KIB = 1024
KEYS = {kind: f"fp_{kind}_" + "a" * 32 for kind in ("vendor", "employer", "operator")}
CANDIDATE = "3f8e2a7c-0000-4000-8000-000000000001"
SECRET = "a-secret-of-the-source"
PUBLIC = {"POST /join", "POST /join/file", "POST /sign-in", "POST /recover"}
"""Anybody may send these: 16 KiB of them are read, and 1 MiB of a file."""
ANY_BODY = {"POST /u/{token}", "POST /refuse/{token}"}
"""They act whatever the body is: what is read of it stands in the tests of `any_body`."""
LINKS: Mapping[str, LinkPurpose] = {
    "/confirm/": "confirm", "/sign-in/": "me", "/profile/": "confirm", "/u/": "unsubscribe", "/refuse/": "refuse",
    "/erase/": "confirm", "/recovery/": "confirm", "/email/": "email_old",
}  # fmt: skip
EXTRA: Mapping[str, Callable[[], Iterator[Worst]]] = {
    "POST /v1/events": lambda: batches(100),
    "POST /v1/hooks/{format}/{source}": lambda: greenhouse(20_000),
}


def services() -> Iterator[tuple[Service, FastAPI]]:
    """All of them, put together and not started."""
    database, url = "postgresql://nobody:x@127.0.0.1:1/none", "http://fairpool.example"
    shared: dict[str, Any] = {"kafka": ("127.0.0.1:1",), "http_port": 0, **settings_of("consent")}
    key, long_key, verify = bytes(32), SUBJECT_KEY, public_half(SEED)
    people: dict[str, Any] = {"signup_url": url, "consent_url": url, "link_subject_key": long_key}
    yield signup(
        SignupSettings(**shared, **people, signup_database=database, vault_keys="file:///nowhere", blind_index_key=key, link_verify_key=verify)
    )  # fmt: skip
    yield consent(ConsentSettings(**shared, **people, consent_database=database, link_verify_key=verify))
    yield pools(PoolMatchingSettings(**shared, pool_matching_database=database, member_ref_key=bytes(64), tick_key=key))
    yield gateway(
        GatewaySettings(**shared, outreach_gateway_database=database, redis="redis://127.0.0.1:1", member_ref_key=bytes(64), outreach_id_key=key, tick_key=key)
    )  # fmt: skip
    yield courier(
        CourierSettings(**shared, **people, signup_database=database, vault_keys="file:///nowhere", link_signing_key=SEED, smtp="smtp://127.0.0.1:1")
    )  # fmt: skip


@dataclass
class Route:
    """One operation of a service, and how it is asked."""

    app: FastAPI
    operation: Operation

    @property
    def takes_a_body(self) -> bool:
        return self.operation.method in ("POST", "PUT", "PATCH")

    def path(self, token: str) -> str:
        path = self.operation.path.replace("{format}", "greenhouse").replace("{token}", token)
        path = path.replace("{id}", "p_" + "a" * 22).replace("{candidate}", CANDIDATE)
        return path.replace("{", "").replace("}", "")

    def opened(self, raw: bytes) -> tuple[str, dict[str, str]]:
        """The path and the headers with which it lets a request pass."""
        purpose = next((purpose for begin, purpose in LINKS.items() if self.operation.path.startswith(begin)), None)
        now = datetime.now(UTC)
        token = link(CANDIDATE, purpose, expires_at=now + timedelta(hours=1), issued_at=now) if purpose else "x"
        path = self.path(token)
        headers = {"Idempotency-Key": hashlib.sha256(raw).hexdigest()}
        if self.operation.kinds:
            headers["Authorization"] = f"Bearer {KEYS[self.operation.kinds[0]]}"
        if self.operation.path.startswith(("/me", "/v1/me")):
            headers |= bearer(CANDIDATE, at=now, said_by=now)
        headers["Signature"] = "sha256 " + hmac.new(SECRET.encode(), raw, "sha256").hexdigest()
        return path, headers

    @property
    def limit(self) -> int:
        """How many bytes it may read."""
        return limit_of(self.operation)


@dataclass
class Counts:
    """What one answer cost."""

    read: int = 0
    judged: int = 0
    built: int = 0
    answer: bytearray = field(default_factory=bytearray)
    status: int = 0


@pytest.fixture(scope="module")
def routes() -> list[Route]:
    """Every operation of every service."""
    found = []
    for service, app in services():
        for kind, key in KEYS.items():
            service.tenants.apply(
                TenantChangedV1(tenant=kind, version=1, kind=kind, name=kind, key_hashes=(hash_key(key),))
            )
        service.tenants.apply(
            TenantChangedV1(tenant="emp", version=1, kind="employer", name="E", key_hashes=(), vendor="vendor")
        )
        found += [Route(app, operation) for operation in operations(app.openapi())]
    return found


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source and a person, without a database."""

    async def find(_: object, format_: str, source: str, *, fresh: bool = False) -> Source:
        return Source(format_, source, "vendor", "emp", SECRET)

    async def read(_: object, candidate: str, session: str | None = None) -> Present:
        return Present(candidate, "p")

    @asynccontextmanager
    async def work(_: Service) -> AsyncIterator[Any]:
        yield SimpleNamespace(connection=None, outbox_ids=())

    async def unknown(_: object, outreach: str) -> None:
        """No outreach came before under this id."""

    async def unknown_to_pools(_: object, outreach: str, employer: str) -> None:
        """Nor to a pool."""

    async def nobody(_: object, candidates: object) -> dict[str, Any]:
        """Nobody is known to signup."""
        return {}

    async def nobody_told(_: object, present: Present) -> Unknown:
        """Who told of the person is not known to consent."""
        return UNKNOWN

    monkeypatch.setattr(Service, "work", work)

    async def nobody_to_erase(_: object, candidate: str, opening: str | None = None) -> None:
        """Nor to its erasures."""

    @asynccontextmanager
    async def look() -> AsyncIterator[None]:
        yield None

    async def signed_in(_: object, candidate: str, session: str) -> Here:
        """Whoever shows a session."""
        return Here(None)

    monkeypatch.setattr(Service, "pool", SimpleNamespace(acquire=look))
    for name in ("here", "is_signed_in"):
        monkeypatch.setattr(PostgresSessions, name, signed_in)
    monkeypatch.setattr(PostgresSessions, "links_from", nobody_to_erase)
    monkeypatch.setattr(PostgresStore, "showings", nobody)
    monkeypatch.setattr(PostgresErasing, "erase", nobody_to_erase)

    async def over(*_: object) -> Nothing:
        """No change of an email is under way."""
        return Nothing("over")

    async def gone(*_: object) -> str:
        """Nor is there anybody whose it could be."""
        return "gone"

    async def none(*_: object, **__: object) -> None:
        """Nothing is known of one."""

    async def yes(*_: object) -> bool:
        """A network that has tried nothing yet."""
        return True

    monkeypatch.setattr(PostgresEmailChanges, "answer", over)
    monkeypatch.setattr(PostgresEmailChanges, "ask", gone)
    for name in ("recover", "seen", "standing", "make_code"):
        monkeypatch.setattr(PostgresEmailChanges, name, none)
    monkeypatch.setattr(PostgresPageRequests, "may_recover_from", yes)
    monkeypatch.setattr(PostgresRequestStore, "kept", unknown)
    monkeypatch.setattr(PostgresPoolMessages, "find", unknown_to_pools)
    monkeypatch.setattr(PostgresSources, "find", find)
    monkeypatch.setattr(Edge, "read", read)
    monkeypatch.setattr(Edge, "introduction", nobody_told)


async def ask(route: Route, raw: bytes, headers: Mapping[str, str], path: str) -> Counts:
    """One request, with what was read of its body and what came back."""
    counts, address = Counts(), httpx.URL("http://fairpool.example" + path)
    parts = [raw[at : at + 65_536] for at in range(0, len(raw), 65_536)] or [b""]

    async def receive() -> Message:
        if not parts:
            return {"type": "http.disconnect"}
        part = parts.pop(0)
        counts.read += len(part)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        counts.status = message.get("status", counts.status)
        counts.answer += message.get("body", b"")

    scope: Scope = {
        "type": "http", "http_version": "1.1", "scheme": "http", "method": route.operation.method, "path": address.path, "raw_path": address.raw_path,
        "query_string": address.query, "root_path": "", "client": ("127.0.0.1", 1), "server": ("fairpool.example", 80),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    await route.app(scope, receive, send)
    return counts


WRONG = {
    "no key": {},
    "a wrong key": {"Authorization": f"Bearer {KEYS['operator'][:-1]}b", "Signature": "sha256 x"},
    "another's kind of key": {"Authorization": "Bearer fp_nobody_" + "a" * 32},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
async def test_who_has_no_key_no_link_and_no_signature_is_refused_before_a_byte_is_read(
    routes: list[Route], headers: dict[str, str]
) -> None:
    raw = b'{"purposes":[' + b"1," * 500_000 + b"1]}"
    asked = [route for route in routes if route.takes_a_body or route.operation.method == "DELETE"]
    found = {}
    for route in asked:
        if route.operation.name not in PUBLIC:
            sent = {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}
            counts = await ask(route, raw, sent, route.path("x"))
            found[route.operation.name] = (counts.status in (401, 404), counts.read, len(counts.answer) < 2 * KIB)
    assert len(found) > 20, "the routes were not found"
    assert {name: one for name, one in found.items() if one != (True, 0, True)} == {}


async def test_no_route_takes_more_than_it_says(routes: list[Route]) -> None:
    found = {}
    for route in routes:
        if route.takes_a_body and route.operation.content and route.operation.name not in ANY_BODY:
            kind, raw = next(iter(route.operation.content)), b'{"a":"' + b"x" * route.limit + b'"}'
            path, headers = route.opened(raw)
            counts = await ask(route, raw, {**headers, "Content-Type": kind}, path)
            told = json.loads(counts.answer)["detail"]
            found[route.operation.name] = (counts.status, f"at most {route.limit} bytes" in told)
    assert len(found) > 12, "the routes were not found"
    assert {name: one for name, one in found.items() if one != (413, True)} == {}


async def test_what_each_page_describes_fits_at_all_its_limits_at_once(routes: list[Route]) -> None:
    found = {}
    for route in routes:
        operation = route.operation
        if not route.takes_a_body or operation.path.startswith("/v1/") or operation.name in ANY_BODY | NO_BODY:
            continue
        raw = json.dumps(fullest(operation.content["application/json"], operation.schemas)).encode()
        path, headers = route.opened(raw)
        status = (await ask(route, raw, {**headers, "Content-Type": "application/json"}, path)).status
        found[operation.name] = (len(raw) <= route.limit, status != 413)
    assert set(found) >= {"POST /me", "POST /confirm/{token}", "POST /profile/{token}", "POST /join"}
    assert {name: one for name, one in found.items() if one != (True, True)} == {}


@pytest.mark.parametrize("name", ["POST /me", "POST /confirm/{token}"])
async def test_a_hundred_long_names_in_cyrillic_letters_fit_into_the_form_of_choices(
    routes: list[Route], name: str
) -> None:
    (route,) = (route for route in routes if route.operation.name == name)
    raw = urlencode({"purposes": "match", "x": "1", "blocked_names": "\r\n".join(["Ж" * 100] * 100)}).encode()
    path, headers = route.opened(raw)
    counts = await ask(route, raw, {**headers, "Content-Type": FORM}, path)
    assert (counts.read, counts.status) == (len(raw), 422)  # read whole, and refused for the field that nobody knows


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """How many mistakes were found, and how many of them were put into words."""
    counts = Counts()
    in_words = problems._field_error

    def building(error: Any, found: str) -> Any:
        counts.built += 1
        return in_words(error, found)

    def looking(errors: Any, **more: Any) -> problems.Problem:
        listed = list(errors)
        counts.judged = max(counts.judged, len(listed))
        return plain_invalid(listed, **more)

    plain_invalid = problems.invalid
    monkeypatch.setattr(problems, "_field_error", building)
    monkeypatch.setattr(problems, "invalid", looking)
    return counts


async def test_the_worst_body_of_each_route_is_refused_in_few_words(routes: list[Route], counted: Counts) -> None:
    """A route that takes a body and describes none, or has none of these, fails here: give it one.

    Counts do not grow with the size: `tests/bench/worst_bodies.py` sends the largest.
    """
    found, seen = {}, set()
    for route in routes:
        name = route.operation.name
        if not route.takes_a_body or name in ANY_BODY:
            continue
        worst = [
            *bodies(route.operation, min(route.limit, gates.BODY_LIMIT)),
            *(EXTRA[name]() if name in EXTRA else ()),
        ]
        seen |= {name} if worst else set()
        for one in worst:
            found[f"{name}: {one.what} ({one.content_type})"] = await _cost(route, one, counted)
    without = {route.operation.name for route in routes if route.takes_a_body} - seen - ANY_BODY - NO_BODY
    assert without == set(), "give these a body in their OpenAPI, or name them among those that read none"
    assert len(found) > 300, "the bodies were not made"
    assert {what: why for what, why in found.items() if why} == {}


NO_BODY = {
    "POST /v1/me/recovery-code",
    "POST /recovery/{token}",
    "POST /me/export",
    "POST /v1/me/export",
    "POST /j/{token}",
    "POST /sign-in/{token}",
    "POST /me/messages/{outreach}/next",
    "POST /v1/me/messages/{outreach}/next",
    "POST /v1/feeds/restart",
    "POST /v1/read-back",
    "POST /v1/tenants/{tenant}/keys",
}
"""They read none."""


async def _cost(route: Route, worst: Worst, counted: Counts) -> str:
    """What is wrong with the answer; empty when nothing is."""
    counted.built = counted.judged = 0
    path, headers = route.opened(worst.raw)
    answer = await ask(route, worst.raw, {**headers, "Content-Type": worst.content_type}, path)
    is_batch = "batch" in worst.content_type
    many, long = (300, 64 * KIB) if is_batch else (problems.MOST_ERRORS, 128 * KIB)
    wrong = []
    if not (400 <= answer.status < 500 or (is_batch and answer.status == 202)):
        wrong.append(f"answered with {answer.status}")
    if counted.built > many:
        wrong.append(f"{counted.built} mistakes told")
    if counted.judged > 500:
        wrong.append(f"{counted.judged} mistakes found")
    if len(answer.answer) > long:
        wrong.append(f"{len(answer.answer)} bytes answered")
    return ", ".join(wrong)
