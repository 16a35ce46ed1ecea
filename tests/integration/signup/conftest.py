"""Signup's HTTP edge on a real database, and a Kafka that keeps what it is sent."""

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.signup.adapters.email_changes import PostgresEmailChanges
from services.signup.adapters.formats import FORMATS
from services.signup.adapters.held import PostgresHeld
from services.signup.adapters.intake import PostgresIntake
from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.kept_reports import PostgresBacklog
from services.signup.adapters.page_requests import PostgresPageRequests
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.refusals import PostgresRefusals
from services.signup.adapters.sessions import PostgresSessions
from services.signup.adapters.sources import PostgresSources
from services.signup.adapters.titles import occupations_of, suggestions
from services.signup.api import (
    events,
    held,
    hooks,
    join,
    my_profile,
    profile,
    refuse,
    sessions,
    sign_in,
    sources,
    waiting_job,
)
from services.signup.api.person_links import PersonLinks
from services.signup.api.profile_page import ProfileEdge
from services.signup.api.signed_in import signed_in
from services.signup.decisions.quota import MOST_KEPT
from services.signup.model.sessions import Spent
from services.signup.vault.hashing import SlowHashes
from services.signup.vault.index import BlindIndex
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.messaging.envelope import Outgoing
from shared.messaging.producer import NotAcknowledgedError
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from shared.security.links import LinkReader, public_half
from shared.security.sessions import SessionReader, SessionSigner
from shared.security.statements import StatementReader
from shared.security.tenant_keys import hash_key
from shared.web.app import create_app
from shared.web.holders import Holders
from shared.web.person import Navigation
from shared.web.tenants import Tenants
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import FixedClock
from tests.fakes.consent_pages import SEED, SUBJECT_KEY
from tests.fakes.keeper import first_epoch, intake_keys
from tests.signing import PUBLIC, seed_of

NAVIGATION = Navigation("http://signup.test", "http://consent.test")
VAULT_KEY = bytes(range(32))
BLIND_INDEX_KEY = bytes(reversed(range(32)))
KEYS = {
    name: f"fp_{name}_secret{name.replace('_', '').replace('-', '')}" for name in ("acme", "bright", "emp_one", "ops")
}


@dataclass(slots=True)
class Edge:
    """The edge under test."""

    pool: Pool
    clock: FixedClock = field(default_factory=FixedClock)
    tenants: Tenants = field(default_factory=Tenants)
    keys: IntakeKeys = field(default_factory=lambda: intake_keys(VAULT_KEY))
    kafka_answers: bool = True
    sent: list[Outgoing] = field(default_factory=list)
    """What Kafka has without the outbox."""
    answer_after: timedelta = timedelta(0)
    most_kept: int = MOST_KEPT
    """Reports of one tenant's unknown records."""
    table: dict[str, tuple[str, ...]] | None = None
    """Of job titles; none: the real one."""

    def work(self) -> AbstractAsyncContextManager[Unit]:
        return unit_of_work(self.pool, at=self.clock.now(), source="signup")

    async def has_published(self, outbox_ids: Sequence[int], *, within: timedelta) -> bool:
        return self.kafka_answers

    async def must_answer(self) -> None:
        """A broker answers."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        """As `Producer.send`."""
        if not self.kafka_answers:
            raise NotAcknowledgedError("Kafka is away")
        self.sent += records

    def tenant(self, name: str, kind: TenantKind, *, vendor: str | None = None, version: int = 1, **more: Any) -> None:
        hashes = (hash_key(KEYS[name]),) if name in KEYS else ()
        self.tenants.apply(
            TenantChangedV1(
                tenant=name, version=version, kind=kind, name=name, key_hashes=hashes, vendor=vendor, **more
            )
        )

    def held(self) -> held.HeldEdge:
        """What the page of what is held works with."""
        store = PostgresHeld(self.work, self.keys.epochs)
        mine = signed_in(self.holders(), self.open_sessions)
        return held.HeldEdge(store, mine, self.tenants.name_of, self.clock.now, NAVIGATION)

    def profiles(self) -> ProfileEdge:
        """What the profile page works with."""

        @asynccontextmanager
        async def change() -> AsyncIterator[PostgresStore]:
            async with self.work() as unit:
                yield PostgresStore(unit, self.keys)

        @asynccontextmanager
        async def look() -> AsyncIterator[PostgresStore]:
            async with self.pool.acquire() as connection:
                yield PostgresStore(Unit(connection, self.clock.now(), "signup"), self.keys)

        async def has_published(outbox_ids: Sequence[int]) -> bool:
            return self.kafka_answers

        return ProfileEdge(
            change=change,
            look=look,
            has_published=has_published,
            now=self.clock.now,
            links=self.links(),
            names=self.tenants.name_of,
            occupations_of=lambda title: occupations_of(title) if self.table is None else self.table.get(title, ()),
            titles=tuple(suggestions()),
            consent_url="https://consent.example",
            signed_in=signed_in(self.holders(), self.open_sessions),
            navigation=NAVIGATION,
        )

    @asynccontextmanager
    async def open_sessions(self) -> AsyncIterator[PostgresSessions]:
        """The table of sessions, in a transaction of its own."""
        async with self.work() as unit:
            yield PostgresSessions(unit)

    def holders(self) -> Holders:
        """Tells who is signed in."""
        reader = SessionReader(PUBLIC["signup"], [SUBJECT_KEY])
        urls = ("http://signup.test", "http://consent.test")
        return Holders(reader, self.clock.now, urls, sign_in="http://signup.test/sign-in")

    def links(self) -> PersonLinks:
        """Reads what opens something of a person's."""
        return PersonLinks(LinkReader([public_half(SEED)], [SUBJECT_KEY]), self.open_sessions, self.clock.now)

    def sessions(self) -> sessions.SessionsEdge:
        """What the pages of sessions work with."""
        holders = self.holders()
        return sessions.SessionsEdge(
            change=self.open_sessions,
            look=self.open_sessions,
            links=self.links(),
            statements=StatementReader(PUBLIC["signup"]),
            signer=SessionSigner(seed_of("signup"), SUBJECT_KEY),
            holders=holders,
            signed_in=signed_in(holders, self.open_sessions),
            now=self.clock.now,
            navigation=NAVIGATION,
        )

    async def sign_in(self, candidate: str) -> dict[str, str]:
        """The header of a program that has just signed in as this person."""
        at = self.clock.now()
        started = SessionSigner(seed_of("signup"), SUBJECT_KEY).start(candidate, at=at, said_by=at)
        spent = Spent(candidate, secrets.token_bytes(32), at + timedelta(minutes=15))
        async with self.open_sessions() as opened:
            assert await opened.start(started.session, spent, "A program") == "good"
        return {"Authorization": f"Bearer {started.token}"}

    async def outbox(self) -> list[dict[str, Any]]:
        """The values that are on their way, or in Kafka already."""
        rows = await self.pool.fetch("SELECT value FROM outbox ORDER BY id")
        return [json.loads(value) for value in [one.value or b"" for one in self.sent] + [row["value"] for row in rows]]

    async def everything(self) -> str:
        """All that the database holds, and Kafka, as text."""
        found = list(map(str, self.sent))
        for row in await self.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            found += [str(dict(line)) for line in await self.pool.fetch(f"SELECT * FROM {row['tablename']}")]
        return "\n".join(found)


def emails_of(edge: Edge) -> PostgresEmailChanges:
    """Changes of emails, with the keys of `test_story`."""
    epochs = first_epoch(VAULT_KEY)
    secrets_ = VaultSecrets(epochs.epochs, BlindIndex(BLIND_INDEX_KEY), SlowHashes(BLIND_INDEX_KEY))
    return PostgresEmailChanges(edge.work, lambda unit: PostgresStore(unit, edge.keys), secrets_, epochs)


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["signup"]


@pytest.fixture
async def edge(pool: Pool) -> Edge:
    """An edge with two vendors and an employer each."""
    made = Edge(pool)
    for vendor in ("acme", "bright"):
        made.tenant(vendor, "vendor")
    made.tenant("emp_one", "employer", vendor="acme")
    made.tenant("emp_two", "employer", vendor="bright")
    made.tenant("ops", "operator")
    return made


@pytest.fixture
async def http(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the edge."""

    async def ready() -> dict[str, Any]:
        return {}

    app = create_app("signup", "signup", ready=ready)
    intake = PostgresIntake(lambda: edge.pool, edge.work, lambda: edge, edge.keys, publish_within=timedelta(seconds=1))
    backlog = PostgresBacklog(lambda: edge.pool, most=edge.most_kept)
    kept = PostgresSources(
        lambda: edge.pool, edge.work, first_epoch(VAULT_KEY), edge.clock.now, kept=timedelta(seconds=60)
    )
    requests = PostgresPageRequests(edge.work)
    app.include_router(hooks.router(FORMATS, kept, intake, backlog, edge.tenants, edge.clock, occupations_of))
    app.include_router(events.router(intake, backlog, edge.tenants, edge.clock, occupations_of))
    app.include_router(
        sources.router(FORMATS.keys(), kept, edge.tenants, edge.clock, base_url="https://signup.example")
    )
    app.include_router(
        join.router(
            intake,
            requests,
            edge.clock,
            index=BlindIndex(BLIND_INDEX_KEY),
            titles=suggestions(),
            occupations_of=occupations_of,
            answer_after=edge.answer_after,
        )
    )
    app.include_router(sign_in.router(requests, index=BlindIndex(BLIND_INDEX_KEY), answer_after=timedelta(0)))
    app.include_router(sessions.router(edge.sessions()))
    app.include_router(sessions.api(edge.sessions()))
    app.include_router(profile.router(edge.profiles()))
    for one in (my_profile.pages, my_profile.api):
        app.include_router(one(edge.profiles()))
    for two in (held.pages, held.api):
        app.include_router(two(edge.held()))
    app.include_router(waiting_job.router(edge.held()))
    secrets = VaultSecrets(edge.keys.epochs.epochs, BlindIndex(BLIND_INDEX_KEY), SlowHashes(BLIND_INDEX_KEY))
    refusals = PostgresRefusals(edge.work, secrets, edge.keys.epochs)
    app.include_router(refuse.router(refusals, LinkReader([public_half(SEED)], [SUBJECT_KEY]), edge.clock.now))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://signup.test") as client:
        yield client


@pytest.fixture
async def no_database(edge: Edge) -> asyncpg.Pool:
    """Takes the database away."""
    await edge.pool.close()
    return edge.pool
