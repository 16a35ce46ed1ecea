"""What became of messages in months that are over, on PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from services.outreach_gateway import jobs
from services.outreach_gateway.adapters.postgres_history import PostgresHistory
from services.outreach_gateway.history import Figures, last_month
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF

MONTH, AFTER = date(2026, 10, 1), datetime(2026, 11, 17, tzinfo=UTC)
"""October 2026, and the first day on which all of its messages have ended."""
NURSES, ALL_OF_HEALTH = "29-1141", "29-0000"
SIX = ("emp_a", "emp_b", "emp_c", "emp_d", "emp_e", "emp_f")
Opened = Callable[[], AbstractAsyncContextManager[PostgresHistory]]


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["outreach_gateway"]


@pytest.fixture
def opened(pool: Pool) -> Opened:
    @asynccontextmanager
    async def real() -> AsyncIterator[PostgresHistory]:
        async with unit_of_work(pool, at=AFTER, source="outreach_gateway") as unit:
            yield PostgresHistory(unit)

    return real


async def wrote(
    pool: Pool, employer: str, number: int, *, sent_after: int | None = 2, occupation: str = NURSES, state: str = "CO",
    at: datetime = datetime(2026, 10, 5, 9, tzinfo=UTC),
) -> None:  # fmt: skip
    """So many messages, all submitted then; sent so many days later, or not."""
    sent_at = None if sent_after is None else at + timedelta(days=sent_after)
    async with pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO outreach (id, employer, candidate, member_ref, request_digest, submitted_at, expires_at, state, sent_at,"
            " occupation, job_state) SELECT gen_random_uuid(), $1, gen_random_uuid(), 'm', '', $2, $2, $3, $4, $5, $6"
            " FROM generate_series(1, $7)",
            employer, at, "dropped" if sent_at is None else "delivered", sent_at, occupation, state, number,
        )  # fmt: skip


async def kept(opened: Opened) -> None:
    while True:
        async with opened() as history:
            if not await jobs.keep_history(history):
                return


async def figures(opened: Opened, occupation: str = NURSES, state: str | None = "CO") -> Figures | None:
    async with opened() as history:
        return await history.figures(occupation, state)


async def test_a_month_is_told_in_hundreds_fives_and_days(pool: Pool, opened: Opened) -> None:
    for employer in SIX:
        await wrote(pool, employer, 30, sent_after=2)
        await wrote(pool, employer, 10, sent_after=6)
        await wrote(pool, employer, 11, sent_after=None)
    await kept(opened)
    assert await figures(opened) == Figures(MONTH, 300, 80, 2, 6)
    assert await figures(opened, state=None) == await figures(opened, ALL_OF_HEALTH) == await figures(opened)
    assert await figures(opened, state="WY") is await figures(opened, "29-1171") is None


async def test_nothing_is_said_of_few_messages_few_employers_or_one_that_wrote_most(pool: Pool, opened: Opened) -> None:
    for employer in SIX:
        await wrote(pool, employer, 19, state="WY")
        await wrote(pool, employer, 1, state="NE")
    for employer in SIX[:5]:
        await wrote(pool, employer, 100, state="UT")
    await wrote(pool, "emp_a", 200, state="NE")
    await kept(opened)
    assert [await figures(opened, state=state) for state in ("WY", "UT", "NE")] == [None, None, None]
    assert await figures(opened, state=None) is not None


async def test_who_adds_messages_of_its_own_reads_nobody_elses(pool: Pool, opened: Opened) -> None:
    for employer in SIX[1:5]:
        await wrote(pool, employer, 1, state="WY")
        await wrote(pool, employer, 26, state="NE", sent_after=None)
    for state, number in (("WY", 55), ("NE", 100)):
        await wrote(pool, "emp_rival", number, state=state)
    await wrote(pool, "emp_a", 59, sent_after=None, state="WY")
    await wrote(pool, "emp_a", 200, sent_after=None, state="NE")
    await kept(opened)
    assert await figures(opened, state="WY") is None
    told = await figures(opened, state="NE")
    assert told is not None, "five others, none of whom sent more than half"
    assert (told.days_median, told.days_nine_of_ten) == (None, None), "they are the rival's alone"


async def test_a_month_is_counted_once_when_all_of_its_messages_have_ended(pool: Pool, opened: Opened) -> None:
    assert last_month(AFTER) == MONTH
    assert last_month(AFTER - timedelta(seconds=1)) == date(2026, 9, 1)
    for employer in SIX:
        await wrote(pool, employer, 20)
        await wrote(pool, employer, 20, at=datetime(2026, 11, 1, tzinfo=UTC), sent_after=None)
    await kept(opened)
    await wrote(pool, "emp_a", 100, sent_after=None)
    await kept(opened)
    assert await figures(opened) == Figures(MONTH, 100, 100, 2, 2)


async def test_what_was_never_sent_has_no_days(pool: Pool, opened: Opened) -> None:
    for employer in SIX:
        await wrote(pool, employer, 20, sent_after=None)
    await kept(opened)
    assert await figures(opened) == Figures(MONTH, 100, 0, None, None)
