"""What employers come to be told: one suite on the fake and on PostgreSQL, and what requests write of it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from services.outreach_gateway import handlers, jobs
from services.outreach_gateway.adapters.postgres_tellings import PostgresTellings
from services.outreach_gateway.answers import Course, News, Told, Untold, end, handed_on_until, known_at, told_at
from services.outreach_gateway.model import Admit, Consent, Delay, Rule, Standing, State
from services.outreach_gateway.ports.outreach import Reported, Tellings
from services.outreach_gateway.ports.requests import Submission
from shared.facts import UNKNOWN, Known
from shared.feed.model import Place
from shared.feed.postgres import PostgresFeedRows
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from shared.runner.model import Job
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import NOON
from tests.fakes.outreach_gateway import FakeTellings, FakeWindows
from tests.ports.test_outreach_store import (
    ANA,
    LAST_DAY,
    POLICY,
    SOON,
    TICKS,
    PostgresRows,
    due,
    feed_of_employers,
    settle,
)

WAITS = Course(State.SUBMITTED, NOON, LAST_DAY)
FIRST = TICKS.first("emp_a", end(NOON.date()))
"""The tick at which what was sent today is told."""


class Rows(Protocol):
    """Messages to try, and what their employers were told of them."""

    def tellings(self, at: datetime = NOON) -> AbstractAsyncContextManager[Tellings]: ...

    async def put(self, id: str, course: Course, employer: str = "emp_a") -> None: ...

    async def feed(self, employer: str = "emp_a") -> list[News]: ...

    async def told(self, id: str) -> Told: ...


@dataclass
class FakeRows:
    kept: FakeTellings = field(default_factory=FakeTellings)

    @asynccontextmanager
    async def tellings(self, at: datetime = NOON) -> AsyncIterator[Tellings]:
        self.kept.at = at
        yield self.kept

    async def put(self, id: str, course: Course, employer: str = "emp_a") -> None:
        told = Told.CANCELLED if course.taken_back_at else Told.WAITING
        self.kept.put(Untold(id, employer, course, told), told_at(course, TICKS, employer))

    async def feed(self, employer: str = "emp_a") -> list[News]:
        return [news for reader, news in self.kept.feed if reader == employer]

    async def told(self, id: str) -> Told:
        return self.kept.rows[id].told


@dataclass
class OnPostgres:
    pool: Pool

    @property
    def rows(self) -> PostgresRows:
        return PostgresRows(self.pool)

    @asynccontextmanager
    async def tellings(self, at: datetime = NOON) -> AsyncIterator[Tellings]:
        async with unit_of_work(self.pool, at=at, source="outreach_gateway") as unit:
            yield PostgresTellings(unit, feed_of_employers)

    async def put(self, id: str, course: Course, employer: str = "emp_a") -> None:
        await self.rows.submit(id, employer=employer)
        await self.pool.execute(
            "UPDATE outreach SET state = $2, sent_at = $3, taken_back_at = $4, told = $5, tell_at = $6, submitted_at = $7, "
            "last_day = $8 WHERE id = $1",
            id,
            course.state,
            course.sent_at,
            course.taken_back_at,
            "cancelled" if course.taken_back_at else "waiting",
            told_at(course, TICKS, employer),
            course.submitted_at,
            course.last_day,
        )

    async def feed(self, employer: str = "emp_a") -> list[News]:
        found = PostgresFeedRows(lambda: self.pool, "told", lambda: NOON)
        await found.sequence(100)
        return [News.of(row.body) for row in await found.rows(employer, after=Place(0), limit=100)]

    async def told(self, id: str) -> Told:
        return Told(await self.pool.fetchval("SELECT told FROM outreach WHERE id = $1", id))


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["outreach_gateway"]


@pytest.fixture
def on_postgres(pool: Pool) -> OnPostgres:
    return OnPostgres(pool)


@pytest.fixture(params=["fake", "postgres"])
def rows(request: pytest.FixtureRequest) -> Rows:
    return FakeRows() if request.param == "fake" else request.getfixturevalue("on_postgres")


def sent(minutes: int = 0, state: State = State.DELIVERED) -> Course:
    return replace(WAITS, state=state, sent_at=NOON + timedelta(minutes=minutes))


async def turn(rows: Rows, at: datetime, *employers: str, limit: int = 100) -> dict[str, datetime]:
    async with rows.tellings(at) as tellings:
        work = [Job(employer, at, 1) for employer in employers or ("emp_a",)]
        return dict(await jobs.tell(tellings, work, TICKS, limit))


async def test_before_its_tick_nothing_is_told_and_at_it_all_in_the_order_of_ids(rows: Rows) -> None:
    for id, course in (("o3", sent(1)), ("o1", sent(3, State.BOUNCED)), ("o2", sent(2, State.DOUBTFUL)), ("o4", WAITS)):
        await rows.put(id, course)
    assert await turn(rows, FIRST - timedelta(seconds=1)) == {"emp_a": FIRST}
    assert await rows.feed() == []
    late = FIRST + timedelta(minutes=1)
    assert await turn(rows, late, limit=2) == {"emp_a": late}, "more is to be told at once"
    assert await turn(rows, late, limit=2) == {"emp_a": known_at(WAITS, TICKS, "emp_a")}
    assert await rows.feed() == [News(id, Told.SENT, NOON.date(), FIRST) for id in ("o1", "o2", "o3")]
    assert [await rows.told(id) for id in ("o1", "o4")] == [Told.SENT, Told.WAITING]


async def test_told_twice_it_stands_once_in_the_feed(rows: Rows) -> None:
    await rows.put("o1", sent())
    for _ in range(3):
        await turn(rows, FIRST)
    assert len(await rows.feed()) == 1


async def test_each_employer_is_told_its_own_at_its_own_tick(rows: Rows) -> None:
    for employer in ("emp_a", "emp_b"):
        await rows.put(f"o_{employer}", sent(), employer)
    ticks = {employer: TICKS.first(employer, end(NOON.date())) for employer in ("emp_a", "emp_b")}
    (first, at), (second, later) = sorted(ticks.items(), key=lambda item: item[1])
    assert await turn(rows, at, first, second) == {second: later}
    assert [len(await rows.feed(employer)) for employer in (first, second)] == [1, 0]
    assert await turn(rows, later, first, second) == {}
    assert [len(await rows.feed(employer)) for employer in (first, second)] == [1, 1]


async def test_what_had_gone_out_before_it_was_taken_back_becomes_sent(rows: Rows) -> None:
    await rows.put("o1", replace(sent(), taken_back_at=SOON))
    assert await rows.told("o1") is Told.CANCELLED
    await turn(rows, FIRST)
    assert await rows.feed() == [News("o1", Told.SENT, NOON.date(), FIRST)]


async def test_what_nobody_has_to_tell_is_found(rows: Rows) -> None:
    await rows.put("o1", sent())
    for at, found in ((FIRST - timedelta(seconds=1), []), (FIRST, ["emp_a"])):
        async with rows.tellings(at) as tellings:
            assert list(await tellings.missed(10)) == found
            tellings.tell_at(["emp_a"], FIRST) if found else None
    async with rows.tellings(FIRST) as tellings:
        assert list(await tellings.missed(10)) == []


async def test_whoever_was_set_aside_is_told_again(on_postgres: OnPostgres) -> None:
    await on_postgres.put("o1", sent())
    async with on_postgres.tellings(FIRST) as tellings:
        tellings.tell_at(["emp_a"], FIRST)
    async with on_postgres.tellings(FIRST) as tellings:
        assert not await tellings.missed(10)
    await on_postgres.pool.execute("UPDATE work SET set_aside_at = $1", FIRST)
    async with on_postgres.tellings(FIRST) as tellings:
        assert not await jobs.find_untold(tellings)
    assert await on_postgres.pool.fetchval("SELECT set_aside_at FROM work WHERE queue = 'tellings'") is None


async def tellings_due(pool: Pool) -> datetime | None:
    at: datetime | None = await pool.fetchval("SELECT run_at FROM work WHERE queue = 'tellings' AND key = 'emp_a'")
    return at


@pytest.mark.parametrize("outcome", ["delivered", "bounced", "doubtful", "returned", "withheld"])
async def test_an_outcome_has_its_employer_told_at_the_tick_after_the_day(
    on_postgres: OnPostgres, outcome: str
) -> None:
    await on_postgres.rows.submit("o1")
    await settle(on_postgres.rows, "o1", Admit(NOON, SOON))
    async with on_postgres.rows.store(SOON) as store:
        await store.report([Reported("o1", 1, outcome, None, at=NOON)])
    (row,) = await on_postgres.pool.fetch("SELECT sent_at, heard_at, told, tell_at FROM outreach")
    if outcome in ("returned", "withheld"):
        assert tuple(row) == (None, None, "waiting", known_at(WAITS, TICKS, "emp_a"))
    else:
        assert tuple(row) == (NOON, SOON, "waiting", FIRST)
        assert await tellings_due(on_postgres.pool) == FIRST


SUBMISSION = Submission(
    id="o1",
    employer="emp_a",
    candidate=ANA,
    pool_tag=b"8 bytes.",
    generation=3,
    member_ref="m_x",
    digest=b"d",
    sealed="sealed",
    sealed_job="job",
    key_missing=False,
    at=NOON,
    last_day=LAST_DAY,
    expires_at=handed_on_until(LAST_DAY),
    valid_through=LAST_DAY,
    held_until=NOON + timedelta(seconds=30),
    tell_at=known_at(WAITS, TICKS, "emp_a"),
)


async def test_what_is_taken_in_is_told_at_its_end_and_is_kept_once(on_postgres: OnPostgres) -> None:
    for _ in range(2):
        async with on_postgres.rows.requests() as requests:
            taken = await requests.submit(SUBMISSION)
            assert (taken.digest, taken.course, taken.told) == (b"d", WAITS, Told.WAITING)
    async with on_postgres.rows.requests() as requests:
        assert await requests.kept(["o1"]) == taken
    assert await tellings_due(on_postgres.pool) == SUBMISSION.tell_at


async def test_only_what_the_employer_wrote_to_the_same_ref_is_earlier(on_postgres: OnPostgres) -> None:
    others = {"o2": {"member_ref": "m_y"}, "o3": {"employer": "emp_b"}, "o4": {"at": NOON - timedelta(days=120)}}
    async with on_postgres.rows.requests() as requests:
        await requests.submit(SUBMISSION)
        for id, changes in others.items():
            await requests.submit(replace(SUBMISSION, id=id, **changes))  # type: ignore[arg-type]  # of a submission
    asked = ("emp_a", ANA, ["m_x"])
    since = NOON - timedelta(days=110)
    async with on_postgres.rows.requests() as requests:
        assert [one.id for one in await requests.earlier_to_refs(*asked, since=since, but=["new"])] == ["o1"]
        assert await requests.earlier_to_refs(*asked, since=since, but=["o1"]) == [], (
            "a message is not earlier than itself"
        )


@pytest.mark.parametrize("has_gone", [False, True])
async def test_other_words_and_a_taking_back_take_the_same_statements_whatever_has_become_of_it(
    on_postgres: OnPostgres, has_gone: bool
) -> None:
    async with on_postgres.rows.requests() as requests:
        await requests.submit(SUBMISSION)
    await settle(on_postgres.rows, "o1", Admit(NOON, SOON) if has_gone else Delay(SOON, Rule.HOURS))
    async with on_postgres.rows.requests() as requests:
        taken = await requests.lock_one("o1", "emp_a")
        assert taken is not None and await requests.lock_one("o1", "emp_b") is None
        await requests.seal_again("o1", "other", "other job", key_missing=True)
        await requests.take_back("emp_a", taken, None, News("o1", Told.CANCELLED, None, NOON))
    (row,) = await on_postgres.pool.fetch(
        "SELECT sealed, sealed_job, key_missing, told, taken_back_at, tell_at FROM outreach"
    )
    words = ("sealed", "job", False) if has_gone else ("other", "other job", True)
    assert tuple(row) == (*words, "cancelled", NOON, None)
    assert await on_postgres.feed() == [News("o1", Told.CANCELLED, None, NOON)]
    assert await due(on_postgres.rows, NOON) == ([] if has_gone else ["o1"])
    work = await on_postgres.pool.fetchval("SELECT count(*) FROM work WHERE queue = 'due' AND run_at <= $1", NOON)
    assert work == 1


async def test_what_was_taken_back_leaves_when_its_person_is_decided_for(on_postgres: OnPostgres) -> None:
    async with on_postgres.rows.store() as store:
        await store.keep_consents([Consent(ANA, 1, contact=True)])
    async with on_postgres.rows.requests() as requests:
        await requests.submit(SUBMISSION)
    await settle(on_postgres.rows, "o1", Delay(SOON, Rule.HOURS))
    async with on_postgres.rows.requests() as requests:
        taken = await requests.lock_one("o1", "emp_a")
        assert taken is not None
        await requests.take_back("emp_a", taken, None, News("o1", Told.CANCELLED, None, NOON))
    windows = FakeWindows(POLICY)
    async with on_postgres.rows.store() as store:
        await handlers.on_due(store, [Job(ANA, NOON, 1)], windows, POLICY, lambda _: Known(Standing.GOOD), 10)
    (row,) = await on_postgres.pool.fetch("SELECT state, rule, told FROM outreach")
    assert tuple(row) == ("cancelled", "cancelled_by_sender", "cancelled")


async def test_what_a_version_before_wrote_is_filled_and_told_anew_at_its_tick(on_postgres: OnPostgres) -> None:
    old = {
        "waits": ("delayed", None, None),
        "went": ("delivered", None, NOON - timedelta(days=3)),
        "refused": ("dropped", "hours", NOON - timedelta(days=3)),
        "back": ("cancelled", "cancelled_by_sender", NOON),
    }
    for id, (state, rule, at) in old.items():
        await on_postgres.rows.submit(id)
        await on_postgres.pool.execute(
            "UPDATE outreach SET last_day = NULL, tell_at = NULL, state = $2, rule = $3, decided_at = $4 WHERE id = $1",
            id,
            state,
            rule,
            at,
        )
    async with on_postgres.tellings() as tellings:
        assert await tellings.adopt(3) == 3
        assert not await jobs.adopt(tellings)
        assert not await jobs.adopt(tellings)
    again = await turn(on_postgres, TICKS.next("emp_a", NOON))
    assert again == {"emp_a": known_at(WAITS, TICKS, "emp_a")}
    assert [(news.outreach, news.state) for news in await on_postgres.feed()] == [("went", Told.SENT)]
    assert [await on_postgres.told(id) for id in old] == [Told.WAITING, Told.SENT, Told.WAITING, Told.CANCELLED]


async def test_what_a_process_of_the_version_before_writes_meanwhile_is_told_as_it_was(pool: Pool) -> None:
    """Between the two halves of the release: its sendings and takings back."""
    on_postgres = OnPostgres(pool)
    own = MIGRATIONS_OF["outreach_gateway"][-1]
    await pool.execute((own / "0040_pre_told_beside_the_version_before.sql").read_text())
    try:
        for id in ("went", "back", "refused"):
            await on_postgres.rows.submit(id)
        writes = "UPDATE outreach SET state = $2, rule = $3, decided_at = $4 WHERE id = $1"
        await pool.execute(writes, "went", "admitted", None, NOON)
        await pool.execute("UPDATE outreach SET state = 'delivered' WHERE id = 'went'")
        await pool.execute(writes, "back", "cancelled", "cancelled_by_sender", NOON)
        await pool.execute(writes, "refused", "dropped", "hours", NOON)
        await turn(on_postgres, known_at(WAITS, TICKS, "emp_a"))
        assert [await on_postgres.told(id) for id in ("went", "back", "refused")] == [
            Told.SENT,
            Told.CANCELLED,
            Told.NOT_SENT,
        ]
    finally:
        await pool.execute((own / "0041_post_told_alone.sql").read_text())


async def test_what_was_taken_back_before_its_row_was_filled_stays_so(on_postgres: OnPostgres) -> None:
    await on_postgres.rows.submit("o1")
    await on_postgres.pool.execute(
        "UPDATE outreach SET last_day = NULL, tell_at = NULL, told = 'cancelled', taken_back_at = $1", NOON
    )
    async with on_postgres.tellings() as tellings:
        await jobs.adopt(tellings)
    (row,) = await on_postgres.pool.fetch("SELECT told, taken_back_at, tell_at, last_day FROM outreach")
    assert tuple(row) == ("cancelled", NOON, None, LAST_DAY)


async def test_words_for_whom_there_is_no_key_are_kept_by_the_same_statements(on_postgres: OnPostgres) -> None:
    async with on_postgres.rows.requests() as requests:
        assert await requests.public_key(ANA) == UNKNOWN
        await requests.submit(replace(SUBMISSION, key_missing=True))
    async with on_postgres.rows.store() as store:
        earlier = await store.earlier({(ANA, "emp_a"), (ANA, "emp_b")})
        assert [(row.id, row.key_missing) for row in earlier[ANA, "emp_a"]] == [("o1", True)]
        assert [row.key_missing for row in await store.lock_live(["o1"])] == [True]
