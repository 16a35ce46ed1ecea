"""One suite for the four readers of consents, on the fakes and on PostgreSQL: what each believes of a yes after a no.

Each record is signed with consent's real key, and goes through what decodes and through the reader's own handler.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from services.outreach_gateway import handlers as gateway
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.adapters.postgres import PostgresOutreach as GatewayStore
from services.pool_matching import handlers as matching
from services.pool_matching.adapters.pool_cache import PoolCache
from services.pool_matching.adapters.postgres_persons import PostgresPersons
from services.signup import handlers as signup
from services.signup.adapters.postgres import PostgresStore as SignupStore
from services.signup.courier import handlers as courier
from services.signup.courier.adapters.postgres import PostgresCourier
from services.signup.model.records import Stub
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.grants import newest
from shared.facts import Known
from shared.feed.postgres import PostgresFeedWriter
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record, decode, encode
from shared.messaging.signatures import REPLAYED
from shared.messaging.unit import Unit, unit_of_work
from shared.metrics import SIGNATURES_REFUSED
from shared.ticks import Ticks
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.courier import FakeCourierStore
from tests.fakes.keeper import first_epoch, intake_keys
from tests.fakes.outreach_gateway import FakeStore as FakeGateway
from tests.fakes.pool_matching import SOC, FakeMatching
from tests.fakes.signup import FakeStore as FakeSignup
from tests.signing import TICK_KEY, consented, signed_by, statement, verifier, with_signatures

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
NOW = NOON + 9 * DAY
KEY, POLICY = bytes(32), read_policy("2026-12")


@dataclass
class Reader:
    """A reader of consents, whatever keeps them."""

    name: str
    database: str
    open: Callable[[], AbstractAsyncContextManager[Any]]
    handle: Callable[[Any, list[Received[Any]]], Awaitable[None]]
    allows: Callable[[Any, str], Awaitable[bool]]

    async def read(self, *events: ConsentChangedV2) -> None:
        """As one batch; what is not believed goes no further, as in each consumer."""
        sent = with_signatures([encode(event, source="consent", at=NOON) for event in events], signed_by("consent"))
        records = [Record(one.topic, 0, at, one.key, one.value, one.headers) for at, one in enumerate(sent)]
        decoded = [decode(record, verifier()) for record in records]
        async with self.open() as store:
            await self.handle(store, [item for item in decoded if isinstance(item, Received)])

    async def acts_on(self, candidate: str) -> bool:
        """Whether by what is kept something is allowed."""
        async with self.open() as store:
            return await self.allows(store, candidate)


async def _in_gateway(store: Any, candidate: str) -> bool:
    await store.lock_people([candidate])
    consent = (await store.people([candidate]))[candidate].consent
    return isinstance(consent, Known) and bool(consent.value.contact)


async def _in_courier(store: Any, candidate: str) -> bool:
    kept = (await store.consents([candidate]))[candidate]
    return isinstance(kept, Known) and bool(kept.value.purposes)


async def _in_matching(store: Any, candidate: str) -> bool:
    known = [one.person.consent for one in await store.known([candidate])]
    return any(isinstance(consent, Known) and consent.value.match for consent in known)


async def _in_signup(store: Any, candidate: str) -> bool:
    if not (await store.showings([candidate])):
        await store.register([Stub(candidate, candidate.encode(), NOON + DAY)])
    return bool((await store.showings([candidate]))[candidate].match_granted)


HANDLE: dict[str, Callable[[Any, list[Received[Any]]], Awaitable[None]]] = {
    "outreach_gateway": gateway.on_consent_changed,
    "courier": lambda store, received: courier.on_consent_changed(store, received, {0: 1}),
    "pool_matching": lambda store, received: matching.on_candidates_changed(
        store, received, lambda who, *of: f"m_{who}"
    ),
    "signup": signup.on_consent_changed,
}
ALLOWS = {"outreach_gateway": _in_gateway, "courier": _in_courier, "pool_matching": _in_matching, "signup": _in_signup}
MAKES: dict[str, Callable[[Unit], Any]] = {
    "outreach_gateway": lambda unit: GatewayStore(
        unit, POLICY, lambda of: PostgresFeedWriter(of, "outreach", lambda: None), Ticks(TICK_KEY)
    ),
    "courier": lambda unit: PostgresCourier(unit, first_epoch(KEY)),
    "pool_matching": lambda unit: PostgresPersons(unit, PoolCache(), SOC, b"key"),
    "signup": lambda unit: SignupStore(unit, intake_keys(KEY)),
}
FAKES: dict[str, Callable[[], Any]] = {
    "outreach_gateway": FakeGateway,
    "courier": FakeCourierStore,
    "pool_matching": FakeMatching,
    "signup": FakeSignup,
}


@pytest.fixture(params=[f"{name} {where}" for name in HANDLE for where in ("fake", "postgres")])
async def reader(request: pytest.FixtureRequest) -> AsyncIterator[Reader]:
    name, where = request.param.split()
    database = "signup" if name == "courier" else name
    if where == "fake":
        fake = FAKES[name]()
        fake.at = NOW

        @asynccontextmanager
        async def in_memory() -> AsyncIterator[Any]:
            yield fake

        yield Reader(name, database, in_memory, HANDLE[name], ALLOWS[name])
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(*MIGRATIONS_OF[database]) as pool:

        @asynccontextmanager
        async def in_postgres() -> AsyncIterator[Any]:
            async with unit_of_work(pool, at=NOW, source=name) as unit:
                yield MAKES[name](unit)

        yield Reader(name, database, in_postgres, HANDLE[name], ALLOWS[name])


@pytest.fixture
async def ana(reader: Reader) -> str:
    candidate = new_candidate_id()
    assert not await reader.acts_on(candidate)
    return candidate


@pytest.fixture
def counted() -> Iterator[Callable[[], float]]:
    """How many were counted as replayed since the test began."""
    series = SIGNATURES_REFUSED.labels("consent-state", REPLAYED)._value
    before = series.get()
    yield lambda: float(series.get() - before)


def yes(candidate: str, version: int, **more: Any) -> ConsentChangedV2:
    return consented(
        **{"candidate": candidate, "version": version, "at": NOON, "purposes": ("match", "contact")} | more
    )


def no(candidate: str, version: int, after: timedelta = DAY) -> ConsentChangedV2:
    return consented(candidate=candidate, version=version, at=NOON + after, purposes=())


async def test_what_is_not_stated_by_signup_changes_nothing_and_the_later_withdrawal_works(
    reader: Reader, ana: str
) -> None:
    stranger = statement(new_candidate_id(), NOON)
    for forged in (
        yes(ana, 1, statement=None),
        yes(ana, 1, statement=stranger),
        yes(ana, 1, statement=statement(ana, NOON - 2 * DAY, lasts=DAY)),
        yes(ana, 2**31 - 1, statement=None),
    ):
        await reader.read(forged)
        assert not await reader.acts_on(ana)
    await reader.read(yes(ana, 1))
    assert await reader.acts_on(ana)
    await reader.read(yes(ana, 2**31 - 1, statement=stranger))
    await reader.read(no(ana, 2))
    assert not await reader.acts_on(ana)


async def test_a_yes_that_is_said_again_after_a_no_is_not_acted_on(
    reader: Reader, ana: str, counted: Callable[[], float]
) -> None:
    await reader.read(yes(ana, 1))
    await reader.read(no(ana, 2))
    said = [NOON, NOON + DAY + MINUTE]  # when it was said, or as if it had been said just now: the link still works
    for version, at in enumerate(said, start=3):
        await reader.read(yes(ana, version, statement=statement(ana, NOON), said_at=at))
        assert not await reader.acts_on(ana)
        assert counted() == version - 2
    await reader.read(no(ana, 3, after=2 * DAY))
    await reader.read(yes(ana, 4, statement=statement(ana, NOON + 3 * DAY), said_at=NOON + 3 * DAY))
    assert await reader.acts_on(ana), "what was not believed raised no version, and a new link says yes"


async def test_a_replay_in_the_batch_of_the_no_does_not_hide_it(
    reader: Reader, ana: str, counted: Callable[[], float]
) -> None:
    await reader.read(yes(ana, 1))
    await reader.read(no(ana, 2), yes(ana, 2**31 - 1))
    assert not await reader.acts_on(ana)
    assert counted() == 1
    await reader.read(yes(ana, 3, statement=statement(ana, NOON + 2 * DAY), said_at=NOON + 2 * DAY))
    assert await reader.acts_on(ana)


async def test_a_no_is_not_forgotten_by_a_later_one_that_says_nothing_of_it(reader: Reader, ana: str) -> None:
    await reader.read(yes(ana, 1))
    await reader.read(no(ana, 2))
    await reader.read(no(ana, 3).model_copy(update={"stopped_at": None, "sealed": None}))
    await reader.read(yes(ana, 4))
    assert not await reader.acts_on(ana)


async def test_what_stays_on_needs_no_newer_link(reader: Reader, ana: str, counted: Callable[[], float]) -> None:
    await reader.read(yes(ana, 1))
    await reader.read(yes(ana, 2, min_gap_hours=48))
    await reader.read(
        yes(ana, 3, at=NOON + DAY, stopped_at=NOON + DAY, statement=statement(ana, NOON), paused_until=NOON)
    )
    assert await reader.acts_on(ana)
    assert counted() == 0


async def test_a_no_is_not_forgotten_by_another_one_of_its_batch(reader: Reader, ana: str) -> None:
    await reader.read(yes(ana, 1))
    await reader.read(no(ana, 2), no(ana, 3).model_copy(update={"stopped_at": None, "sealed": None}))
    await reader.read(yes(ana, 4))
    assert not await reader.acts_on(ana)


async def test_a_no_counts_although_a_yes_of_a_higher_version_came_before_it(reader: Reader, ana: str) -> None:
    for version in (1, 2, 2**31 - 1):
        await reader.read(yes(ana, version))
    await reader.read(yes(ana, 2**31 - 1))
    assert await reader.acts_on(ana)
    await reader.read(no(ana, 2))
    assert not await reader.acts_on(ana)


async def test_a_no_counts_although_a_yes_that_claims_a_later_no_came_before_it(reader: Reader, ana: str) -> None:
    await reader.read(yes(ana, 1))
    later = {"at": NOON + 8 * DAY, "stopped_at": NOON + 8 * DAY}
    await reader.read(yes(ana, 2**31 - 1, **later, statement=statement(ana, NOON), said_at=NOON))
    await reader.read(no(ana, 2))
    assert not await reader.acts_on(ana)


async def test_a_no_is_kept_although_another_of_a_higher_version_came_before_it(reader: Reader, ana: str) -> None:
    await reader.read(yes(ana, 1))
    await reader.read(no(ana, 2**31 - 3).model_copy(update={"stopped_at": None, "sealed": None}))
    await reader.read(no(ana, 2))
    await reader.read(yes(ana, 2**31 - 2))
    assert not await reader.acts_on(ana)


async def test_an_older_no_that_comes_late_takes_nothing_from_a_newer_yes(reader: Reader, ana: str) -> None:
    await reader.read(yes(ana, 3, statement=statement(ana, NOON + 2 * DAY), said_at=NOON + 2 * DAY))
    await reader.read(no(ana, 2))
    await reader.read(yes(ana, 1))
    assert await reader.acts_on(ana)


async def test_a_no_of_next_year_shuts_nobody_out(reader: Reader, ana: str) -> None:
    ahead = NOON + 3000 * DAY
    await reader.read(yes(ana, 1))
    await reader.read(no(ana, 2).model_copy(update={"stopped_at": ahead, "sealed": None}))
    assert await reader.acts_on(ana), "it is of later than when it was said"
    await reader.read(no(ana, 3, after=3000 * DAY))
    assert not await reader.acts_on(ana)
    link = NOW + MINUTE
    await reader.read(yes(ana, 4, at=link))
    assert await reader.acts_on(ana)


async def test_of_who_was_erased_matching_keeps_what_it_keeps_of_who_was_never_known(databases: Databases) -> None:
    known, stranger = new_candidate_id(), new_candidate_id()
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as pool, unit_of_work(pool, at=NOW, source="x") as unit:
        store = MAKES["pool_matching"](unit)
        for events in ([yes(known, 1)], [no(known, 2)], [yes(known, 3, statement=statement(known, NOON + 2 * DAY))]):
            await store.note([], newest(events, now=NOW))
        await store.erase([known, stranger])
        await store.note([], newest([no(known, 4, after=5 * DAY)], now=NOW))
        rows = await unit.connection.fetch("SELECT * FROM persons ORDER BY candidate = $1", known)
        fresh, erased = [{name: value for name, value in row.items() if name != "candidate"} for row in rows]
        assert erased == fresh
