"""The gateway's rows: one suite on the fake and on PostgreSQL, and what only PostgreSQL can show."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

import pytest

from services.outreach_gateway import handlers
from services.outreach_gateway.adapters import booking, postgres
from services.outreach_gateway.adapters.kept import SQL
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.adapters.postgres import PostgresOutreach
from services.outreach_gateway.adapters.postgres_epochs import PostgresEpochs
from services.outreach_gateway.adapters.postgres_requests import PostgresRequestStore
from services.outreach_gateway.answers import Course, handed_on_until, known_at
from services.outreach_gateway.decisions import ENDED_KEPT, KEPT
from services.outreach_gateway.model import (
    Admit,
    Cancel,
    Change,
    Consent,
    Decision,
    Delay,
    Drop,
    Hold,
    Memberships,
    Outreach,
    Person,
    Rule,
    Standing,
    State,
    shard_of,
)
from services.outreach_gateway.ports.outreach import Reported, Settled, Store
from services.outreach_gateway.ports.windows import Building, Epoch
from shared.contracts.outreach_gateway import OutreachDecidedV1, OutreachRequestedV1
from shared.facts import UNKNOWN, Fact, Known
from shared.feed.model import Place
from shared.feed.ports import FeedWriter
from shared.feed.postgres import SQL as FEED_SQL
from shared.feed.postgres import PostgresFeedRows, PostgresFeedWriter
from shared.messaging.envelope import Received, Record
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool, open_pool
from shared.ticks import Ticks
from tests.conftest import unique
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import NOON
from tests.fakes.outreach_gateway import FakeStore, FakeWindows, places_of
from tests.signing import TICK_KEY
from tests.stack import Servers
from tests.waiting import until

POLICY = read_policy("2026-12")
MIGRATIONS = Path(postgres.__file__).parent.parent / "migrations"
TICKS = Ticks(TICK_KEY)
LAST_DAY = date(2026, 12, 7)
ANA, BEN, CAM = str(UUID(int=1)), str(UUID(int=2)), str(UUID(int=3))
SOON = NOON + timedelta(hours=1)


class Rows(Protocol):
    """A store to try, and a way to put a submitted row into it."""

    def store(self, at: datetime = NOON) -> AbstractAsyncContextManager[Store]: ...

    async def submit(self, id: str, candidate: str = ANA, employer: str = "emp_a") -> None: ...


@dataclass
class FakeRows:
    kept: FakeStore = field(default_factory=FakeStore)

    @asynccontextmanager
    async def store(self, at: datetime = NOON) -> AsyncIterator[Store]:
        self.kept.at = at
        yield self.kept

    async def submit(self, id: str, candidate: str = ANA, employer: str = "emp_a") -> None:
        until = handed_on_until(LAST_DAY)
        self.kept.submit(
            Outreach(
                id,
                0,
                State.SUBMITTED,
                employer,
                candidate,
                NOON,
                until,
                pool_tag=b"8 bytes.",
                generation=3,
                last_day=LAST_DAY,
            )
        )


@dataclass
class PostgresRows:
    pool: Pool

    @asynccontextmanager
    async def store(self, at: datetime = NOON) -> AsyncIterator[PostgresOutreach]:
        async with unit_of_work(self.pool, at=at, source="outreach_gateway") as unit:
            yield PostgresOutreach(unit, POLICY, feed, TICKS)

    async def submit(self, id: str, candidate: str = ANA, employer: str = "emp_a") -> None:
        until, due = handed_on_until(LAST_DAY), NOON + timedelta(seconds=30)
        tell_at = known_at(Course(State.SUBMITTED, NOON, LAST_DAY), TICKS, employer)
        row = (
            id,
            employer,
            candidate,
            "m_x",
            b"d",
            "sealed",
            NOON,
            until,
            due,
            None,
            b"8 bytes.",
            3,
            LAST_DAY,
            tell_at,
            False,
            "29-1141",
            "CO",
            "job",
        )
        await self.pool.execute(SQL["submit"], *row)

    @asynccontextmanager
    async def requests(self) -> AsyncIterator[PostgresRequestStore]:
        async with unit_of_work(self.pool, at=NOON, source="outreach_gateway") as unit:
            yield PostgresRequestStore(unit, feed_of_employers)

    @asynccontextmanager
    async def epochs(self) -> AsyncIterator[PostgresEpochs]:
        async with unit_of_work(self.pool, at=NOON, source="outreach_gateway") as unit:
            yield PostgresEpochs(unit)


def feed(unit: Unit) -> FeedWriter:
    return PostgresFeedWriter(unit, "outreach", lambda: None)


def feed_of_employers(unit: Unit) -> FeedWriter:
    return PostgresFeedWriter(unit, "told", lambda: None)


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["outreach_gateway"]


@pytest.fixture
def on_postgres(pool: Pool) -> PostgresRows:
    return PostgresRows(pool)


@pytest.fixture(params=["fake", "postgres"])
def rows(request: pytest.FixtureRequest) -> Rows:
    return FakeRows() if request.param == "fake" else request.getfixturevalue("on_postgres")


async def live(rows: Rows, *ids: str) -> list[Outreach]:
    async with rows.store() as store:
        return list(await store.lock_live(ids))


async def settle(rows: Rows, id: str, decision: Decision, at: datetime = NOON) -> None:
    async with rows.store(at) as store:
        found = await store.lock_live([id]) or await store.lock_waiting_of([ANA])
        row = next(row for row in found if row.id == id)
        await store.settle([Settled(row, decision, getattr(decision, "rule", None))])


async def booked(rows: PostgresRows, candidate: str) -> dict[str, list[str]]:
    """By person of this one's shard, what a building gets."""
    async with rows.epochs() as epochs:
        page = await epochs.page(Building(shard_of(candidate), Epoch("x")), 10, kept=KEPT)
    return {person.candidate: sorted(place.outreach for place in places_of(person)) for person in page}


async def test_a_building_gets_each_slot_as_windows_have_it(on_postgres: PostgresRows) -> None:
    """To the millisecond that a booking would have sent, whatever is in the names."""
    odd = NOON + timedelta(microseconds=123_999)
    slots = {
        "o1": ('emp_"\\é\t', odd),
        "o2": ("emp_a", NOON - timedelta(days=3)),
        "o3": ("emp_b", NOON + timedelta(days=9)),
    }
    for id, (employer, at) in slots.items():
        await on_postgres.submit(id, employer=employer)
        await settle(on_postgres, id, Admit(at, SOON))
    async with on_postgres.epochs() as epochs:
        (person,) = await epochs.page(Building(shard_of(ANA), Epoch("x")), 10, kept=KEPT)
    assert sorted((place.outreach, place.employer, booking.ms(place.at)) for place in places_of(person)) == [
        (id, employer, booking.ms(at)) for id, (employer, at) in slots.items()
    ]


async def due(rows: Rows, at: datetime) -> list[str]:
    async with rows.store(at) as store:
        return sorted(row.id for row in await store.take_due([ANA, BEN], 10))


async def test_a_submitted_row_is_live_until_it_is_decided(rows: Rows) -> None:
    await rows.submit("o1")
    assert [row.state for row in await live(rows, "o1", "unknown")] == [State.SUBMITTED]
    await settle(rows, "o1", Admit(NOON, SOON))
    assert await live(rows, "o1") == []


@pytest.mark.parametrize("decision", [Admit(NOON, SOON), Drop(Rule.HOURS), Cancel(Rule.CONTACT_NOT_GRANTED)])
async def test_what_is_decided_is_not_due(rows: Rows, decision: Decision) -> None:
    await rows.submit("o1")
    await settle(rows, "o1", decision)
    assert await due(rows, NOON + timedelta(days=1)) == []


async def test_a_delayed_row_is_due_at_its_slot(rows: Rows) -> None:
    await rows.submit("o1")
    await settle(rows, "o1", Delay(SOON, Rule.HOURS))
    assert await due(rows, SOON - timedelta(seconds=1)) == []
    assert await due(rows, SOON) == ["o1"]


async def test_a_held_row_keeps_its_version_and_comes_again(rows: Rows) -> None:
    await rows.submit("o1")
    await settle(rows, "o1", Hold(SOON))
    assert [row.version for row in await live(rows, "o1")] == [0]
    assert await due(rows, SOON - timedelta(seconds=1)) == []
    async with rows.store() as store:
        await store.look_again([ANA])
    assert await due(rows, NOON) == ["o1"]


async def test_only_the_persons_own_waiting_rows_are_locked(rows: Rows) -> None:
    await rows.submit("o1", ANA)
    await settle(rows, "o1", Delay(SOON, Rule.HOURS))
    await rows.submit("o2", ANA)
    await rows.submit("o3", ANA)
    await settle(rows, "o3", Drop(Rule.HOURS))
    async with rows.store() as store:
        assert [row.id for row in await store.lock_waiting_of([ANA])] == ["o1", "o2"]
        assert await store.lock_waiting_of([BEN]) == []


async def test_only_what_waits_of_these_senders_is_taken_some_at_a_time(rows: Rows) -> None:
    for id, employer in (("o1", "emp_a"), ("o2", "emp_a"), ("o3", "emp_b"), ("o4", "emp_c")):
        await rows.submit(id, employer=employer)
    await settle(rows, "o2", Delay(SOON, Rule.HOURS))
    await settle(rows, "o3", Drop(Rule.HOURS))
    async with rows.store() as store:
        assert {row.id for row in await store.take_waiting_of_senders(["emp_a", "emp_b"], 9)} == {"o1", "o2"}
        assert len(await store.take_waiting_of_senders(["emp_a", "emp_b"], 1)) == 1
        assert await store.take_waiting_of_senders([], 9) == []


async def test_what_ended_is_deleted_by_its_own_last_day_whenever_it_was_decided(on_postgres: PostgresRows) -> None:
    for id in ("waits", "slot", "out", "old1", "old2", "old3"):
        await on_postgres.submit(id)
    await settle(on_postgres, "slot", Delay(SOON, Rule.HOURS))
    await settle(on_postgres, "out", Admit(NOON, SOON))
    for days, id in enumerate(("old1", "old2", "old3")):
        await settle(on_postgres, id, Drop(Rule.HOURS), at=NOON + timedelta(days=days))
    await on_postgres.submit("young")
    await on_postgres.pool.execute("UPDATE outreach SET last_day = last_day + 1 WHERE id = 'young'")
    await settle(on_postgres, "young", Drop(Rule.HOURS))

    async def forget(at: datetime) -> bool:
        async with unit_of_work(on_postgres.pool, at=at, source="outreach_gateway") as unit:
            return await PostgresEpochs(unit).forget_ended(2, kept=ENDED_KEPT) == 2

    last = datetime.combine(LAST_DAY, time(), UTC) + ENDED_KEPT
    assert not await forget(last)
    assert await forget(last + timedelta(days=1))
    assert not await forget(last + timedelta(days=1))
    left = await on_postgres.pool.fetch("SELECT id, sealed FROM outreach ORDER BY id")
    assert [(row["id"], row["sealed"] is None) for row in left] == [
        ("out", False),
        ("slot", False),
        ("waits", False),
        ("young", True),
    ]


async def test_the_newest_consent_wins_in_any_order(rows: Rows) -> None:
    newest = Consent(
        ANA,
        3,
        contact=True,
        blocked_employers=frozenset({"emp_x"}),
        first_contacts_per_week=1,
        min_gap_hours=48,
        quiet_start=time(21),
        quiet_end=time(8),
        time_zone="America/Denver",
        paused_until=NOON,
        ends_at=SOON,
    )
    older = Consent(ANA, 2, contact=False)
    for batch in ([older, newest], [newest, older], [older]):
        async with rows.store() as store:
            await store.keep_consents(batch)
    async with rows.store() as store:
        await store.lock_people([ANA, BEN])
        people = await store.people([ANA, BEN])
    assert people[ANA].consent == Known(newest)
    assert people[BEN].consent == UNKNOWN


async def test_the_newest_memberships_win(rows: Rows) -> None:
    async with rows.store() as store:
        await store.keep_memberships({ANA: (2, Memberships(frozenset({"emp_a"})))})
    async with rows.store() as store:
        await store.keep_memberships({ANA: (1, Memberships(frozenset({"emp_b"})))})
    async with rows.store() as store:
        people = await store.people([ANA, BEN])
    assert (people[ANA].memberships, people[BEN].memberships) == (Known(Memberships(frozenset({"emp_a"}))), UNKNOWN)


async def test_pools_and_withdrawals_are_kept_and_what_a_version_wrote_that_knows_neither_is_completed(
    rows: Rows,
) -> None:
    told = Memberships(frozenset({"emp_a"}), frozenset({"p_1", "p_2"}), 3)
    alone = Memberships(frozenset({"emp_a"}))
    for version, kept in ((1, told), (2, alone), (2, told)):
        async with rows.store() as store:
            await store.keep_memberships({ANA: (version, kept)})
        async with rows.store() as store:
            found = (await store.people([ANA]))[ANA].memberships
        assert isinstance(found, Known)
        assert (found.value.employers, found.value.pools) == (kept.employers, kept.pools)
        if kept is told:
            assert found == Known(told)


async def test_of_what_a_version_wrote_that_knows_no_pools_the_employers_alone_count(on_postgres: PostgresRows) -> None:
    async with on_postgres.store() as store:
        await store.keep_memberships({ANA: (1, Memberships(frozenset({"emp_a"}), frozenset({"p_1"}), 1))})
    await on_postgres.pool.execute("UPDATE memberships SET version = 2, employers = '{emp_b}'")
    async with on_postgres.store() as store:
        found = (await store.people([ANA]))[ANA].memberships
    assert isinstance(found, Known)
    assert (found.value.employers, found.value.pools) == (frozenset({"emp_b"}), None)


async def test_a_row_says_what_its_ref_said(rows: Rows) -> None:
    await rows.submit("o1")
    (row,) = await live(rows, "o1")
    assert (row.pool_tag, row.generation) == (b"8 bytes.", 3)


async def keep_all(rows: Rows, candidate: str) -> None:
    async with rows.store() as store:
        await store.hold_erasures()
        await store.keep_consents([Consent(candidate, 1, contact=True)])
        await store.keep_memberships({candidate: (1, Memberships(frozenset({"emp_a"})))})
        await store.keep_mailboxes({candidate: (1, False)})
        await store.keep_keys({candidate: (1, "key")})


async def test_of_who_was_erased_nothing_is_kept_whatever_came_before_or_comes_later(rows: Rows) -> None:
    for candidate in (ANA, BEN):
        await keep_all(rows, candidate)
    for _ in range(2):
        async with rows.store() as store:
            await store.begin_erasure()
            await store.erase([ANA, "no id", ANA])
        async with rows.store() as store:
            await store.lock_people([ANA, BEN])
            people = await store.people([ANA, BEN])
        assert people[ANA] == Person(UNKNOWN, UNKNOWN, erased=True)
        assert people[BEN] == Person(
            Known(Consent(BEN, 1, contact=True)), Known(Memberships(frozenset({"emp_a"}))), Known(value=False)
        )
        assert await keys(rows) == {BEN}
        await keep_all(rows, ANA)
    assert await keys(rows) == {BEN}


async def keys(rows: Rows) -> set[str]:
    if isinstance(rows, FakeRows):
        return set(rows.kept.keys)
    assert isinstance(rows, PostgresRows)
    return {str(row["candidate"]) for row in await rows.pool.fetch("SELECT candidate FROM candidate_keys")}


async def test_what_is_being_kept_while_its_person_is_erased_does_not_stay(on_postgres: PostgresRows) -> None:
    async with on_postgres.store() as keeper, on_postgres.store() as eraser:
        await keeper.hold_erasures()
        await keeper.keep_mailboxes({ANA: (1, False)})
        begun = asyncio.create_task(eraser.begin_erasure())
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        await until(lambda: on_postgres.pool.fetchval(waits), what="the eraser waits for the keeper")
        async with on_postgres.store() as late:
            keeps = asyncio.create_task(late.hold_erasures())
            await keeper._unit.connection.execute("COMMIT; BEGIN")
            await begun
            await eraser.erase([ANA])
            await eraser._unit.connection.execute("COMMIT; BEGIN")
            await keeps
            await late.keep_mailboxes({ANA: (2, True)})
    assert await on_postgres.pool.fetchval("SELECT count(*) FROM mailboxes") == 0


async def test_reports_close_withhold_and_return(rows: Rows) -> None:
    for id in ("o1", "o2", "o3", "o4"):
        await rows.submit(id)
        await settle(rows, id, Admit(NOON, SOON))
    async with rows.store() as store:
        freed = await store.report(
            [
                Reported("o1", 1, "delivered", None),
                Reported("o2", 1, "withheld", None),
                Reported("o3", 1, "returned", None),
                Reported("o4", 9, "bounced", None),
                Reported("unknown", 1, "delivered", None),
            ]
        )
    assert ([row.id for row in freed.withheld], list(freed.bounced)) == (["o2"], [])
    assert await due(rows, NOON) == ["o3"]
    assert [row.id for row in await live(rows, "o1", "o2", "o3", "o4")] == ["o3"]


async def test_two_workers_never_take_the_same_due_row(on_postgres: PostgresRows) -> None:
    for number in range(20):
        await on_postgres.submit(f"o{number}")
    at = NOON + timedelta(minutes=1)
    async with on_postgres.store(at) as one, on_postgres.store(at) as two:
        first, second = await one.take_due([ANA], 10), await two.take_due([ANA], 10)
    assert len({row.id for row in [*first, *second]}) == 20


async def test_the_database_says_of_which_shard_a_person_is_as_we_do(on_postgres: PostgresRows) -> None:
    people = [str(UUID(int=number * 77)) for number in range(300)]
    rows = await on_postgres.pool.fetch("SELECT id::text, shard_of(id) AS shard FROM unnest($1::uuid[]) AS id", people)
    assert {row["id"]: row["shard"] for row in rows} == {person: shard_of(person) for person in people}


async def test_the_words_are_forgotten_once_a_row_is_final(on_postgres: PostgresRows) -> None:
    await on_postgres.submit("o1")
    await settle(on_postgres, "o1", Drop(Rule.HOURS))
    (row,) = await on_postgres.pool.fetch("SELECT sealed, sealed_job FROM outreach WHERE id = 'o1'")
    assert tuple(row) == (None, None)


@pytest.mark.parametrize("decision", [Delay(SOON, Rule.HOURS), Delay(None, Rule.NETWORK_WINDOW), Admit(NOON, SOON)])
async def test_the_job_leaves_with_what_waits_and_the_words_with_what_is_sent(
    on_postgres: PostgresRows, decision: Delay | Admit
) -> None:
    await on_postgres.submit("o1")
    await settle(on_postgres, "o1", decision)
    value = await on_postgres.pool.fetchval("SELECT convert_from(value, 'utf8') FROM outbox")
    told = json.loads(value)
    waits = isinstance(decision, Delay)
    assert (told["sealed_job"], told["sealed"]) == (("job", None) if waits else (None, "sealed"))


async def test_a_decision_leaves_through_the_outbox_with_its_version(on_postgres: PostgresRows) -> None:
    await on_postgres.submit("o1")
    await settle(on_postgres, "o1", Admit(NOON, SOON))
    (row,) = await on_postgres.pool.fetch("SELECT topic, convert_from(value, 'utf8') AS value FROM outbox")
    assert row["topic"] == "outreach-decisions"
    assert '"version":1' in row["value"]
    assert '"sealed":"sealed"' in row["value"]


async def test_a_wish_is_noted_of_what_waits_for_that_very_person_and_the_latest_stays(rows: Rows) -> None:
    for id in ("o1", "o2"):
        await rows.submit(id)
    await settle(rows, "o2", Admit(NOON, SOON))
    async with rows.store() as store:
        await store.lock_people([ANA, BEN])
        assert await store.wish({"o1": (BEN, NOON), "o2": (ANA, NOON), "o3": (ANA, NOON)}) == set()
        assert await store.wish({"o1": (ANA, SOON)}) == {ANA}
        assert await store.wish({"o1": (ANA, SOON)}) == set()
        assert await store.wish({"o1": (ANA, NOON)}) == set()
    async with rows.store() as store:
        await store.lock_people([ANA])
        (row,) = await store.lock_live(["o1"])
        assert row.wished_at == SOON


async def test_a_decision_says_what_the_person_s_page_needs_of_it(on_postgres: PostgresRows) -> None:
    for id, decision in (
        ("o1", Admit(NOON, SOON)), ("o2", Delay(SOON, Rule.NETWORK_GAP)), ("o3", Drop(Rule.HOURS)), ("o4", Cancel(Rule.EMPLOYER_BLOCKED)),
    ):  # fmt: skip
        await on_postgres.submit(id)
        await settle(on_postgres, id, decision)
    rows = await on_postgres.pool.fetch("SELECT convert_from(value, 'utf8') AS value FROM outbox ORDER BY id")
    told = {event.outreach: event for event in (OutreachDecidedV1.model_validate_json(row["value"]) for row in rows)}
    assert {id: (event.slot_at, event.until) for id, event in told.items()} == {
        "o1": (NOON, None), "o2": (None, SOON), "o3": (None, None), "o4": (None, None),
    }  # fmt: skip
    assert {id for id, event in told.items() if event.numbers is not None} == {"o1", "o2"}
    assert all(event.asked_at is not None and event.ends_at is not None for event in told.values())


async def told(rows: PostgresRows, employer: str | None = "emp_a") -> list[Change]:
    found = PostgresFeedRows(lambda: rows.pool, "outreach", lambda: NOON)
    await found.sequence(100)
    return [Change.of(row.body) for row in await found.rows(employer, after=Place(0), limit=100)]


async def test_each_change_is_told_in_its_own_transaction_or_not_at_all(on_postgres: PostgresRows) -> None:
    for id in ("one", "two"):
        await on_postgres.submit(id)
    await settle(on_postgres, "one", Drop(Rule.HOURS))
    with pytest.raises(ZeroDivisionError):
        async with on_postgres.store() as store:
            (row,) = await store.lock_live(["two"])
            await store.settle([Settled(row, Drop(Rule.HOURS), Rule.HOURS)])
            raise ZeroDivisionError
    assert await told(on_postgres) == [Change("one", State.DROPPED, "hours", NOON)]
    assert await told(on_postgres, "emp_b") == []


async def test_the_feed_of_an_older_release_is_carried_over_and_its_late_rows_are_told(servers: Servers) -> None:
    plumbing, own = MIGRATIONS_OF["outreach_gateway"]
    dsn = await servers.create_database(unique("carried"))
    async with await open_pool(dsn, name="test") as pool:
        for file in (*sorted(plumbing.glob("*.sql")), *sorted(own.glob("*.sql"))):
            if file.name == "0022_pre_feed.sql":
                break
            await pool.execute(file.read_text())
        rows = PostgresRows(pool)
        write = "INSERT INTO changes (outreach, employer, state, rule, at) VALUES ($1, $2, 'dropped', 'hours', $3)"
        for id, employer, days in (("o1", "emp_a", 3), ("o2", "emp_b", 1), ("o3", "emp_a", 2)):
            await pool.execute(write, id, employer, NOON - timedelta(days=days))
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute((own / "0022_pre_feed.sql").read_text())
        assert [change.outreach for change in await told(rows, None)] == ["o1", "o2", "o3"]
        await pool.execute(write, "o4", "emp_a", NOON)
        assert await told(rows) == [
            Change(id, State.DROPPED, "hours", NOON - timedelta(days=days))
            for id, days in (("o1", 3), ("o3", 2), ("o4", 0))
        ]
        await pool.execute((own / "0026_post_feed_alone.sql").read_text())
        assert (await PostgresFeedRows(lambda: pool, "outreach", lambda: NOON).ends(None)).last_seq == 4


async def test_a_version_rises_with_every_change(on_postgres: PostgresRows) -> None:
    await on_postgres.submit("o1")
    await settle(on_postgres, "o1", Delay(SOON, Rule.HOURS))
    async with on_postgres.store(SOON) as store:
        (row,) = await store.take_due([ANA], 1)
        assert row.version == 1
        await store.settle([Settled(row._replace(), Admit(SOON, SOON + timedelta(minutes=10)))])
    assert await on_postgres.pool.fetchval("SELECT version FROM outreach WHERE id = 'o1'") == 2


async def test_a_bounced_row_has_no_slot_and_comes_back_to_be_freed(rows: Rows) -> None:
    await rows.submit("o1")
    await settle(rows, "o1", Admit(NOON, SOON))
    async with rows.store() as store:
        freed = await store.report([Reported("o1", 1, "bounced", "550 5.1.1", Rule.MAILBOX_GONE)])
    assert ([row.id for row in freed.bounced], list(freed.withheld)) == (["o1"], [])
    assert await due(rows, NOON + timedelta(days=20)) == []


async def test_a_rebuild_finds_no_slot_of_what_bounced(on_postgres: PostgresRows) -> None:
    for id in ("o1", "o2"):
        await on_postgres.submit(id)
        await settle(on_postgres, id, Admit(NOON, SOON))
    async with on_postgres.store() as store:
        await store.report([Reported("o1", 1, "bounced", "552 too large"), Reported("o2", 1, "delivered", None)])
    assert await booked(on_postgres, ANA) == {ANA: ["o2"]}


async def test_the_newest_word_of_a_mailbox_wins_and_goes_with_the_key(rows: Rows) -> None:
    async def told() -> Fact[bool]:
        async with rows.store() as store:
            return (await store.people([ANA]))[ANA].reachable

    assert await told() == UNKNOWN
    for version, reachable, last in ((2, False, False), (1, True, False), (3, True, True), (4, False, False)):
        async with rows.store() as store:
            await store.keep_mailboxes({ANA: (version, reachable)})
        assert await told() == Known(last)
    async with rows.store() as store:
        await store.forget_keys([ANA, "a key of the topic that is no id"])
    assert await told() == UNKNOWN


async def test_a_withdrawal_waits_for_who_decides_and_finds_what_was_delayed_meanwhile(
    on_postgres: PostgresRows,
) -> None:
    granted, withdrawn = Consent(ANA, 1, contact=True), Consent(ANA, 2, contact=False)
    async with on_postgres.store() as store:
        await store.keep_consents([granted])

    async def withdraw() -> list[str]:
        async with on_postgres.store() as store:
            await store.keep_consents([withdrawn])
            return [row.state for row in await store.lock_waiting_of([ANA])]

    async with on_postgres.store() as request:
        await request.lock_people([ANA])
        withdrawal = asyncio.create_task(withdraw())
        await on_postgres.submit("o1")  # committed after the withdrawal began
        (row,) = await request.lock_live(["o1"])
        assert (await request.people([ANA]))[ANA].consent == Known(granted)
        await request.settle([Settled(row, Delay(SOON, Rule.HOURS), Rule.HOURS)])
        assert not withdrawal.done()
    assert await withdrawal == [State.DELAYED]


async def test_a_delay_waits_for_a_withdrawal_that_was_first(on_postgres: PostgresRows) -> None:
    async with on_postgres.store() as store:
        await store.keep_consents([Consent(ANA, 1, contact=True)])

    async def seen() -> Fact[Consent]:
        async with on_postgres.store() as request:
            await request.lock_people([ANA])
            return (await request.people([ANA]))[ANA].consent

    async with on_postgres.store() as store:
        await store.keep_consents([Consent(ANA, 2, contact=False)])
        asked = asyncio.create_task(seen())
        assert not (await asyncio.wait([asked], timeout=0.2))[0]
    consent = await asked
    assert isinstance(consent, Known) and consent.value.version == 2


async def known(rows: PostgresRows, *candidates: str) -> None:
    async with rows.store() as store:
        await store.keep_consents([Consent(candidate, 1, contact=True) for candidate in candidates])


async def test_who_decides_for_a_person_sees_what_was_decided_for_them_before(on_postgres: PostgresRows) -> None:
    """However many decide at once: their places are read once the one before has committed."""
    await known(on_postgres, ANA)
    for id in ("o1", "o2"):
        await on_postgres.submit(id)

    async def places() -> list[str]:
        async with on_postgres.store() as second:
            await second.lock_people([ANA])
            return [row.id for row in await second.places([ANA])]

    async with on_postgres.store() as first:
        await first.lock_people([ANA])
        (row,) = await first.lock_live(["o1"])
        waits = asyncio.create_task(places())
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        await until(lambda: on_postgres.pool.fetchval(waiting), what="the second waits for the first")
        await first.settle([Settled(row, Admit(NOON, SOON))])
    assert await waits == ["o1"]


async def test_what_is_due_of_a_person_whom_another_decides_for_is_left_to_the_next_turn(
    on_postgres: PostgresRows,
) -> None:
    await known(on_postgres, ANA, BEN)
    await on_postgres.submit("o1", ANA)
    await on_postgres.submit("o2", BEN)
    async with on_postgres.store() as request:
        await request.lock_people([ANA])
        assert await due(on_postgres, SOON) == ["o2"]
    assert await due(on_postgres, SOON) == ["o1", "o2"]


async def test_a_consent_that_arrives_while_others_decide_is_as_if_it_came_later(on_postgres: PostgresRows) -> None:
    async with on_postgres.store() as request:
        await request.lock_people([ANA])
        await known(on_postgres, ANA)
        assert (await request.people([ANA]))[ANA].consent == UNKNOWN


async def test_places_are_what_waits_and_the_slots_of_100_days(rows: Rows) -> None:
    for id in ("submitted", "sent", "waits", "no room", "refused", "old"):
        await rows.submit(id)
    await settle(rows, "sent", Admit(NOON, SOON))
    await settle(rows, "waits", Delay(SOON, Rule.HOURS))
    await settle(rows, "no room", Delay(None, Rule.HOURS, SOON))
    await settle(rows, "refused", Drop(Rule.HOURS))
    await settle(rows, "old", Admit(NOON - timedelta(days=101), NOON - timedelta(days=101)))
    async with rows.store() as store:
        assert sorted(row.id for row in await store.places([ANA, BEN])) == ["no room", "sent", "waits"]
    assert await due(rows, SOON) == ["no room", "submitted", "waits"]


async def test_whatever_moves_makes_all_that_waits_for_the_person_due(rows: Rows) -> None:
    for id, candidate in (("o1", ANA), ("o2", ANA), ("o3", BEN)):
        await rows.submit(id, candidate)
    await settle(rows, "o1", Delay(SOON, Rule.HOURS))
    async with rows.store() as store:
        await store.plan_again([ANA])
    assert await due(rows, NOON) == ["o1", "o2"]


@pytest.mark.parametrize("people", [1, 40])
async def test_a_batch_takes_as_many_statements_whatever_its_size_one_of_them_to_compare_the_windows(
    on_postgres: PostgresRows, people: int
) -> None:
    candidates = [str(UUID(int=100 + number)) for number in range(people)]
    await known(on_postgres, *candidates)
    batch = []
    for number, candidate in enumerate(candidates):
        for employer in ("emp_a", "emp_b"):
            await on_postgres.submit(f"o{number}{employer}", candidate, employer)
            batch.append(
                OutreachRequestedV1(
                    outreach=f"o{number}{employer}",
                    employer=employer,
                    candidate=candidate,
                    at=NOON,
                    expires_at=NOON + timedelta(days=14),
                )
            )
    async with on_postgres.store() as store:
        await store.keep_memberships(dict.fromkeys(candidates, (1, Memberships(frozenset({"emp_a", "emp_b"})))))
    windows = FakeWindows(POLICY, step=timedelta(hours=2), epoch=Epoch("none"))
    statements: list[str] = []
    async with on_postgres.store() as store:
        connection = store._unit.connection
        with connection.query_logger(lambda query: statements.append(query.query)):
            record = Record("outreach-requests", 0, 0, b"", b"", ())
            received = [Received(event.outreach, "test", None, event, record) for event in batch]
            await handlers.on_outreach_requested(store, received, windows, POLICY, lambda _: Known(Standing.GOOD))
    ours = [
        statement for statement in statements if statement in {*SQL.values(), *FEED_SQL.values()}
    ]  # asyncpg asks for types of its own
    assert len(ours) == 8
    assert statements.count(SQL["places"]) == 1
    states = await on_postgres.pool.fetch("SELECT state, count(*) FROM outreach GROUP BY state ORDER BY state")
    assert [tuple(row) for row in states] == [("admitted", people), ("delayed", people)]


async def test_places_are_found_by_an_index(on_postgres: PostgresRows) -> None:
    async with on_postgres.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {SQL['places']}", ANA, NOON)
    assert any("outreach_queue" in row[0] for row in plan)


async def test_employers_take_turns_at_having_decided_what_is_due(on_postgres: PostgresRows) -> None:
    for id, candidate, employer in (("o1", ANA, "emp_a"), ("o2", BEN, "emp_b"), ("o3", CAM, "emp_a")):
        await on_postgres.submit(id, candidate, employer)
        await settle(on_postgres, id, Delay(SOON, Rule.HOURS))
    rows = await on_postgres.pool.fetch("SELECT key, flow FROM work WHERE queue = 'due'")
    flow = {row["key"]: row["flow"] for row in rows}
    assert flow[ANA] == flow[CAM] != flow[BEN]


async def test_an_employer_s_messages_are_read_page_by_page_by_id(on_postgres: PostgresRows) -> None:
    for id, employer in (("o_b", "emp_a"), ("o_B", "emp_a"), ("o_a", "emp_b"), ("o_c", "emp_a")):
        await on_postgres.submit(id, employer=employer)
    async with on_postgres.requests() as store:
        assert [one.id for one in await store.accounts_of_seat("emp_a", after="", limit=2)] == ["o_B", "o_b"]
        assert [one.id for one in await store.accounts_of_seat("emp_a", after="o_b", limit=2)] == ["o_c"]
