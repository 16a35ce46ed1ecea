"""Consent's store and directory in memory: they lock, roll back and keep the chain as the real ones do."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx

from services.consent.adapters import agreement
from services.consent.api import Edge, install
from services.consent.api.edge import HasPublished
from services.consent.model import Entry, Present
from services.consent.ports import Employer
from shared.clock import Clock
from shared.ids import new_id
from shared.security import encoding
from shared.security.links import Link, LinkPurpose, LinkReader, LinkSigner, public_half
from shared.web.app import create_app
from shared.web.health import Check
from shared.web.pages import Pages
from tests.fakes.clock import NOON


@dataclass
class ConsentsDatabase:
    """What stays after a transaction."""

    clock: Clock
    rows: dict[str, Present] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    fails_with: Exception | None = None
    """Set it, and the database is away."""
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["FakeConsents"]:
        """All or nothing; locks are given back at the end."""
        if self.fails_with is not None:
            raise self.fails_with
        consents = FakeConsents(self, self.clock.now())
        try:
            yield consents
            self.rows |= consents.rows
            self.entries += consents.entries
        finally:
            for lock in consents.held.values():
                lock.release()

    def lock_of(self, candidate: str) -> asyncio.Lock:
        """The row's lock."""
        return self._locks.setdefault(candidate, asyncio.Lock())


@dataclass
class FakeConsents:
    """The port `Consents`."""

    database: ConsentsDatabase
    at: datetime
    rows: dict[str, Present] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    held: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def register(self, candidates: Sequence[str]) -> None:
        for candidate in candidates:
            if (await self.read(candidate)).principal == "":
                self.rows[candidate] = Present(candidate, new_id("person"))

    async def read(self, candidate: str) -> Present:
        found = self.rows.get(candidate) or self.database.rows.get(candidate)
        return found or Present(candidate, principal="")

    async def lock(self, candidate: str) -> Present:
        if candidate not in self.held:
            lock = self.database.lock_of(candidate)
            await lock.acquire()
            self.held[candidate] = lock
        await self.register([candidate])
        return await self.read(candidate)

    async def append(self, entry: Entry) -> Present:
        assert entry.candidate in self.held, "the row must be locked"
        before = await self.read(entry.candidate)
        if entry.version != before.version + 1:
            raise RuntimeError("a change was appended to another version than the one it was decided on")
        self.entries.append(entry)
        self.rows[entry.candidate] = replace(
            before,
            version=entry.version,
            choices=entry.choices,
            leaf=entry.leaf,
            receipt=entry.receipt,
            outbox_id=len(self.database.entries) + len(self.entries),
        )
        return self.rows[entry.candidate]

    async def receipt(self, receipt: str) -> Mapping[str, Any] | None:
        for entry in [*self.database.entries, *self.entries]:
            if entry.receipt == receipt:
                ledger = {**entry.document["ledger"], "opening": encoding.encode(entry.nonce)}
                return {**entry.document, "ledger": ledger}
        return None


@dataclass(frozen=True)
class FakeDirectory:
    """The port `Directory`."""

    known: Mapping[str, str]

    def employers(self) -> Sequence[Employer]:
        return [Employer(employer, name) for employer, name in sorted(self.known.items(), key=lambda item: item[1])]

    def name(self, employer: str) -> str | None:
        return self.known.get(employer)


async def publishes(_: Sequence[int]) -> bool:
    """Kafka has everything at once."""
    return True


async def never_publishes(_: Sequence[int]) -> bool:
    """Kafka is away."""
    return False


SEED = b"links-in-tests-are-signed-by-it!"
SUBJECT_KEY = bytes(range(64))
EMPLOYERS = {"emp_acme": "Acme Robotics", "emp_denverhealth": "Denver Health"}
SIGN_IN = "http://signup.example/sign-in"


def link(
    candidate: str, purpose: LinkPurpose, *, employer: str | None = None, expires_at: datetime | None = None
) -> str:
    """A token as the courier makes it, good for a day after noon unless it says otherwise."""
    until = expires_at or NOON + timedelta(days=1)
    return LinkSigner(SEED, SUBJECT_KEY).sign(Link(candidate, purpose, until, employer))


def client_of(database: ConsentsDatabase, *, has_published: HasPublished = publishes) -> httpx.AsyncClient:
    """The real routes on the fake store."""

    async def no_checks() -> Mapping[str, Check]:
        return {}

    app = create_app("Fairpool consent", "consent", ready=no_checks)
    edge = Edge(
        change=database.transaction,
        look=database.transaction,
        has_published=has_published,
        now=database.clock.now,
        links=LinkReader(public_half(SEED), SUBJECT_KEY),
        directory=FakeDirectory(EMPLOYERS),
        agreement=agreement.read(),
        sign_in=SIGN_IN,
        home="http://consent.example",
        pages=Pages("services.consent"),
    )
    install(app, edge)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://consent.example")
