"""Consent's real routes on its store in memory, and who calls them: sessions, links, a client."""

from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeVar

import httpx

from services.consent.adapters.writer import writer
from services.consent.api import Edge, Labels, answer_bad_links, preferences, receipts, told, unsubscribe
from services.consent.api import messages as written
from services.consent.api.edge import HasPublished
from services.consent.model import (
    Agreements,
)
from shared.clock import Clock
from shared.security.links import Link, LinkPurpose, LinkReader, LinkSigner, public_half
from shared.security.sessions import SessionReader, SessionSigner, Started
from shared.security.statements import StatementReader, StatementSigner
from shared.web.app import create_app
from shared.web.health import Check
from shared.web.holders import Holders
from shared.web.pages import Pages
from shared.web.person import Navigation
from tests.fakes.clock import NOON
from tests.fakes.consent import AGREED, SIGN_IN, ConsentsDatabase, FakeDirectory
from tests.fakes.messages import FakeMessages
from tests.fakes.told import FakeTellings
from tests.signing import PUBLIC, SEALS, seed_of

S = TypeVar("S")


async def publishes(_: Sequence[int]) -> bool:
    """Kafka has everything at once."""
    return True


async def never_publishes(_: Sequence[int]) -> bool:
    """Kafka is away."""
    return False


SEED = b"links-in-tests-are-signed-by-it!"
SUBJECT_KEY = bytes(range(64))
ANA = "00000000-0000-7000-8000-000000000001"
EMPLOYERS = {"emp_acme": "Acme Robotics", "emp_denverhealth": "Denver Health"}
PROFILE = "http://signup.example/profile"
JOIN = "http://signup.example/join"
LINKS = LinkSigner(SEED, SUBJECT_KEY, StatementSigner(seed_of("signup")))
"""The courier's."""


def holders_of(clock: Clock) -> Holders:
    """Tells who is signed in."""
    sessions = SessionReader(PUBLIC["signup"], [SUBJECT_KEY])
    return Holders(sessions, clock.now, ("http://consent.example", "http://signup.example"), sign_in=SIGN_IN)


def session(candidate: str, *, at: datetime = NOON, said_by: datetime | None = NOON) -> Started:
    """A session as signup makes it, at noon by a link of noon unless it says otherwise."""
    return SessionSigner(seed_of("signup"), SUBJECT_KEY).start(candidate, at=at, said_by=said_by)


def bearer(candidate: str, *, at: datetime = NOON, said_by: datetime | None = NOON) -> dict[str, str]:
    """The header by which a program shows such a session."""
    return {"Authorization": f"Bearer {session(candidate, at=at, said_by=said_by).token}"}


LABELS = Labels(SEALS)


def served(candidate: str, at: datetime = NOON) -> str:
    """What the form of a page carries that shows the text in force."""
    return LABELS.of(candidate, AGREED.original, at)


class SignedIn(httpx.Auth):
    """Signs each request in that does not say itself who asks: as Ana, who used a link of noon just now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.said_by = NOON

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if "Authorization" not in request.headers and "Cookie" not in request.headers:
            request.headers.update(bearer(ANA, at=self._clock.now(), said_by=self.said_by))
        yield request


def link(
    candidate: str,
    purpose: LinkPurpose,
    *,
    employer: str | None = None,
    expires_at: datetime | None = None,
    issued_at: datetime | None = NOON,
) -> str:
    """A token as the courier makes it, at noon and good for a day unless it says otherwise."""
    until = expires_at or NOON + timedelta(days=1)
    return LINKS.sign(Link(candidate, purpose, until, employer, issued_at))


def opening(kept: S) -> Callable[[], AbstractAsyncContextManager[S]]:
    """Opens the same again and again."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[S]:
        yield kept

    return opened


def client_of(
    database: ConsentsDatabase,
    *,
    has_published: HasPublished = publishes,
    time_withdrawal: Callable[[int, float], None] = lambda outbox_id, arrived: None,
    messages: FakeMessages | None = None,
    tellings: FakeTellings | None = None,
    agreements: Agreements = AGREED,
    is_signed_in: bool = False,
) -> httpx.AsyncClient:
    """The real routes on the fake store, as Ana calls them who is signed in, or a stranger."""

    async def no_checks() -> Mapping[str, Check]:
        return {}

    app, kept = create_app("Fairpool consent", "consent", ready=no_checks), messages or FakeMessages()
    edge = Edge(
        change=database.transaction,
        look=database.transaction,
        has_published=has_published,
        time_withdrawal=time_withdrawal,
        now=database.clock.now,
        links=LinkReader([public_half(SEED)], [SUBJECT_KEY]),
        statements=StatementReader(PUBLIC["signup"]),
        holders=holders_of(database.clock),
        navigation=Navigation("http://signup.example", "http://consent.example"),
        messages=opening(kept),
        change_messages=opening(kept),
        tellings=opening(tellings or FakeTellings()),
        directory=FakeDirectory(EMPLOYERS),
        agreements=agreements,
        seals=SEALS,
        labels=LABELS,
        writes=writer(agreements, where=SIGN_IN, home="http://consent.example"),
        sign_in=SIGN_IN,
        profile=PROFILE,
        erase="https://signup.example/erase",
        join=JOIN,
        pages=Pages("services.consent"),
    )
    answer_bad_links(app, edge)
    for routes in (preferences, unsubscribe, receipts, written):
        app.include_router(routes.router(edge))
    app.include_router(told.router(edge))
    app.include_router(written.pages(edge))
    app.include_router(told.pages(edge))
    auth = SignedIn(database.clock) if is_signed_in else None
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://consent.example", auth=auth)
