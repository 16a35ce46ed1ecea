"""Messages to pools: one suite on the fake and on PostgreSQL, and what only PostgreSQL can show."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

import pytest

from services.outreach_gateway import jobs
from services.outreach_gateway.adapters import postgres_pool_messages
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.adapters.postgres import PostgresOutreach
from services.outreach_gateway.adapters.postgres_pool_messages import PostgresPoolMessages
from services.outreach_gateway.adapters.postgres_requests import PostgresRequestStore
from services.outreach_gateway.answers import PoolNews, news_of
from services.outreach_gateway.api.ids import OutreachIds
from services.outreach_gateway.model import Fitting, Memberships, PoolMessage
from services.outreach_gateway.ports.jobs import PoolMessages
from shared.contracts.outreach_gateway import Words
from shared.feed.ports import FeedWriter
from shared.feed.postgres import PostgresFeedWriter
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from shared.runner.model import Job
from shared.security.member_refs import tag_of
from shared.security.words import KeyPair, open_words
from shared.ticks import Ticks
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import NOON
from tests.fakes.gateway_pool_messages import FakePoolMessages
from tests.signing import TICK_KEY
from tests.unit.courier.jobs import JOB

POLICY = read_policy("2026-12")
TICKS = Ticks(TICK_KEY, timedelta(days=1))
KEY = bytes(range(32))
NAME = OutreachIds(KEY).child
PAIR = KeyPair.generate()
LAST = date(2026, 12, 6)
END = NOON + timedelta(days=15)
MESSAGE = PoolMessage("o_pool", "emp_a", "p_one", b"digest", NOON, LAST, date(2027, 1, 31), END)
WORDS = Words(outreach="o_pool", subject="Night-shift canary", body="A canary for the whole pool.", job=JOB)


def person(number: int) -> str:
    return str(UUID(int=number))


class Rows(Protocol):
    """A store to try, with who is in pools, and what became of messages."""

    def store(self, at: datetime = NOON) -> AbstractAsyncContextManager[PoolMessages]: ...

    async def are_in(self, employer: str, pool: str, people: Sequence[str]) -> None: ...

    async def went_out(self, children: Sequence[str]) -> None: ...

    async def spread(self) -> dict[str, tuple[str, str]]:
        """Of each person who was written to, the words as they are sealed."""

    async def told(self) -> list[PoolNews]: ...


@dataclass
class FakeRows:
    kept: FakePoolMessages = field(default_factory=FakePoolMessages)

    @asynccontextmanager
    async def store(self, at: datetime = NOON) -> AsyncIterator[PoolMessages]:
        self.kept.at = at
        yield self.kept

    async def are_in(self, employer: str, pool: str, people: Sequence[str]) -> None:
        self.kept.people[employer, pool] = [Fitting(one, 3, PAIR.public) for one in people]

    async def went_out(self, children: Sequence[str]) -> None:
        self.kept.went_out |= set(children)

    async def spread(self) -> dict[str, tuple[str, str]]:
        return {one: (child.sealed, child.sealed_job) for one, child in self.kept.children.get(MESSAGE.id, {}).items()}

    async def told(self) -> list[PoolNews]:
        return self.kept.told


@dataclass
class PostgresRows:
    pool: Pool

    @asynccontextmanager
    async def store(self, at: datetime = NOON) -> AsyncIterator[PostgresPoolMessages]:
        async with unit_of_work(self.pool, at=at, source="outreach_gateway") as unit:
            yield PostgresPoolMessages(unit, feed, [KEY])

    async def are_in(self, employer: str, pool: str, people: Sequence[str]) -> None:
        async with unit_of_work(self.pool, at=NOON, source="outreach_gateway") as unit:
            rows = PostgresOutreach(unit, POLICY, feed, TICKS)
            kept = Memberships(frozenset({employer}), frozenset({pool}), 3, frozenset({(employer, pool)}))
            await rows.keep_memberships(dict.fromkeys(people, (1, kept)))
            await rows.keep_keys(dict.fromkeys(people, (1, PAIR.public)))

    async def went_out(self, children: Sequence[str]) -> None:
        await self.pool.execute("UPDATE outreach SET state = 'delivered' WHERE id = ANY($1::text[])", list(children))

    async def spread(self) -> dict[str, tuple[str, str]]:
        rows = await self.pool.fetch(
            "SELECT candidate::text, sealed, sealed_job FROM outreach WHERE parent = $1", MESSAGE.id
        )
        return {row["candidate"]: (row["sealed"], row["sealed_job"]) for row in rows}

    async def told(self) -> list[PoolNews]:
        rows = await self.pool.fetch("SELECT body FROM feed_incoming WHERE feed = 'told' ORDER BY id")
        return [news for row in rows for news in [news_of(row["body"])] if isinstance(news, PoolNews)]


def feed(unit: Unit) -> FeedWriter:
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


async def keep(rows: Rows, message: PoolMessage = MESSAGE) -> None:
    async with rows.store() as store:
        assert await store.lock_pool(message.employer, message.pool) is None
        await store.keep(message, WORDS.model_dump_json().encode())


async def turn(rows: Rows, at: datetime = NOON) -> object:
    async with rows.store(at) as store:
        return await jobs.on_pool_messages(store, [Job(MESSAGE.id, at, 1)], POLICY, NAME, TICKS, "hpke")


async def shown(rows: Rows) -> PoolMessage:
    async with rows.store() as store:
        found = await store.get(MESSAGE.id, "emp_a")
        assert found is not None
        assert await store.get(MESSAGE.id, "emp_b") is None
        return found


async def test_it_goes_to_each_who_is_in_the_pool_sealed_to_them_and_to_nobody_else(rows: Rows) -> None:
    await rows.are_in("emp_a", "p_one", [person(1), person(2)])
    await rows.are_in("emp_a", "p_other", [person(3)])
    await rows.are_in("emp_b", "p_one", [person(4)])
    await keep(rows)
    assert await turn(rows) == {MESSAGE.id: END}
    spread = await rows.spread()
    assert set(spread) == {person(1), person(2)}
    for candidate, (sealed, sealed_job) in spread.items():
        words, job = (open_words(one, PAIR, outreach=NAME(MESSAGE.id, candidate)) for one in (sealed, sealed_job))
        assert (words.subject, words.body) == (WORDS.subject, WORDS.body)
        assert (job.subject, job.body, job.job) == ("", "", WORDS.job)


async def test_an_employer_s_messages_are_read_page_by_page_by_id(rows: Rows) -> None:
    for id, employer in (("o_b", "emp_a"), ("o_B", "emp_a"), ("o_a", "emp_b"), ("o_c", "emp_a")):
        await keep(rows, replace(MESSAGE, id=id, employer=employer, pool=f"p_{id}"))
    async with rows.store() as store:
        assert [one.id for one in await store.of("emp_a", after="", limit=2)] == ["o_B", "o_b"]
        assert [one.id for one in await store.of("emp_a", after="o_b", limit=2)] == ["o_c"]


async def test_a_turn_that_comes_again_spreads_nothing_again(rows: Rows) -> None:
    await rows.are_in("emp_a", "p_one", [person(1)])
    await keep(rows)
    await turn(rows)
    before = await rows.spread()
    await rows.are_in("emp_a", "p_one", [person(1), person(2)])
    assert await turn(rows) == {MESSAGE.id: END}
    assert await rows.spread() == before


@pytest.mark.parametrize(("number", "told"), [(0, 0), (1, 0), (4, 0), (5, 5), (9, 5), (11, 10)])
async def test_at_its_end_its_employer_is_told_a_number_that_is_rounded_down(
    rows: Rows, number: int, told: int
) -> None:
    people = [person(one) for one in range(1, 13)]
    await rows.are_in("emp_a", "p_one", people)
    await keep(rows)
    await turn(rows)
    await rows.went_out([NAME(MESSAGE.id, one) for one in people[:number]])
    assert await turn(rows, END - timedelta(seconds=1)) == {MESSAGE.id: END}
    assert (await shown(rows)).sent is None
    assert await turn(rows, END) == {}
    assert (await shown(rows)).sent == told
    assert await turn(rows, END) == {}
    assert await rows.told() == [PoolNews(MESSAGE.id, "ended", told, END)]


async def test_what_is_taken_back_before_it_is_spread_goes_to_nobody(rows: Rows) -> None:
    await rows.are_in("emp_a", "p_one", [person(1)])
    await keep(rows)
    async with rows.store() as store:
        await store.take_back(MESSAGE, NOON)
    assert await turn(rows) == {MESSAGE.id: END}
    assert await rows.spread() == {}
    assert (await shown(rows)).taken_back_at == NOON
    await turn(rows, END)
    assert await rows.told() == [
        PoolNews(MESSAGE.id, "cancelled", None, NOON),
        PoolNews(MESSAGE.id, "ended", 0, END),
    ]


async def test_the_last_message_to_a_pool_is_its_employers_own(rows: Rows) -> None:
    await keep(rows)
    async with rows.store() as store:
        assert await store.lock_pool("emp_a", "p_one") == MESSAGE
        assert await store.lock_pool("emp_b", "p_one") is None
        assert await store.lock_pool("emp_a", "p_two") is None


async def test_messages_to_pools_go_110_days_after_their_end(rows: Rows) -> None:
    await keep(rows)
    async with rows.store(NOON + timedelta(days=400)) as store:
        assert not await jobs.forget_pool_messages(store)
    await turn(rows, END)
    for at, is_there in ((NOON + timedelta(days=124), True), (NOON + timedelta(days=124, seconds=1), False)):
        async with rows.store(at) as store:
            assert not await jobs.forget_pool_messages(store)
            assert (await store.get(MESSAGE.id, None) is not None) == is_there


async def test_what_is_taken_back_leaves_each_persons_queue(on_postgres: PostgresRows) -> None:
    people = [person(1), person(2)]
    await on_postgres.are_in("emp_a", "p_one", people)
    await keep(on_postgres)
    await turn(on_postgres)
    await on_postgres.pool.execute("DELETE FROM work")
    back = NOON + timedelta(hours=1)
    async with on_postgres.store(back) as store:
        await store.take_back(MESSAGE, back)
    await turn(on_postgres, back)
    rows = await on_postgres.pool.fetch("SELECT taken_back_at, due_at, tell_at FROM outreach")
    assert [tuple(row) for row in rows] == [(back, back, None)] * 2
    due = await on_postgres.pool.fetch("SELECT key FROM work WHERE queue = 'due' ORDER BY key")
    assert [row["key"] for row in due] == people


async def test_it_is_an_ordinary_message_to_whoever_decides_and_none_to_its_employer(on_postgres: PostgresRows) -> None:
    await on_postgres.are_in("emp_a", "p_one", [person(1)])
    await keep(on_postgres)
    await turn(on_postgres)
    child = NAME(MESSAGE.id, person(1))
    row = await on_postgres.pool.fetchrow("SELECT * FROM outreach WHERE id = $1", child)
    assert row is not None
    assert (row["state"], row["employer"], row["pool_tag"], row["generation"], row["last_day"], row["tell_at"]) == (
        "submitted", "emp_a", tag_of("p_one"), 3, LAST, None,
    )  # fmt: skip
    assert await on_postgres.pool.fetchval("SELECT count(*) FROM outbox WHERE topic = 'outreach-requests'") == 1
    async with unit_of_work(on_postgres.pool, at=NOON, source="outreach_gateway") as unit:
        requests = PostgresRequestStore(unit, feed)
        assert await requests.account(child, "emp_a") is None
        assert await requests.lock_one(child, "emp_a") is None
        assert await requests.account(child, None) is not None
        assert await requests.accounts_of_seat("emp_a", after="", limit=9) == []


async def test_no_word_is_in_clear_and_none_is_left_once_it_is_spread(on_postgres: PostgresRows) -> None:
    await on_postgres.are_in("emp_a", "p_one", [person(1)])
    await keep(on_postgres)
    dump = "SELECT (SELECT string_agg(m::text, '') FROM pool_messages m) || coalesce((SELECT string_agg(o::text, '') FROM outbox o), '')"
    sealed = await on_postgres.pool.fetchval("SELECT sealed FROM pool_messages")
    assert b"canary" not in sealed
    assert "canary" not in await on_postgres.pool.fetchval(dump)
    await turn(on_postgres)
    assert await on_postgres.pool.fetchval("SELECT sealed FROM pool_messages") is None


async def test_whoever_has_no_key_or_left_meanwhile_is_not_written_to(on_postgres: PostgresRows) -> None:
    await on_postgres.are_in("emp_a", "p_one", [person(1), person(2), person(3)])
    async with unit_of_work(on_postgres.pool, at=NOON, source="outreach_gateway") as unit:
        rows = PostgresOutreach(unit, POLICY, feed, TICKS)
        await rows.forget_keys([person(1)])
        await rows.keep_memberships({person(2): (2, Memberships(frozenset(), frozenset(), 3))})
        # As a version writes that knows no pools: who is in them is not known of its rows.
        await unit.connection.execute("UPDATE memberships SET version = 9 WHERE candidate = $1", person(3))
    await keep(on_postgres)
    await turn(on_postgres)
    assert await on_postgres.spread() == {}


async def test_of_a_larger_pool_so_many_are_written_to(
    on_postgres: PostgresRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "WRITTEN_TO_AT_MOST", 3)
    await on_postgres.are_in("emp_a", "p_one", [person(one) for one in range(1, 8)])
    await keep(on_postgres)
    await turn(on_postgres)
    assert len(await on_postgres.spread()) == 3


async def test_what_was_killed_before_its_commit_has_done_nothing(
    on_postgres: PostgresRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    await on_postgres.are_in("emp_a", "p_one", [person(1)])
    await keep(on_postgres)

    async def dies(*_: object) -> None:
        raise ZeroDivisionError

    spread = PostgresPoolMessages.spread
    monkeypatch.setattr(postgres_pool_messages.PostgresPoolMessages, "spread", dies)
    with pytest.raises(ZeroDivisionError):
        await turn(on_postgres)
    monkeypatch.setattr(postgres_pool_messages.PostgresPoolMessages, "spread", spread)
    assert await on_postgres.spread() == {}
    await turn(on_postgres)
    assert set(await on_postgres.spread()) == {person(1)}
